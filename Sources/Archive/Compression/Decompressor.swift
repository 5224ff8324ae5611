/// Unpacks a compressed stream as its bytes come.
///
/// ```swift
/// let decompressor = Decompressor(.gzip)
/// while let chunk = try nextChunk() {
///     try decompressor.consume(chunk) { try parser.consume($0, into: &handler) }
/// }
/// try decompressor.finish()
/// ```
///
/// A stream is one or more gzip members, or zstd frames, and nothing else. Memory is bounded whatever the bytes say: one
/// output buffer, and the compression's own window. One thread at a time uses a decompressor; after an error it is of no
/// further use.
@safe public final class Decompressor {
    /// The largest window of a zstd frame.
    public static let maximumWindow = 128 << 20
    /// The most bytes that `output` gets at once of a compressed stream. Each call of isa-l copies its window twice, out of
    /// its own buffer and into it: with 128 KiB at once that was half of all bytes.
    public static let bufferSize = 512 << 10

    /// How the input is compressed.
    public let compression: Compression
    /// Bytes taken.
    public private(set) var inputBytes: Int64 = 0
    /// Bytes given out.
    public private(set) var outputBytes: Int64 = 0
    private let outputLimit: Int64
    private let engine: (any DecompressionEngine)?
    private var buffer: [UInt8]

    /// Starts before the first byte.
    ///
    /// - Parameters:
    ///   - outputLimit: the most bytes that may come out, against streams made to fill the disk.
    ///   - verifyingChecksums: false where the caller knows the output's digest, which says more than a gzip member's CRC.
    public init(_ compression: Compression, outputLimit: Int64 = .max, verifyingChecksums: Bool = true) {
        self.compression = compression
        self.outputLimit = outputLimit
        engine =
            switch compression {
            case .none: nil
            case .gzip: GzipInflater(verifyingChecksums: verifyingChecksums)
            case .zstd: ZstdInflater()
            }
        buffer = compression == .none ? [] : Decompressor.makeBuffer()
    }

    /// A buffer of `bufferSize` for `exchanging`. It is not cleared: a small layer never touches most of its pages.
    public static func makeBuffer() -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: bufferSize) { $1 = bufferSize }
    }

    /// Takes the next bytes, any number of them, and gives out what they unpack to.
    ///
    /// - Parameter output: gets the unpacked bytes in pieces, none of them empty, each valid in the call only.
    /// - Throws: `DecompressionError`, and whatever `output` throws.
    public func consume(_ input: UnsafeRawBufferPointer, output: (UnsafeRawBufferPointer) throws -> Void) throws {
        guard engine == nil else {
            return try unsafe consume(input) { buffer, count in
                try unsafe buffer.withUnsafeBytes { try unsafe output(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            }
        }
        try passThrough(input.count)
        if input.count > 0 { try unsafe output(input) }
    }

    /// The same for who hands the bytes on to another thread.
    ///
    /// - Parameter exchanging: gets a buffer and how many bytes of it were unpacked; it may take the buffer and leave
    ///   another of the same size in its place.
    public func consume(
        _ input: UnsafeRawBufferPointer, exchanging output: (inout [UInt8], _ count: Int) throws -> Void
    ) throws {
        guard let engine else { preconditionFailure("what is not compressed has no buffer: `passThrough`") }
        inputBytes += Int64(input.count)
        var rest = unsafe input
        while true {
            let before = rest.count
            let produced = try unsafe buffer.withUnsafeMutableBytes { try unsafe engine.step(&rest, into: $0) }
            try count(produced)
            if produced > 0 { try output(&buffer, produced) }
            // A full buffer may have left some inside the engine.
            if rest.count == 0 && produced < Decompressor.bufferSize { return }
            guard produced > 0 || rest.count < before else {
                throw DecompressionError.corrupt(compression, "it leads nowhere")
            }
        }
    }

    /// Counts bytes that are not compressed, which their owner hands on himself.
    ///
    /// - Throws: `DecompressionError.outputTooLarge`.
    public func passThrough(_ bytes: Int) throws(DecompressionError) {
        inputBytes += Int64(bytes)
        try count(bytes)
    }

    /// Ends the stream.
    ///
    /// - Throws: `DecompressionError.truncated` where it is not whole.
    public func finish() throws(DecompressionError) {
        if let engine, !engine.isAtEnd { throw .truncated(compression) }
    }

    private func count(_ bytes: Int) throws(DecompressionError) {
        guard Int64(bytes) <= outputLimit - outputBytes else { throw .outputTooLarge(limit: outputLimit) }
        outputBytes += Int64(bytes)
    }
}

/// A library's decoder.
protocol DecompressionEngine: AnyObject {
    /// Whether what came so far is a whole stream.
    var isAtEnd: Bool { get }
    /// Takes some of the input and fills some of the buffer. It fills the whole buffer where it has that much to give.
    ///
    /// - Returns: the bytes written.
    func step(
        _ input: inout UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer
    ) throws(DecompressionError) -> Int
}
