import OCI
import Synchronization

/// The uploads that this process has open. One request at a time uses an upload.
final class UploadSessions: Sendable {
    private struct Session {
        var upload: any BlobUpload
        var repository: RepositoryName
        var busy: Bool
    }

    private struct State {
        var sessions: [UploadID: Session] = [:]
        /// Those that are being forgotten: nobody may open them again.
        var closing: Set<UploadID> = []
    }

    private let state = Mutex(State())

    /// Opens an upload that nobody else knows of yet.
    func add(_ id: UploadID, _ upload: any BlobUpload, to name: RepositoryName) {
        state.withLock { $0.sessions[id] = Session(upload: upload, repository: name, busy: false) }
    }

    /// Takes an upload for a request.
    ///
    /// - Parameter resumed: what to open where this process does not have it open.
    /// - Returns: nil where it is not open and `resumed` is nil.
    func claim(_ id: UploadID, of name: RepositoryName, resumed: (any BlobUpload)? = nil) throws(RegistryFailure)
        -> (any BlobUpload)?
    {
        enum Outcome { case claimed(any BlobUpload), unknown, busy, closed }
        let outcome = state.withLock { state -> Outcome in
            if state.closing.contains(id) { return .unknown }
            guard let session = state.sessions[id] else {
                guard let resumed else { return .closed }
                state.sessions[id] = Session(upload: resumed, repository: name, busy: true)
                return .claimed(resumed)
            }
            if session.repository != name { return .unknown }
            if session.busy { return .busy }
            state.sessions[id]?.busy = true
            return .claimed(session.upload)
        }
        switch outcome {
        case .claimed(let upload): return upload
        case .closed: return nil
        case .unknown: throw .uploadUnknown(id.description)
        case .busy:
            throw RegistryFailure(
                .blobUploadInvalid, status: 409, "another request is writing to upload `\(id)`: try again when it ended"
            ).with(header: "Retry-After", "1")
        }
    }

    func release(_ id: UploadID) { state.withLock { $0.sessions[id]?.busy = false } }

    func remove(_ id: UploadID) { state.withLock { $0.sessions[id] = nil } }

    /// Takes an upload out of use in order to forget it; `closed` ends that.
    ///
    /// - Returns: false where a request uses it.
    func close(_ id: UploadID) -> Bool {
        state.withLock { state in
            if state.sessions[id]?.busy == true { return false }
            state.sessions[id] = nil
            return state.closing.insert(id).inserted
        }
    }

    func closed(_ id: UploadID) { state.withLock { _ = $0.closing.remove(id) } }
}
