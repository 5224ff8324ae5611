import OCI
import Synchronization

/// The uploads that this process has open. One request at a time uses an upload.
final class UploadSessions: Sendable {
    struct Session: Sendable {
        var upload: any BlobUpload
        var repository: RepositoryName
        var busy: Bool
    }

    private let sessions = Mutex<[UploadID: Session]>([:])

    func add(_ id: UploadID, _ upload: any BlobUpload, to name: RepositoryName, busy: Bool) {
        sessions.withLock { $0[id] = Session(upload: upload, repository: name, busy: busy) }
    }

    /// Takes an upload for a request.
    ///
    /// - Returns: nil where this process does not have it open.
    func claim(_ id: UploadID, of name: RepositoryName) throws(RegistryFailure) -> (any BlobUpload)? {
        let session = sessions.withLock { sessions -> Session? in
            let session = sessions[id]
            if session?.repository == name { sessions[id]?.busy = true }
            return session
        }
        guard let session else { return nil }
        guard session.repository == name else { throw .uploadUnknown(id.description) }
        if session.busy {
            throw RegistryFailure(
                .blobUploadInvalid, status: 409, "another request is writing to upload `\(id)`: try again when it ended"
            ).with(header: "Retry-After", "1")
        }
        return session.upload
    }

    func release(_ id: UploadID) { sessions.withLock { $0[id]?.busy = false } }

    /// Forgets uploads that nobody uses; they can be resumed from the storage.
    func remove(_ id: UploadID) { sessions.withLock { $0[id] = nil } }

    func isBusy(_ id: UploadID) -> Bool { sessions.withLock { $0[id]?.busy ?? false } }
}
