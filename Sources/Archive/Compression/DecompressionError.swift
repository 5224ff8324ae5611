/// Why compressed bytes are refused.
public enum DecompressionError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The bytes end inside the stream.
    case truncated(Compression)
    /// The bytes are no stream of this compression, or damaged; says what was found.
    case corrupt(Compression, String)
    /// What came out is not what went in: the checksum or the length differs.
    case checksumMismatch(Compression)
    /// After the stream comes something that is none.
    case trailingGarbage(Compression)
    /// A zstd frame that wants more memory than `Decompressor.maximumWindow`.
    case windowTooLarge
    /// More output than the caller allows.
    case outputTooLarge(limit: Int64)

    /// A sentence for people.
    public var description: String {
        switch self {
        case .truncated(let compression): "the \(compression.rawValue) stream ends too early: it was cut off"
        case .corrupt(let compression, let detail): "the \(compression.rawValue) stream is damaged: \(detail)"
        case .checksumMismatch(let compression):
            "the \(compression.rawValue) stream is damaged: its checksum does not fit its content"
        case .trailingGarbage(let compression):
            "the \(compression.rawValue) stream is followed by bytes that belong to none"
        case .windowTooLarge:
            "the zstd stream needs more than \(Decompressor.maximumWindow >> 20) MiB of memory to read: refused"
        case .outputTooLarge(let limit): "the compressed data unpacks to more than \(limit) bytes: refused"
        }
    }
}
