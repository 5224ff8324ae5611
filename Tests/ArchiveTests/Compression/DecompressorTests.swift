import Archive
import Testing

/// Unpacks bytes that are given in pieces of a size.
func unpack(
    _ packed: [UInt8], _ compression: Compression, pieces: Int = 64 << 10, limit: Int64 = .max
) throws -> [UInt8] {
    let decompressor = Decompressor(compression, outputLimit: limit)
    var unpacked: [UInt8] = []
    try packed.withUnsafeBytes { bytes in
        var start = 0
        while start < bytes.count {
            let end = min(start + pieces, bytes.count)
            try decompressor.consume(UnsafeRawBufferPointer(rebasing: bytes[start..<end])) { output in
                #expect(!output.isEmpty)
                unpacked.append(contentsOf: output)
            }
            start = end
        }
    }
    try decompressor.finish()
    #expect(decompressor.inputBytes == Int64(packed.count))
    #expect(decompressor.outputBytes == Int64(unpacked.count))
    return unpacked
}

@Suite("Decompressor")
struct DecompressorTests {
    struct Made: CustomTestStringConvertible {
        var compression: Compression
        var script: String
        var testDescription: String { script }
        init(_ compression: Compression, _ script: String) {
            (self.compression, self.script) = (compression, script)
        }
    }

    @Test(arguments: [
        Made(.none, "cp $IN $OUT"),
        Made(.gzip, "gzip -1 <$IN >$OUT"),
        Made(.gzip, "gzip -9 $IN; mv $IN.gz $OUT"),  // with a file name
        Made(.gzip, "(head -c 100000 $IN | gzip; tail -c +100001 $IN | gzip) >$OUT"),  // two members
        Made(.gzip, "(gzip </dev/null; gzip <$IN; gzip </dev/null) >$OUT"),  // empty members
        Made(.gzip, "split -b 1000 --filter=gzip $IN >$OUT"),  // hundreds of members
        Made(.zstd, "zstd -q -3 <$IN >$OUT"),
        Made(.zstd, "zstd -q -19 --no-check <$IN >$OUT"),
        Made(.zstd, "(head -c 100000 $IN | zstd -q; tail -c +100001 $IN | zstd -q) >$OUT"),  // two frames
        Made(.zstd, "(printf '\\120\\052\\115\\030\\003\\000\\000\\000abc'; zstd -q <$IN) >$OUT"),  // a skippable frame
        Made(.zstd, "(zstd -q <$IN; printf '\\137\\052\\115\\030\\000\\000\\000\\000') >$OUT"),
        Made(.zstd, "zstd -q --long=27 <$IN >$OUT"),  // the largest window that is let in
    ])
    func unpacksWhatToolsPack(_ made: Made) throws {
        let original = sampleText(300_000)
        let packed = try filtered(original, through: made.script)
        for pieces in [1 << 20, 4096, 1000, 17] {
            let unpacked = try unpack(packed, made.compression, pieces: pieces)
            #expect(unpacked == original, "in pieces of \(pieces)")
        }
        #expect(Compression.detect(firstBytes: packed) == made.compression)
    }
}
