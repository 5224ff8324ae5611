import Linux
public import OCI
import Synchronization

/// A blob on its way in: what came is hashed and written on a thread of its own, and kept when the connection breaks or
/// the process dies, so that the next try goes on from there.
///
/// Use: `replay` what an earlier try left, `write` the rest, `verify`, `commit`; or else `suspend` or `cancel`.
public final class BlobIngest: Sendable {
    /// Bytes already here from an earlier try.
    public let offset: Int64
    /// A directory for what is derived from the blob, gone with the ingest.
    public let scratchDirectory: String

    private enum Piece: Sendable {
        /// New bytes, to be written and hashed.
        case fresh([UInt8])
        /// Bytes of the earlier try, to be hashed.
        case stored([UInt8])
    }

    private struct Outcome: Sendable {
        var digest: Digest
        var size: Int64
    }

    /// Lets closures share an open file.
    private final class Shared: Sendable {
        let value: OwnedDescriptor
        init(_ value: consuming OwnedDescriptor) { self.value = value }
    }

    private let store: BlobStore
    private let expected: Descriptor?
    private let directory: String
    private let data: String
    private let lock: Mutex<FileLock?>
    private let worker: Worker<Piece, Outcome>
    private let verified = Mutex<Outcome?>(nil)

    init(_ store: BlobStore, expecting expected: Descriptor?, in directory: String, lock: consuming FileLock) throws {
        self.store = store
        self.expected = expected
        self.directory = directory
        self.lock = Mutex(consume lock)
        data = directory + "/data"
        scratchDirectory = directory + "/scratch"
        // What an earlier try derived is not continued: it is derived again from the bytes that are here.
        try removeTree(scratchDirectory)
        try makeDirectory(scratchDirectory, permissions: 0o700)
        var present = try FileStatus.ifExists(data)?.size ?? 0
        if present > expected?.size ?? 0 {
            try removeFile(data)
            present = 0
        }
        offset = present
        let algorithm = expected?.digest.algorithm ?? .sha256
        let start = present
        let file = try Linux.open(data, .update)
        worker = try Worker(named: "blob", capacity: 3) { [data] pieces in
            try Self.take(pieces, into: file, at: start, hashing: algorithm, data)
        }
    }

    /// The thread's work: hash and write until the pieces end, then make the file durable.
    private static func take(
        _ pieces: Channel<Piece>, into file: borrowing OwnedDescriptor, at offset: Int64,
        hashing algorithm: Digest.Algorithm, _ path: String
    ) throws -> Outcome {
        var hasher = DigestHasher(algorithm)
        var position = offset
        var writer = FrontWriter(from: offset, isTrimmed: true)
        do {
            while let piece = try pieces.receiveBlocking() {
                switch piece {
                case .stored(let bytes): hasher.update(bytes)
                case .fresh(let bytes):
                    try unsafe bytes.withUnsafeBytes { buffer in
                        try unsafe writer.write(buffer, to: file, at: position, path)
                    }
                    hasher.update(bytes)
                    position += Int64(bytes.count)
                }
            }
        } catch {
            // Kept for the next try, without the room that was taken ahead.
            try? setLength(position, of: file, path)
            throw error
        }
        try setLength(position, of: file, path)
        try sync(file, path)
        return Outcome(digest: hasher.finalize(), size: position)
    }

    /// Hands over what an earlier try left, and hashes it. Must come before the first `write`.
    ///
    /// - Parameter body: given the bytes in order, so that what is derived from them can be derived again.
    public func replay(_ body: ([UInt8]) async throws -> Void) async throws {
        if offset == 0 { return }
        let file = Shared(try Linux.open(data, .read))
        var position: Int64 = 0
        while position < offset {
            try Task.checkCancellation()
            let count = Int(min(512 << 10, offset - position))
            let chunk = try await onThread(named: "replay") { [data] in
                try readSome(from: file.value.raw, upTo: count, data)
            }
            if chunk.isEmpty {
                throw BlobError.sizeMismatch(
                    expected?.digest ?? Digest.sha256(of: []), expected: offset, actual: position)
            }
            position += Int64(chunk.count)
            try await worker.send(.stored(chunk))
            try await body(chunk)
        }
    }

    /// Takes the next bytes; waits while the disk is behind.
    public func write(_ chunk: [UInt8]) async throws { try await worker.send(.fresh(chunk)) }

    /// Ends the bytes: makes them durable and compares size and digest.
    ///
    /// - Returns: the digest.
    /// - Throws: `BlobError.sizeMismatch`, `.digestMismatch`; a `SystemError`.
    @discardableResult
    public func verify() async throws -> Digest {
        worker.end()
        let actual = try await worker.value()
        if let expected {
            if actual.size != expected.size {
                throw BlobError.sizeMismatch(expected.digest, expected: expected.size, actual: actual.size)
            }
            if actual.digest != expected.digest {
                throw BlobError.digestMismatch(expected: expected.digest, actual: actual.digest)
            }
        }
        verified.withLock { $0 = actual }
        return actual.digest
    }

    /// Makes the verified bytes a blob of the store, durably.
    public func commit() async throws {
        guard let actual = verified.withLock({ $0 }) else { throw ChannelClosed() }
        try store.publish(data, as: actual.digest)
        try finish()
    }

    /// The same for an ingest without a known digest: verifies, holds the digest by a lease, and makes it a blob.
    ///
    /// - Returns: what it turned out to be.
    public func commit(leasing lease: Lease) async throws -> (digest: Digest, size: Int64) {
        let digest = try await verify()
        try lease.add(digest)
        try await commit()
        return (digest, verified.withLock { $0?.size } ?? 0)
    }

    /// Stops and keeps what came, for the next try.
    public func suspend() async {
        worker.end()
        _ = try? await worker.value()
        try? removeTree(scratchDirectory)
        unlock()
    }

    /// Stops and leaves no trace.
    public func cancel() async {
        worker.fail(ChannelClosed())
        _ = try? await worker.value()
        try? finish()
    }

    private func finish() throws {
        defer { unlock() }
        try removeTree(directory)
    }

    private func unlock() {
        lock.withLock { lock in
            _ = lock.take()
        }
    }
}
