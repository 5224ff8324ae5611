import Linux
import OCI
import Synchronization

/// Reads a blob's file on threads of its own, verifying it where it is read from the beginning.
final class BlobFileReader: BlobReader {
    private struct Progress {
        var position: Int64
        var hasher: DigestHasher?
    }

    let offset: Int64
    private let file: OwnedDescriptor
    private let path: String
    private let digest: Digest
    private let size: Int64
    private let progress: Mutex<Progress>

    private static let chunkBytes = 512 << 10

    init(_ path: String, digest: Digest, size: Int64, from offset: Int64) throws {
        self.path = path
        self.digest = digest
        self.size = size
        self.offset = offset
        file = try Linux.open(path, .read)
        let actual = try FileStatus(of: file, path).size
        if actual != size { throw BlobError.damaged(digest, "its file has \(actual) bytes, not \(size)") }
        progress = Mutex(Progress(position: offset, hasher: offset == 0 ? DigestHasher(digest.algorithm) : nil))
    }

    func next() async throws -> [UInt8]? {
        try Task.checkCancellation()
        if progress.withLock({ $0.position }) >= size { return nil }
        return try await onThread(named: "read") { try self.read() }
    }

    func cancel() {}

    private func read() throws -> [UInt8] {
        try progress.withLock { progress in
            let count = Int(min(Int64(Self.chunkBytes), size - progress.position))
            var failure: SystemError?
            let chunk = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, used in
                do throws(SystemError) {
                    used = unsafe try preadFull(
                        from: file.raw, at: progress.position, into: UnsafeMutableRawBufferPointer(buffer), path)
                } catch {
                    failure = error
                }
            }
            if let failure { throw failure }
            if chunk.count < count { throw BlobError.damaged(digest, "its file has fewer than \(size) bytes") }
            progress.position += Int64(count)
            progress.hasher?.update(chunk)
            if progress.position == size, let actual = progress.hasher?.finalize(), actual != digest {
                throw BlobError.damaged(digest, "its bytes have the digest \(actual)")
            }
            return chunk
        }
    }
}
