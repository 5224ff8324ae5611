import Archive
import Testing

/// Packs bytes that are given in pieces of a size.
func pack(_ bytes: [UInt8], _ compression: Compression, level: Int? = nil, pieces: Int = 64 << 10) throws -> [UInt8] {
    let compressor = Compressor(compression, level: level)
    var packed: [UInt8] = []
    try unsafe bytes.withUnsafeBytes { bytes in
        var start = 0
        while start < bytes.count {
            let end = min(start + pieces, bytes.count)
            try unsafe compressor.update(UnsafeRawBufferPointer(rebasing: bytes[start..<end])) { output in
                unsafe #expect(!output.isEmpty && output.count <= max(pieces, Compressor.bufferSize))
                unsafe packed.append(contentsOf: output)
            }
            start = end
        }
    }
    try compressor.finish { output in
        unsafe #expect(!output.isEmpty && output.count <= Compressor.bufferSize)
        unsafe packed.append(contentsOf: output)
    }
    #expect(compressor.inputBytes == Int64(bytes.count))
    #expect(compressor.outputBytes == Int64(packed.count))
    return packed
}

/// Bytes that nothing makes smaller.
private func noise(_ count: Int) -> [UInt8] {
    var state: UInt64 = 7
    return (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 56)
    }
}

@Suite("Compressor")
struct CompressorTests {
    struct Setting: CustomTestStringConvertible {
        var compression: Compression
        var level: Int?
        /// Fails on a stream that is not whole.
        var check: String
        var unpack: String
        var testDescription: String { "\(compression.rawValue) \(level.map(String.init) ?? "default")" }
    }

    private static let settings: [Setting] =
        [Setting(compression: .none, check: "true", unpack: "cat")]
        + [nil, 1, 6, 9, -3, 100].map {
            Setting(compression: .gzip, level: $0, check: "gzip -t", unpack: "gzip -dc")
        }
        + [nil, 1, 19, 0].map { Setting(compression: .zstd, level: $0, check: "zstd -q -t", unpack: "zstd -q -dc") }

    private static let inputs: [(name: String, bytes: [UInt8])] = [
        ("nothing", []), ("one byte", [65]), ("a piece less one", sampleText((128 << 10) - 1)),
        ("a piece", sampleText(128 << 10)), ("a buffer less one", sampleText(Decompressor.bufferSize - 1)),
        ("a buffer", sampleText(Decompressor.bufferSize)),
        ("a buffer and one", sampleText(Decompressor.bufferSize + 1)), ("text", sampleText(300_001)),
        ("noise", noise(280_000)),
        ("zeros", [UInt8](repeating: 0, count: 1_000_001)),
    ]

    @Test(arguments: settings)
    func toolsAndWeUnpackIt(_ setting: Setting) throws {
        for input in Self.inputs {
            let packed = try pack(input.bytes, setting.compression, level: setting.level)
            let read = try filtered(packed, through: "\(setting.check) <$IN; \(setting.unpack) <$IN >$OUT")
            #expect(read == input.bytes, "\(input.name)")
            if setting.compression != .none || !packed.isEmpty {
                #expect(try unpack(packed, setting.compression) == input.bytes, "\(input.name)")
            }
        }
    }

    @Test(arguments: settings.filter { $0.level ?? 6 <= 6 })
    func piecesMakeNoDifference(_ setting: Setting) throws {
        for input in Self.inputs where input.bytes.count > 200_000 {
            let whole = try pack(input.bytes, setting.compression, level: setting.level, pieces: 8 << 20)
            for pieces in [100_000, 4097] {
                let again = try pack(input.bytes, setting.compression, level: setting.level, pieces: pieces)
                #expect(again == whole, "\(input.name) in pieces of \(pieces)")
            }
        }
    }

    @Test func theHeaderHoldsNoTimeAndNoName() throws {
        for level in [nil, 6] {
            let header = try pack(sampleText(1000), .gzip, level: level).prefix(10)
            #expect(header.prefix(8) == [0x1F, 0x8B, 8, 0, 0, 0, 0, 0])
        }
    }

    /// What the default costs against gzip's: if it were more, the choice of isa-l would be wrong.
    @Test func theDefaultIsNotMuchLarger() throws {
        let text = sampleText(600_000)
        let (fast, usual) = (try pack(text, .gzip).count, try pack(text, .gzip, level: 6).count)
        #expect(Double(fast) < Double(usual) * 1.25)
        #expect(try pack(text, .zstd).count < text.count / 2)
        #expect(try pack(text, .zstd, level: 19).count < pack(text, .zstd).count)
    }

    @Test func whatTheOutputThrowsComesThrough() throws {
        struct Full: Error {}
        for compression in Compression.allCases {
            let compressor = Compressor(compression)
            let bytes = noise(1 << 20)
            #expect(throws: Full.self) {
                try unsafe bytes.withUnsafeBytes { bytes in
                    try unsafe compressor.update(bytes) { _ in throw Full() }
                    try compressor.finish { _ in throw Full() }
                }
            }
        }
    }
}
