/// How a layer's tar is compressed.
public enum Compression: String, Sendable, CaseIterable {
    /// Plain tar.
    case none
    /// RFC 1952.
    case gzip
    /// RFC 8878.
    case zstd

    /// The bytes that `detect` wants to see.
    public static let detectionLength = 4

    /// Tells the compression by the first bytes: what the bytes say counts, whatever the media type claims.
    public static func detect(firstBytes: some Collection<UInt8>) -> Compression {
        let first = Array(firstBytes.prefix(detectionLength))
        if first.starts(with: [0x1F, 0x8B]) { return .gzip }
        if first == [0x28, 0xB5, 0x2F, 0xFD] { return .zstd }
        // A skippable frame, whose number is in the low half of the first byte; a zstd:chunked blob may begin with one.
        if first.count == 4, first[0] & 0xF0 == 0x50, first[1...] == [0x2A, 0x4D, 0x18] { return .zstd }
        return .none
    }

    /// Tells the compression by a layer's media type; nil for a type that is no layer's.
    public init?(mediaType: some StringProtocol) {
        if mediaType.hasSuffix(".tar+gzip") || mediaType.hasSuffix(".tar.gzip") {
            self = .gzip
        } else if mediaType.hasSuffix(".tar+zstd") || mediaType.hasSuffix(".tar.zstd") {
            self = .zstd
        } else if mediaType.hasSuffix(".tar") {
            self = .none
        } else {
            return nil
        }
    }
}
