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
    /// The most bytes that `output` gets at once of a compressed stream.
    public static let bufferSize = 256 << 10

    /// How the input is compressed.
    public let compression: Compression
    /// Bytes taken.
    public private(set) var inputBytes: Int64 = 0
    /// Bytes given out.
    public private(set) var outputBytes: Int64 = 0
    private let outputLimit: Int64
    private let engine: (any DecompressionEngine)?
    private let buffer: UnsafeMutableRawBufferPointer

    /// Starts before the first byte.
    ///
    /// - Parameter outputLimit: the most bytes that may come out, against streams made to fill the disk.
    public init(_ compression: Compression, outputLimit: Int64 = .max) {
        self.compression = compression
        self.outputLimit = outputLimit
        engine =
            switch compression {
            case .none: nil
            case .gzip: GzipInflater()
            case .zstd: ZstdInflater()
            }
        unsafe buffer = .allocate(byteCount: compression == .none ? 0 : Decompressor.bufferSize, alignment: 64)
    }

    deinit { unsafe buffer.deallocate() }

    /// Takes the next bytes, any number of them, and gives out what they unpack to.
    ///
    /// - Parameter output: gets the unpacked bytes in pieces, none of them empty, each valid in the call only.
    /// - Throws: `DecompressionError`, and whatever `output` throws.
    public func consume(_ input: UnsafeRawBufferPointer, output: (UnsafeRawBufferPointer) throws -> Void) throws {
        inputBytes += Int64(input.count)
        guard let engine else { return try unsafe give(input, output) }
        var rest = unsafe input
        while true {
            let before = rest.count
            let produced = try unsafe engine.step(&rest, into: buffer)
            try unsafe give(UnsafeRawBufferPointer(rebasing: buffer[..<produced]), output)
            // A full buffer may have left some inside the engine.
            if unsafe rest.count == 0 && produced < buffer.count { return }
            guard produced > 0 || rest.count < before else {
                throw DecompressionError.corrupt(compression, "it leads nowhere")
            }
        }
    }

    /// Ends the stream.
    ///
    /// - Throws: `DecompressionError.truncated` where it is not whole.
    public func finish() throws(DecompressionError) {
        if let engine, !engine.isAtEnd { throw .truncated(compression) }
    }

    private func give(_ bytes: UnsafeRawBufferPointer, _ output: (UnsafeRawBufferPointer) throws -> Void) throws {
        guard bytes.count > 0 else { return }
        guard Int64(bytes.count) <= outputLimit - outputBytes else {
            throw DecompressionError.outputTooLarge(limit: outputLimit)
        }
        outputBytes += Int64(bytes.count)
        try unsafe output(bytes)
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
