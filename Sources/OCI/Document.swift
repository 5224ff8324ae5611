#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Bounds on what a registry, an archive or a layout may make us hold.
public enum Limits {
    /// The largest manifest or index, in bytes (distribution-spec asks for at least 4 MiB).
    public static let manifestBytes = 4 << 20
    /// The largest image config, in bytes.
    public static let configBytes = 8 << 20
    /// The most layers of one image: overlayfs takes 500 lower directories.
    public static let layers = 500
    /// The most entries of an index.
    public static let indexEntries = 4096
    /// How deep indexes may nest.
    public static let indexDepth = 4
    /// How deep JSON may nest.
    public static let jsonDepth = 64
}

/// Why the bytes of a manifest, an index or a config were refused.
public enum DocumentError: Error, Equatable, CustomStringConvertible {
    /// More bytes than `Limits` allows for the kind of document.
    case tooLarge(kind: String, bytes: Int, limit: Int)
    /// Nested deeper than `Limits.jsonDepth`.
    case tooDeep
    /// Not JSON, or a field of the wrong type or missing.
    case malformed(String)
    /// Well formed, but it says something that cannot be.
    case invalid(String)
    /// A media type that this program does not handle.
    case unsupported(String)

    /// A sentence for people.
    public var description: String {
        switch self {
        case .tooLarge(let kind, let bytes, let limit): "\(kind) of \(bytes) bytes is larger than the limit of \(limit)"
        case .tooDeep: "JSON nested deeper than \(Limits.jsonDepth) levels"
        case .malformed(let what): "malformed JSON: \(what)"
        case .invalid(let what): what
        case .unsupported(let what): "unsupported media type `\(what)`"
        }
    }
}

/// A decoded JSON document beside the exact bytes it came from: the digest is of the bytes, which are never re-encoded.
public struct Document<Value: Sendable & Decodable>: Sendable {
    /// The exact bytes.
    public let bytes: [UInt8]
    /// What they say.
    public let value: Value

    /// The SHA-256 digest of the bytes.
    public var digest: Digest { Digest.sha256(of: bytes) }

    /// Decodes bytes.
    ///
    /// - Parameters:
    ///   - bytes: the JSON text.
    ///   - kind: what to call it in an error.
    ///   - limit: the most bytes it may have.
    public init(parsing bytes: [UInt8], kind: String, limit: Int) throws(DocumentError) {
        if bytes.count > limit { throw .tooLarge(kind: kind, bytes: bytes.count, limit: limit) }
        try checkDepth(of: bytes)
        do {
            value = try JSONDecoder().decode(Value.self, from: Data(bytes))
        } catch let error as DocumentError {
            throw error
        } catch {
            throw .malformed("\(kind): \(describe(error))")
        }
        self.bytes = bytes
    }
}

/// Refuses JSON that nests deeper than the limit before a recursive parser sees it.
func checkDepth(of bytes: [UInt8], limit: Int = Limits.jsonDepth) throws(DocumentError) {
    var depth = 0
    var inString = false
    var escaped = false
    for byte in bytes {
        if inString {
            if escaped {
                escaped = false
            } else if byte == UInt8(ascii: "\\") {
                escaped = true
            } else if byte == UInt8(ascii: "\"") {
                inString = false
            }
            continue
        }
        switch byte {
        case UInt8(ascii: "\""): inString = true
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            depth += 1
            if depth > limit { throw .tooDeep }
        case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
        default: break
        }
    }
}

private func describe(_ error: any Error) -> String {
    guard let error = error as? DecodingError else { return "\(error)" }
    func path(_ context: DecodingError.Context) -> String {
        context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? ".\($0.stringValue)" }.joined()
    }
    switch error {
    case .keyNotFound(let key, let context): return "`\(path(context)).\(key.stringValue)` is missing"
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
        return "`\(path(context))`: \(context.debugDescription)"
    case .dataCorrupted(let context):
        if let cause = context.underlyingError, !(context.codingPath.isEmpty) { return "`\(path(context))`: \(cause)" }
        return context.codingPath.isEmpty ? context.debugDescription : "`\(path(context))`: \(context.debugDescription)"
    @unknown default: return "\(error)"
    }
}
