import Content
import Linux
package import OCI
import Synchronization

/// Blobs as files: `blobs/<algorithm>/<two digits>/<hex>`, uploads as `uploads/<id>`, locks as `locks/<two digits>`.
///
/// A blob's file is complete from its first moment: it is written as an upload, synced, verified, renamed, and its
/// directory synced. The locks are of the kernel: they hold between processes too (a server and a garbage collection
/// started by hand) and end with their process.
package final class FileBlobStorage: RegistryBlobStorage {
    /// The directory all is below.
    package let path: String

    /// Opens a storage, making its directories where they are missing.
    package init(path: String) throws {
        self.path = path
        for name in ["blobs/sha256", "blobs/sha512", "uploads", "locks"] {
            try makeDirectories("\(path)/\(name)", permissions: 0o700)
        }
        try syncDirectory(path)
    }

    package func size(of digest: Digest) throws -> Int64? { try FileStatus.ifExists(file(of: digest))?.size }

    package func content(of digest: Digest) throws -> BlobContent? {
        let path = file(of: digest)
        do throws(SystemError) {
            let file = OpenFile(try Linux.open(path, .read))
            return .file(file, size: try FileStatus(of: file.descriptor, path).size)
        } catch {
            if error.kind == .notFound { return nil }
            throw error
        }
    }

    package func startUpload(_ id: UploadID, hashing algorithm: Digest.Algorithm) throws -> any BlobUpload {
        let path = uploadFile(id)
        return FileBlobUpload(
            self, path: path, try Linux.open(path, .createNew, permissions: 0o600), algorithm, present: 0)
    }

    package func resumeUpload(_ id: UploadID, hashing algorithm: Digest.Algorithm) throws -> (any BlobUpload)? {
        let path = uploadFile(id)
        guard let status = try FileStatus.ifExists(path) else { return nil }
        return FileBlobUpload(self, path: path, try Linux.open(path, .update), algorithm, present: status.size)
    }

    package func removeUpload(_ id: UploadID) throws { try removeFile(uploadFile(id)) }

    package func uploads() throws -> [StoredUpload] {
        try (names(in: "\(path)/uploads") ?? []).compactMap { name in
            guard let id = UploadID(parsing: name), let status = try FileStatus.ifExists(uploadFile(id)) else {
                return nil
            }
            return StoredUpload(id: id, changed: status.mtimeSeconds)
        }
    }

    package func forEachBlob(_ body: (StoredBlob) throws -> Void) throws {
        for algorithm in Digest.Algorithm.allCases {
            let root = "\(path)/blobs/\(algorithm.rawValue)"
            for shard in try names(in: root) ?? [] {
                for hex in try names(in: "\(root)/\(shard)") ?? [] {
                    guard let digest = try? Digest(algorithm, hex: hex), hex.hasPrefix(shard),
                        let status = try FileStatus.ifExists("\(root)/\(shard)/\(hex)")
                    else { continue }
                    try body(StoredBlob(digest: digest, size: status.size, stored: status.ctimeSeconds))
                }
            }
        }
    }

    package func remove(_ digest: Digest) throws { try removeFile(file(of: digest)) }

    package func problem(with digest: Digest, size: Int64) throws -> String? {
        guard case .file(let file, let actual)? = try content(of: digest) else { return "its file is missing" }
        if actual != size { return "its file has \(actual) bytes, not \(size)" }
        var hasher = DigestHasher(digest.algorithm)
        try hash(file.descriptor, from: 0, to: actual, self.file(of: digest), into: &hasher)
        let found = hasher.finalize()
        return found == digest ? nil : "its bytes have the digest \(found)"
    }

    package func exclusively<Result>(_ digest: Digest, _ body: () throws -> Result) throws -> Result {
        let lock = try FileLock.wait("\(path)/locks/\(digest.hex.prefix(2))", .exclusive)
        let result = Swift.Result { try body() }
        _ = consume lock
        return try result.get()
    }

    package func checkWritable() throws {
        let probe = "\(path)/uploads/probe.\(uniqueSuffix())"
        _ = try Linux.open(probe, .createNew, permissions: 0o600)
        try removeFile(probe)
    }

    private func uploadFile(_ id: UploadID) -> String { "\(path)/uploads/\(id)" }

    private func shard(of digest: Digest) -> String {
        "\(path)/blobs/\(digest.algorithm.rawValue)/\(digest.hex.prefix(2))"
    }

    func file(of digest: Digest) -> String { "\(shard(of: digest))/\(digest.hex)" }

    /// Renames an upload's file to the blob's.
    fileprivate func publish(_ upload: String, as digest: Digest) throws {
        let shard = shard(of: digest)
        if try FileStatus.ifExists(shard) == nil {
            try makeDirectory(shard, permissions: 0o700)
            try syncDirectory(parent(of: shard))
        }
        // A copy that is here already is replaced by the one that was verified just now: if it was damaged, it is mended.
        try rename(upload, to: file(of: digest))
        try syncDirectory(shard)
    }
}

/// An upload as a file. The hash runs along; what an earlier process wrote is hashed when it is needed.
private final class FileBlobUpload: BlobUpload {
    private struct State: Sendable {
        var hasher: DigestHasher
        /// How many of the bytes `hasher` has taken.
        var hashed: Int64
        var offset: Int64
        /// Up to where write-back was started.
        var written: Int64
    }

    private static let writebackBytes: Int64 = 8 << 20

    private let storage: FileBlobStorage
    private let path: String
    let file: OpenFile
    private let algorithm: Digest.Algorithm
    private let state: Mutex<State>

    init(
        _ storage: FileBlobStorage, path: String, _ file: consuming OwnedDescriptor, _ algorithm: Digest.Algorithm,
        present: Int64
    ) {
        self.storage = storage
        self.path = path
        self.file = OpenFile(file)
        self.algorithm = algorithm
        state = Mutex(State(hasher: DigestHasher(algorithm), hashed: 0, offset: present, written: present))
    }

    var offset: Int64 { state.withLock { $0.offset } }

    func append(_ bytes: UnsafeRawBufferPointer) throws {
        // One thread at a time uses an upload: the lock is never waited for.
        var state = self.state.withLock { $0 }
        unsafe try pwriteAll(bytes, to: file.descriptor.raw, at: state.offset, path)
        if state.hashed == state.offset {
            unsafe state.hasher.update(bytes)
            state.hashed += Int64(bytes.count)
        }
        state.offset += Int64(bytes.count)
        if state.offset - state.written >= Self.writebackBytes {
            startWriteback(file.descriptor, from: state.written, count: state.offset - state.written)
            state.written = state.offset
        }
        self.state.withLock { $0 = state }
    }

    func verify(_ digest: Digest) throws -> Int64 {
        var state = self.state.withLock { $0 }
        if digest.algorithm != algorithm {
            state.hasher = DigestHasher(digest.algorithm)
            state.hashed = 0
        }
        try hash(file.descriptor, from: state.hashed, to: state.offset, path, into: &state.hasher)
        let actual = state.hasher.finalize()
        if actual != digest { throw BlobError.digestMismatch(expected: digest, actual: actual) }
        try sync(file.descriptor, path)
        return state.offset
    }

    func publish(as digest: Digest) throws { try storage.publish(path, as: digest) }
}

/// Hashes a part of a file.
private func hash(
    _ file: borrowing OwnedDescriptor, from start: Int64, to end: Int64, _ path: String, into hasher: inout DigestHasher
) throws {
    var position = start
    let chunk = UnsafeMutableRawBufferPointer.allocate(
        byteCount: Int(min(1 << 20, max(end - start, 1))), alignment: 4096)
    defer { unsafe chunk.deallocate() }
    while position < end {
        let count = Int(min(Int64(chunk.count), end - position))
        let part = unsafe UnsafeMutableRawBufferPointer(rebasing: chunk[..<count])
        let read = try unsafe preadFull(from: file.raw, at: position, into: part, path)
        if read < count { throw SystemError(errno: 5, operation: "read", subject: path) }
        unsafe hasher.update(UnsafeRawBufferPointer(part))
        position += Int64(count)
    }
}
