import Archive
import Content
import Linux
import OCI
import Synchronization

/// Whether the task that waits for a thread was cancelled.
final class CancelFlag: Sendable {
    private let isSet = Atomic(false)
    func set() { isSet.store(true, ordering: .relaxed) }
    func check() throws { if isSet.load(ordering: .relaxed) { throw CancellationError() } }

    /// Runs blocking work on a thread of its own that looks at the flag now and then.
    static func watching<Value: Sendable>(
        _ name: String, _ body: @escaping @Sendable (CancelFlag) throws -> Value
    ) async throws -> Value {
        let flag = CancelFlag()
        return try await withTaskCancellationHandler {
            try await onThread(named: name) { try body(flag) }
        } onCancel: {
            flag.set()
        }
    }
}

/// Writes an image archive to a descriptor. What it writes depends on the images and names alone: no times, no owners.
struct ArchiveWriter {
    private let store: BlobStore
    private let flag: CancelFlag
    private var tar: TarWriter

    init(_ store: BlobStore, to output: Int32, _ flag: CancelFlag) {
        self.store = store
        self.flag = flag
        unsafe tar = TarWriter { try unsafe writeAll($0, to: output) }
    }

    mutating func directory(_ path: String) throws {
        try tar.begin(TarEntry(path: Array(path.utf8), kind: .directory, mode: 0o755))
        try tar.end()
    }

    mutating func file(_ path: String, _ bytes: [UInt8]) throws {
        try tar.begin(TarEntry(path: Array(path.utf8), kind: .file, size: Int64(bytes.count)))
        try unsafe bytes.withUnsafeBytes { try unsafe tar.data($0) }
        try tar.end()
    }

    /// Writes a blob of the store, compared with its digest on the way.
    ///
    /// - Parameter progress: told of every piece's bytes.
    mutating func blob(_ blob: Descriptor, progress: (Int) -> Void) throws {
        let path = store.path(of: blob.digest)
        let file = try Linux.open(path, .read)
        var hasher = DigestHasher(blob.digest.algorithm)
        var size: Int64 = 0
        try tar.begin(TarEntry(path: Array(ArchiveLayout.path(of: blob.digest).utf8), kind: .file, size: blob.size))
        while size < blob.size {
            try flag.check()
            let chunk = try readSome(from: file.raw, upTo: Int(min(512 << 10, blob.size - size)), path)
            if chunk.isEmpty { break }
            hasher.update(chunk)
            size += Int64(chunk.count)
            // The last piece is held back until the digest is known, so that what has a damaged blob in it ends early.
            if size == blob.size, hasher.finalize() != blob.digest { break }
            try unsafe chunk.withUnsafeBytes { try unsafe tar.data($0) }
            progress(chunk.count)
        }
        do { try tar.end() } catch is TarWriter.Failure {
            throw BlobError.damaged(blob.digest, "its bytes have another digest or length")
        }
    }

    mutating func finish() throws { try tar.finish() }
}
