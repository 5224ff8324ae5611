public import OCI

/// Where blobs come from: a registry, the local store, an OCI layout, an archive, memory.
///
/// One reader and one writer protocol, so that pull, push, save, load and import are one copy between adapters.
public protocol BlobSource: Sendable {
    /// Opens a blob at a byte offset.
    ///
    /// The reader gives exactly `descriptor.size - offset` bytes or throws; whoever needs the digest verified wraps it
    /// or hashes what it gives (the bytes before `offset` are the caller's).
    ///
    /// - Parameters:
    ///   - descriptor: the blob; its media type tells a registry whether it is a manifest.
    ///   - offset: where to start, in bytes; 0 to `descriptor.size`.
    /// - Throws: `BlobError.notFound` where the source does not have it, and the source's own errors.
    func open(_ descriptor: Descriptor, from offset: Int64) async throws -> any BlobReader
}

/// A blob's bytes, chunk by chunk, in order. One task at a time uses a reader.
public protocol BlobReader: AnyObject, Sendable {
    /// Where the bytes that `next()` will give begin, in the blob. Smaller than the offset asked for where the source
    /// cannot start in the middle (a registry without ranges): the caller skips what it has.
    var offset: Int64 { get }
    /// The next bytes, at most 1 MiB; nil at the end.
    func next() async throws -> [UInt8]?
    /// Stops early; a reader that is dropped does the same.
    func cancel()
}

/// Where blobs go to.
public protocol BlobSink: Sendable {
    /// Whether the blob is there, whole.
    func contains(_ descriptor: Descriptor) async throws -> Bool
    /// Takes a blob; when it returns, the blob is durable under its digest.
    ///
    /// - Parameters:
    ///   - descriptor: what the bytes must turn out to be: size and digest are verified.
    ///   - source: where to read them.
    ///   - progress: told how many bytes were taken since the last call.
    func write(_ descriptor: Descriptor, from source: any BlobSource, progress: @Sendable (Int64) -> Void) async throws
}

/// What can go wrong with a blob, whatever holds it.
public enum BlobError: Error, Equatable, CustomStringConvertible {
    /// The holder does not have it.
    case notFound(Digest)
    /// The bytes have another digest.
    case digestMismatch(expected: Digest, actual: Digest)
    /// The bytes ended early, or went on.
    case sizeMismatch(Digest, expected: Int64, actual: Int64)
    /// What is stored under a digest no longer has it.
    case damaged(Digest, String)

    /// A sentence for people.
    public var description: String {
        switch self {
        case .notFound(let digest): "blob \(digest) not found"
        case .digestMismatch(let expected, let actual): "blob has digest \(actual), want \(expected)"
        case .sizeMismatch(let digest, let expected, let actual):
            actual < expected
                ? "blob \(digest) is too short: \(actual) of \(expected) bytes"
                : "blob \(digest) is too long: more than its \(expected) bytes"
        case .damaged(let digest, let what): "blob \(digest) is damaged: \(what)"
        }
    }
}

extension BlobSource {
    /// Reads a small blob whole, verified.
    ///
    /// - Parameters:
    ///   - descriptor: the blob.
    ///   - limit: the most bytes it may have.
    public func readAll(_ descriptor: Descriptor, limit: Int) async throws -> [UInt8] {
        if descriptor.size > Int64(limit) {
            throw DocumentError.tooLarge(
                kind: "\(descriptor.mediaType)", bytes: Int(clamping: descriptor.size), limit: limit)
        }
        let reader = try await open(descriptor, from: 0)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Int(descriptor.size))
        while let chunk = try await reader.next() {
            bytes += chunk
            if bytes.count > descriptor.size {
                reader.cancel()
                throw BlobError.sizeMismatch(descriptor.digest, expected: descriptor.size, actual: Int64(bytes.count))
            }
        }
        if bytes.count != descriptor.size {
            throw BlobError.sizeMismatch(descriptor.digest, expected: descriptor.size, actual: Int64(bytes.count))
        }
        var hasher = DigestHasher(descriptor.digest.algorithm)
        hasher.update(bytes)
        let actual = hasher.finalize()
        if actual != descriptor.digest { throw BlobError.digestMismatch(expected: descriptor.digest, actual: actual) }
        return bytes
    }
}
