import Content
import Linux
package import NIOCore
package import OCI
import SQL
import Synchronization

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A registry: what may be pushed, pulled, listed and deleted, whatever the front end.
///
/// Order of a push: bytes durable and verified, then named, then the row; the answer only after that. Bytes without a row
/// are garbage, which the collection takes; a row without bytes never is.
package final class Registry: Sendable {
    package let storage: any RegistryBlobStorage
    package let database: RegistryDatabase
    package let policy: RegistryPolicy
    /// Milliseconds since 1970.
    package let now: @Sendable () -> Int64
    package var changes: ChangeSignal { database.changes }
    let sessions = UploadSessions()
    let pulls = PullCounter()
    let manifests = ManifestCache(limit: 32 << 20)
    let lookups = LookupCache(limit: 16 << 20)

    package init(
        storage: any RegistryBlobStorage, database: RegistryDatabase, policy: RegistryPolicy = RegistryPolicy(),
        now: @escaping @Sendable () -> Int64 = Registry.systemTime
    ) {
        self.storage = storage
        self.database = database
        self.policy = policy
        self.now = now
    }

    /// Opens the registry in a directory, making it where it is missing: blobs below `blobs`, rows in `registry.db`.
    package convenience init(
        root: String, policy: RegistryPolicy = RegistryPolicy(),
        now: @escaping @Sendable () -> Int64 = Registry.systemTime
    ) throws {
        try makeDirectories(root, permissions: 0o700)
        try self.init(
            storage: FileBlobStorage(path: root), database: RegistryDatabase(path: "\(root)/registry.db"),
            policy: policy, now: now)
    }

    /// The clock of this machine, in milliseconds since 1970.
    package static let systemTime: @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970 * 1000) }

    // MARK: Blobs

    /// A blob of a repository.
    ///
    /// - Parameter building: whether the client asks in order to build on it; then it is kept for the grace time.
    package func blob(_ digest: Digest, in name: RepositoryName, building: Bool) async throws -> Int64 {
        let record: BlobRecord
        if case .blob(let known)? = lookups.record(.blob(name, digest), at: database.state) {
            record = known
        } else {
            record = try await Workers.run { [self] in try lookUp(digest, in: name) }
        }
        let now = now()
        if building, now - record.touched > policy.grace.milliseconds / 8 {
            try await database.write { try $0.touchBlob(digest, in: name, at: now) }
        }
        return record.size
    }

    /// The bytes of a blob of a repository.
    package func content(of digest: Digest, in name: RepositoryName) async throws -> BlobContent {
        try await Workers.run { [self] in
            let record = try lookUp(digest, in: name)
            guard let content = try storage.content(of: digest), content.size == record.size else {
                throw BlobError.damaged(digest, "its bytes are not in the storage as they were stored")
            }
            return content
        }
    }

    /// The row of a blob. Blocks the thread.
    private func lookUp(_ digest: Digest, in name: RepositoryName) throws -> BlobRecord {
        let key = LookupCache.Key.blob(name, digest)
        let state = database.state
        if case .blob(let known)? = lookups.record(key, at: state) { return known }
        guard let record = try database.readBlocking({ try $0.blob(digest, in: name) }) else {
            throw RegistryFailure.blobUnknown(digest)
        }
        lookups.insert(.blob(record), for: key, read: state, now: database.state)
        return record
    }

    package func deleteBlob(_ digest: Digest, from name: RepositoryName, by actor: String) async throws {
        let now = now()
        try await database.write { try $0.deleteBlob(digest, from: name, by: actor, at: now) }
    }

    /// Gives a repository a blob of another one.
    ///
    /// - Returns: false where it is not to be had.
    package func mount(_ digest: Digest, from source: RepositoryName?, to name: RepositoryName) async throws -> Bool {
        // Most mounts of what is not here need no write.
        let known = try await database.read { try $0.repositories(with: digest, limit: 1) }
        if known.isEmpty { return false }
        let now = now()
        return try await database.write { try $0.mountBlob(digest, from: source, to: name, at: now) }
    }

    // MARK: Manifests

    /// A manifest by its tag or digest.
    package func manifest(_ reference: ManifestReference, in name: RepositoryName) async throws -> ManifestRecord {
        if case .manifest(let known)? = lookups.record(.manifest(name, reference), at: database.state) { return known }
        return try await Workers.run { [self] in
            let state = database.state
            return try database.readBlocking { try lookUp(reference, in: name, $0, state) }
        }
    }

    /// A manifest with its bytes.
    package func manifestContent(
        _ reference: ManifestReference, in name: RepositoryName
    ) async throws -> (record: ManifestRecord, bytes: ByteBuffer) {
        let now = now()
        if case .manifest(let known)? = lookups.record(.manifest(name, reference), at: database.state),
            let bytes = manifests[known.digest]
        {
            pulls.note(reference, of: name, at: now)
            return (known, bytes)
        }
        return try await Workers.run { [self] in
            let state = database.state
            return try database.readBlocking { records in
                let record = try lookUp(reference, in: name, records, state)
                pulls.note(reference, of: name, at: now)
                if let bytes = manifests[record.digest] { return (record, bytes) }
                guard let bytes = try records.manifestBytes(record.digest) else {
                    throw BlobError.damaged(record.digest, "its bytes are not in the database")
                }
                // A manifest is verified when it is read from the disk: a damaged one is never served.
                var hasher = DigestHasher(record.digest.algorithm)
                hasher.update(bytes)
                if hasher.finalize() != record.digest {
                    throw BlobError.damaged(record.digest, "its bytes have another digest")
                }
                let buffer = ByteBuffer(bytes: bytes)
                manifests[record.digest] = buffer
                return (record, buffer)
            }
        }
    }

    /// The row of a manifest. Blocks the thread.
    ///
    /// - Parameter state: of before the transaction.
    private func lookUp(
        _ reference: ManifestReference, in name: RepositoryName, _ records: RegistryRecords, _ state: DatabaseState?
    ) throws -> ManifestRecord {
        guard let record = try records.manifest(reference, in: name) else {
            throw RegistryFailure.manifestUnknown(reference, name)
        }
        lookups.insert(.manifest(record), for: .manifest(name, reference), read: state, now: database.state)
        return record
    }

    /// Takes a manifest.
    ///
    /// - Returns: its digest, and the subject it refers to.
    package func putManifest(
        _ bytes: [UInt8], mediaType: MediaType?, as reference: ManifestReference, tags: [TagName],
        if condition: TagCondition?, to name: RepositoryName, by actor: String
    ) async throws -> (digest: Digest, subject: Digest?) {
        let sparse = policy.sparse
        let entry = try await Workers.run {
            try ManifestEntry(parsing: bytes, mediaType: mediaType, as: reference, sparse: sparse)
        }
        var names = tags
        if case .tag(let tag) = reference { names.append(tag) }
        let all = names
        let now = now()
        try await database.write { records in
            try records.putManifest(entry, tags: all, if: condition, to: name, by: actor, at: now)
        }
        return (entry.digest, entry.subject)
    }

    /// Deletes a tag, or a manifest with the tags that name it.
    package func deleteManifest(_ reference: ManifestReference, from name: RepositoryName, by actor: String)
        async throws
    {
        let now = now()
        let sparse = policy.sparse != .none
        try await database.write { records in
            switch reference {
            case .tag(let tag): try records.deleteTag(tag, of: name, by: actor, at: now)
            case .digest(let digest):
                try records.deleteManifest(digest, from: name, evenIfListed: sparse, by: actor, at: now)
            }
        }
    }
}
