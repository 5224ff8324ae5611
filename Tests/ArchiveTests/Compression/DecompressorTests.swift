import Archive
import Testing

/// Unpacks bytes that are given in pieces of a size.
func unpack(
    _ packed: [UInt8], _ compression: Compression, pieces: Int = 64 << 10, limit: Int64 = .max,
    verifyingChecksums: Bool = true
) throws -> [UInt8] {
    let decompressor = Decompressor(compression, outputLimit: limit, verifyingChecksums: verifyingChecksums)
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
        let original = sampleText(1_200_000)
        let packed = try filtered(original, through: made.script)
        for pieces in [1 << 20, 4096, 1000, 17] {
            let unpacked = try unpack(packed, made.compression, pieces: pieces)
            #expect(unpacked == original, "in pieces of \(pieces)")
            let unverified = try unpack(packed, made.compression, pieces: pieces, verifyingChecksums: false)
            #expect(unverified == original, "in pieces of \(pieces), checksums left unread")
        }
        #expect(Compression.detect(firstBytes: packed) == made.compression)
    }

    struct Refused: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var compression: Compression
        var error: DecompressionError
        /// The stream of a text, damaged.
        var damage: @Sendable (inout [UInt8]) -> Void

        init(
            _ name: String, _ compression: Compression, _ error: DecompressionError,
            _ damage: @escaping @Sendable (inout [UInt8]) -> Void
        ) {
            testDescription = "\(compression.rawValue): \(name)"
            (self.compression, self.error, self.damage) = (compression, error, damage)
        }
    }

    static let refused: [Refused] = [
        Refused("nothing", .gzip, .truncated(.gzip)) { $0 = [] },
        Refused("a header", .gzip, .truncated(.gzip)) { $0 = Array($0.prefix(9)) },
        Refused("half", .gzip, .truncated(.gzip)) { $0 = Array($0.prefix($0.count / 2)) },
        Refused("no length", .gzip, .truncated(.gzip)) { $0.removeLast(4) },
        Refused("garbage behind", .gzip, .trailingGarbage(.gzip)) { $0 += [0, 0] },
        Refused("half a member behind", .gzip, .truncated(.gzip)) { $0 += [0x1F, 0x8B, 8] },
        Refused("another checksum", .gzip, .checksumMismatch(.gzip)) { $0[$0.count - 8] ^= 1 },
        Refused("another length", .gzip, .checksumMismatch(.gzip)) { $0[$0.count - 1] ^= 1 },
        Refused("another method", .gzip, .corrupt(.gzip, "no valid header")) { $0[2] = 7 },
        Refused("a reserved flag", .gzip, .corrupt(.gzip, "no valid header")) { $0[3] = 0x80 },
        Refused("an endless name", .gzip, .corrupt(.gzip, "no valid header")) {
            $0 = [0x1F, 0x8B, 8, 8, 0, 0, 0, 0, 0, 3] + [UInt8](repeating: 0x6E, count: 200_000)
        },
        Refused("no deflate", .gzip, .corrupt(.gzip, "an invalid block")) { $0[10] = 0xFF },
        Refused("a bomb", .gzip, .outputTooLarge(limit: 1 << 20)) {
            $0 = (try? pack([UInt8](repeating: 0, count: 2 << 20), .gzip)) ?? []
        },
        Refused("nothing", .zstd, .truncated(.zstd)) { $0 = [] },
        Refused("three bytes", .zstd, .truncated(.zstd)) { $0 = Array($0.prefix(3)) },
        Refused("half", .zstd, .truncated(.zstd)) { $0 = Array($0.prefix($0.count / 2)) },
        Refused("no checksum", .zstd, .truncated(.zstd)) { $0.removeLast(4) },
        Refused("garbage behind", .zstd, .trailingGarbage(.zstd)) { $0 += [0, 0] },
        Refused("half a frame behind", .zstd, .truncated(.zstd)) { $0 += $0.prefix(7) },
        Refused("another checksum", .zstd, .checksumMismatch(.zstd)) { $0[$0.count - 1] ^= 1 },
        Refused("text", .zstd, .corrupt(.zstd, "no frame begins here")) { $0 = Array("text".utf8) },
        // The fuzzer found that libzstd reads the formats from before its first version, and those not the same in pieces.
        Refused("version 0.5", .zstd, .corrupt(.zstd, "no frame begins here")) {
            $0 = [0x25, 0xB5, 0x2F, 0xFD, 0x02, 0xFF, 0xFD, 0x02]
        },
        Refused("version 0.7", .zstd, .corrupt(.zstd, "no frame begins here")) { $0[0] = 0x27 },
        // It found as well that libzstd takes the middle of this frame for a skippable one, if its first 4 bytes come before.
        Refused("a frame in a frame's header", .zstd, .truncated(.zstd)) {
            $0 = [0x28, 0xB5, 0x2F, 0xFD, 0x50, 0x2A, 0x4D, 0x18, 0, 0, 0, 0]
        },
        Refused("a window of 2 GiB", .zstd, .windowTooLarge) { $0 = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 0xA8, 1, 0, 0] },
        Refused("a bomb", .zstd, .outputTooLarge(limit: 1 << 20)) {
            $0 = (try? pack([UInt8](repeating: 0, count: 2 << 20), .zstd)) ?? []
        },
    ]

    @Test(arguments: refused) func refusesWhatIsNoWholeStream(_ row: Refused) throws {
        let text = sampleText(20_000)
        var stream = try pack(text, row.compression)
        row.damage(&stream)
        for pieces in [1 << 20, 1000, 4, 1] where pieces > 1 || stream.count < 50_000 {
            #expect(throws: row.error, "in pieces of \(pieces)") {
                try unpack(stream, row.compression, pieces: pieces, limit: 1 << 20)
            }
            // Only the trailer's sums are let pass.
            if row.error == .checksumMismatch(.gzip) {
                let unpacked = try unpack(stream, .gzip, pieces: pieces, verifyingChecksums: false)
                #expect(unpacked == text)
            } else {
                #expect(throws: row.error, "in pieces of \(pieces), checksums left unread") {
                    try unpack(stream, row.compression, pieces: pieces, limit: 1 << 20, verifyingChecksums: false)
                }
            }
        }
    }
}
