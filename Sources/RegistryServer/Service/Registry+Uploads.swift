import Content
package import OCI

extension Registry {
    /// Opens an upload session.
    package func startUpload(to name: RepositoryName, hashing algorithm: Digest.Algorithm) async throws -> UploadID {
        let id = UploadID()
        let upload = try await Workers.run { [storage] in try storage.startUpload(id, hashing: algorithm) }
        let now = now()
        do {
            try await database.write { records in
                try records.requireRoom(for: 0, in: name)
                try records.addUpload(id, to: name, hashing: algorithm, at: now)
            }
        } catch {
            try? await Workers.run { [storage] in try storage.removeUpload(id) }
            try await noteQuota(error, name)
            throw error
        }
        sessions.add(id, upload, to: name)
        return id
    }

    /// Runs a closure with an upload that no other request uses meanwhile.
    package func withUpload<Result>(
        _ id: UploadID, of name: RepositoryName, _ body: (any BlobUpload) async throws -> Result
    ) async throws -> Result {
        let upload: any BlobUpload
        if let open = try sessions.claim(id, of: name) {
            upload = open
        } else {
            upload = try await reopen(id, of: name)
        }
        defer { sessions.release(id) }
        return try await body(upload)
    }

    /// Opens an upload of an earlier process.
    private func reopen(_ id: UploadID, of name: RepositoryName) async throws -> any BlobUpload {
        let upload = try await Workers.run { [database, storage] () -> (any BlobUpload)? in
            guard let record = try database.readBlocking({ try $0.upload(id) }), record.repository == name.description
            else { return nil }
            return try storage.resumeUpload(id, hashing: record.algorithm)
        }
        // Two requests may come at once: the first one has it.
        guard let open = try sessions.claim(id, of: name, resumed: upload) else {
            throw RegistryFailure.uploadUnknown(id.description)
        }
        return open
    }

    /// Ends an upload: what came becomes a blob of the repository. Where the digest is another, the upload is forgotten.
    ///
    /// - Parameter upload: the one that `withUpload` gave.
    package func finish(
        _ upload: any BlobUpload, _ id: UploadID, as digest: Digest, in name: RepositoryName
    ) async throws {
        let now = now()
        do {
            try await Workers.run { [storage, database] in
                let size = try upload.verify(digest)
                try storage.exclusively(digest) {
                    try upload.publish(as: digest)
                    try database.writeBlocking { records in
                        try records.addBlob(digest, size: size, to: name, at: now)
                        try records.removeUpload(id)
                    }
                }
            }
        } catch {
            // Another digest, or no room in a quota: no later request could end it.
            if error is BlobError || error is RegistryFailure { try await forget(id) }
            try await noteQuota(error, name)
            throw error
        }
        sessions.remove(id)
    }

    /// Tells the event log of bytes that a quota refused, in a transaction of its own: the refused one leaves nothing.
    private func noteQuota(_ error: any Error, _ name: RepositoryName) async throws {
        guard let failure = error as? RegistryFailure, failure.isQuota else { return }
        let event = RegistryEvent(at: now(), kind: .quotaExceeded, repository: name.description, actor: "")
        try await database.write { try $0.addEvent(event) }
    }

    /// Cancels an upload.
    package func cancelUpload(_ id: UploadID, of name: RepositoryName) async throws {
        try await withUpload(id, of: name) { _ in try await forget(id) }
    }

    private func forget(_ id: UploadID) async throws {
        sessions.remove(id)
        try await Workers.run { [storage] in try storage.removeUpload(id) }
        try await database.write { try $0.removeUpload(id) }
    }

    /// Forgets uploads that took no byte for their lifetime, and their bytes.
    ///
    /// - Returns: how many.
    @discardableResult
    package func expireUploads() async throws -> Int {
        let limit = now() - policy.uploadLifetime.milliseconds
        let (records, stored) = try await Workers.run { [database, storage] in
            // The rows first: an upload that starts meanwhile has bytes, and is too young.
            (try database.readBlocking { try $0.uploads() }, try storage.uploads())
        }
        let changed = Dictionary(stored.map { ($0.id, $0.changed * 1000) }) { first, _ in first }
        var expired = stored.filter { $0.changed * 1000 < limit }.map(\.id)
        expired += records.filter { changed[$0.id] == nil && $0.started < limit }.map(\.id)
        var count = 0
        for id in expired where sessions.close(id) {
            defer { sessions.closed(id) }
            try await forget(id)
            count += 1
        }
        return count
    }
}
