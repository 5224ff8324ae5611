import Linux
public import OCI

/// Blobs on disk, by digest: an OCI image layout that other tools may read at any moment, and the downloads under way.
///
///     oci/     oci-layout, index.json, blobs/ALGORITHM/HEX     a valid layout at all times (image-spec image-layout.md)
///     seals/   what each verified blob's file looked like
///     ingest/  blobs that are not whole yet, each in a directory of its own with a lock
///     leases/  what running operations need; a lease dies with its process
///
/// A blob appears under its digest only when it is whole, verified and durable. Any number of processes may share a
/// store.
public final class BlobStore: Sendable {
    /// The directory that holds it all.
    public let root: String

    /// Opens a store, making its directories where they are missing.
    ///
    /// - Throws: a `SystemError` naming the path.
    public init(root: String) throws {
        self.root = root
        for directory in [
            "", "/oci", "/oci/blobs", "/oci/blobs/sha256", "/oci/blobs/sha512", "/seals", "/ingest", "/leases",
        ] {
            let path = root + directory
            if try FileStatus.ifExists(path) == nil { try makeDirectories(path, permissions: 0o700) }
        }
        // A layout without these two is none; they come last, so that one that was half made is finished next time.
        if try FileStatus.ifExists(layoutPath) == nil {
            try writeAtomically(Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8), to: layoutPath)
        }
        if try FileStatus.ifExists(indexPath) == nil { try writeIndex { [] } }
    }

    var layoutPath: String { root + "/oci/oci-layout" }
    var indexPath: String { root + "/oci/index.json" }
    var indexLockPath: String { root + "/index.lock" }
    var ingestDirectory: String { root + "/ingest" }
    var leaseDirectory: String { root + "/leases" }
    var collectionLockPath: String { root + "/gc.lock" }

    /// Where a blob's file is or would be.
    public func path(of digest: Digest) -> String { "\(root)/oci/blobs/\(digest.algorithm.rawValue)/\(digest.hex)" }

    /// A blob's size in bytes; nil where it is not here.
    public func size(of digest: Digest) -> Int64? {
        guard let status = try? FileStatus.ifExists(path(of: digest)), status.kind == .regular else { return nil }
        return status.size
    }

    /// Every blob with its size in bytes.
    public func digests() throws -> [(Digest, Int64)] {
        var found: [(Digest, Int64)] = []
        for algorithm in Digest.Algorithm.allCases {
            for name in try names(in: "\(root)/oci/blobs/\(algorithm.rawValue)") ?? [] {
                guard let digest = try? Digest(algorithm, hex: name), let size = size(of: digest) else { continue }
                found.append((digest, size))
            }
        }
        return found
    }

    /// Stores a small blob; when this returns it is durable.
    ///
    /// - Throws: `BlobError.digestMismatch`; a `SystemError`.
    public func put(_ bytes: [UInt8], as digest: Digest) throws {
        var hasher = DigestHasher(digest.algorithm)
        hasher.update(bytes)
        let actual = hasher.finalize()
        if actual != digest { throw BlobError.digestMismatch(expected: digest, actual: actual) }
        if size(of: digest) == Int64(bytes.count), (try? checkSeal(digest)) != nil { return }
        // No collection runs while this lock is held, so nobody takes the staged file for one that was left behind.
        let lock = try FileLock.wait(collectionLockPath, .shared)
        let staged = "\(ingestDirectory)/small-\(uniqueSuffix())"
        do {
            let file = try Linux.open(staged, .createNew)
            try writeAll(bytes, to: file.raw, staged)
            try sync(file, staged)
            try file.close(staged)
            try publish(staged, as: digest)
        } catch {
            try? removeFile(staged)
            throw error
        }
        _ = consume lock
    }

    /// Moves a staged, synced, verified file to where its digest says, durably, and remembers how it looks.
    func publish(_ staged: String, as digest: Digest) throws {
        let path = path(of: digest)
        try Linux.rename(staged, to: path)
        try syncDirectory(parent(of: path))
        // A blob without a seal is only read once more before it is trusted.
        try? writeSeal(of: digest)
    }

    /// Removes a blob; one that is not here is fine.
    public func remove(_ digest: Digest) throws {
        try removeFile(path(of: digest))
        try removeFile(sealPath(of: digest))
    }

    /// Reads a small blob whole, verified.
    ///
    /// - Parameters:
    ///   - descriptor: digest and size.
    ///   - limit: the most bytes it may have.
    /// - Throws: `BlobError.notFound`, `.damaged`; a `SystemError`.
    public func readSmall(_ descriptor: Descriptor, limit: Int) throws -> [UInt8] {
        let digest = descriptor.digest
        let bytes: [UInt8]
        do { bytes = try readFile(path(of: digest), limit: limit) } catch {
            throw error.kind == .notFound ? BlobError.notFound(digest) : error
        }
        var hasher = DigestHasher(digest.algorithm)
        hasher.update(bytes)
        let actual = hasher.finalize()
        if actual != digest { throw BlobError.damaged(digest, "its bytes have the digest \(actual)") }
        return bytes
    }

    /// The first bytes of a blob, not verified: enough to tell a compression by.
    public func firstBytes(_ count: Int, of digest: Digest) throws -> [UInt8] {
        let file = try Linux.open(path(of: digest), .read)
        return try readSome(from: file.raw, upTo: count, path(of: digest))
    }
}

extension BlobStore: BlobSource {
    /// Opens a blob. Read from its beginning it is verified on the way: the last chunk of a damaged blob is not given.
    ///
    /// - Throws: `BlobError.notFound`; the reader throws `BlobError.damaged`.
    public func open(_ descriptor: Descriptor, from offset: Int64) async throws -> any BlobReader {
        do {
            return try BlobFileReader(
                path(of: descriptor.digest), digest: descriptor.digest, size: descriptor.size, from: offset)
        } catch let error as SystemError where error.kind == .notFound {
            throw BlobError.notFound(descriptor.digest)
        }
    }
}

extension BlobStore: BlobSink {
    /// Whether the blob is here with its size.
    public func contains(_ descriptor: Descriptor) async throws -> Bool {
        size(of: descriptor.digest) == descriptor.size
    }

    /// Takes a blob, continuing an earlier try where there is one.
    public func write(
        _ descriptor: Descriptor, from source: any BlobSource, progress: @Sendable (Int64) -> Void
    ) async throws {
        guard let ingest = try await beginIngest(descriptor, waiting: { _ in }) else { return }
        do {
            try await ingest.replay { _ in }
            var position = ingest.offset
            let reader = try await source.open(descriptor, from: position)
            defer { reader.cancel() }
            var skip = position - reader.offset
            while var chunk = try await reader.next() {
                let dropped = min(skip, Int64(chunk.count))
                skip -= dropped
                chunk.removeFirst(Int(dropped))
                if chunk.isEmpty { continue }
                position += Int64(chunk.count)
                if position > descriptor.size {
                    throw BlobError.sizeMismatch(descriptor.digest, expected: descriptor.size, actual: position)
                }
                try await ingest.write(chunk)
                progress(Int64(chunk.count))
            }
            try await ingest.verify()
            try await ingest.commit()
        } catch {
            if error is BlobError { await ingest.cancel() } else { await ingest.suspend() }
            throw error
        }
    }
}
