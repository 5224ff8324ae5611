import Linux
public import OCI

extension BlobStore {
    /// Starts or continues to bring a blob in. One process does so at a time; others wait for it here.
    ///
    /// - Parameters:
    ///   - descriptor: what the bytes must turn out to be.
    ///   - waiting: told, while another process brings the blob in, how many bytes it has.
    /// - Returns: nil where the blob is here.
    /// - Throws: a `SystemError`; `CancellationError` while waiting.
    public func beginIngest(_ descriptor: Descriptor, waiting: (Int64) -> Void) async throws -> BlobIngest? {
        let digest = descriptor.digest
        let directory = "\(ingestDirectory)/\(digest.algorithm.rawValue)-\(digest.hex)"
        while true {
            if size(of: digest) == descriptor.size { return nil }
            do {
                try makeDirectories(directory, permissions: 0o700)
                if let lock = try FileLock.tryLock(directory + "/lock", .exclusive) {
                    // Between looking and locking, the one before may have finished.
                    if size(of: digest) == descriptor.size {
                        try removeTree(directory)
                        return nil
                    }
                    return try BlobIngest(self, expecting: descriptor, in: directory, lock: lock)
                }
            } catch let error as SystemError where error.kind == .notFound {
                // Whoever finished took the directory away under our hands.
                continue
            }
            waiting((try? FileStatus.ifExists(directory + "/data"))??.size ?? 0)
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    /// Starts to bring in a blob whose digest is not known yet.
    public func beginAnonymousIngest() throws -> BlobIngest {
        let collection = try FileLock.wait(collectionLockPath, .shared)
        defer { _ = collection }
        let directory = "\(ingestDirectory)/unnamed-\(uniqueSuffix())"
        try makeDirectory(directory, permissions: 0o700)
        let lock = try FileLock.wait(directory + "/lock", .exclusive)
        return try BlobIngest(self, expecting: nil, in: directory, lock: lock)
    }

    /// A directory for work on a blob that is here; `removeScratchDirectory` takes it away, or a later collection does.
    public func makeScratchDirectory() throws -> ScratchDirectory {
        let collection = try FileLock.wait(collectionLockPath, .shared)
        defer { _ = collection }
        let directory = "\(ingestDirectory)/scratch-\(uniqueSuffix())"
        try makeDirectory(directory, permissions: 0o700)
        return ScratchDirectory(path: directory, lock: try FileLock.wait(directory + "/lock", .exclusive))
    }

    /// Removes what dead processes left in `ingest/`. Run it inside a collection.
    ///
    /// - Parameter all: also downloads that a later pull would continue.
    /// - Returns: bytes freed.
    public func removeStaleIngests(all: Bool) throws -> Int64 {
        var freed: Int64 = 0
        for name in try names(in: ingestDirectory) ?? [] {
            let path = "\(ingestDirectory)/\(name)"
            if name.hasPrefix("small-") {
                try removeFile(path)
                continue
            }
            let isResumable = name.hasPrefix("sha256-") || name.hasPrefix("sha512-")
            if isResumable && !all { continue }
            freed += try removeIfStale(path)
        }
        try removeStagedFiles()
        return freed
    }

    /// Removes what writers of small files left when they died, and seals without a blob.
    private func removeStagedFiles() throws {
        let lock = try FileLock.wait(indexLockPath, .exclusive)
        for name in try names(in: root + "/oci") ?? []
        where name.hasPrefix("index.json.") || name.hasPrefix("oci-layout.") {
            try removeFile("\(root)/oci/\(name)")
        }
        _ = consume lock
        let blobs = Set(try digests().map { sealPath(of: $0.0) })
        for name in try names(in: root + "/seals") ?? [] where !blobs.contains("\(root)/seals/\(name)") {
            // A writer that is alive loses its seal, which costs one reading of the blob.
            try removeFile("\(root)/seals/\(name)")
        }
    }

    /// Removes an ingest whose owner is gone; 0 where somebody works on it, or it went away meanwhile.
    private func removeIfStale(_ path: String) throws -> Int64 {
        if try FileStatus.ifExists(path) == nil { return 0 }
        guard let lock = try FileLock.tryLock(path + "/lock", .exclusive) else { return 0 }
        defer { _ = lock }
        let bytes = try allocatedBytes(of: path)
        try removeTree(path)
        return bytes
    }

    /// Downloads that were interrupted and that nobody works on: digest and the bytes they take.
    public func abandoned() throws -> [(digest: Digest, bytes: Int64)] {
        var found: [(digest: Digest, bytes: Int64)] = []
        for name in try names(in: ingestDirectory) ?? [] {
            let path = "\(ingestDirectory)/\(name)"
            guard let dash = name.firstIndex(of: "-"),
                let digest = try? Digest(parsing: "\(name[..<dash]):\(name[name.index(after: dash)...])"),
                try FileStatus.ifExists(path + "/lock") != nil,
                let lock = try? FileLock.tryLock(path + "/lock", .exclusive)
            else { continue }
            found.append((digest, try allocatedBytes(of: path)))
            _ = consume lock
        }
        return found
    }

    /// The bytes that downloads and other work under way, or left behind, take on disk.
    public func ingestBytes() throws -> Int64 {
        try (names(in: ingestDirectory) ?? []).reduce(0) {
            $0 + ((try? allocatedBytes(of: "\(ingestDirectory)/\($1)")) ?? 0)
        }
    }
}

/// A locked directory for work that leaves nothing behind.
public struct ScratchDirectory: ~Copyable, Sendable {
    /// Where it is.
    public let path: String
    private let lock: FileLock

    init(path: String, lock: consuming FileLock) {
        self.path = path
        self.lock = lock
    }

    deinit { try? removeTree(path) }
}
