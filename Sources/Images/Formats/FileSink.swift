import Linux
import OCI
import Synchronization

/// Appends to a new file, hashing on the way where wanted, and keeps the disk's reserve free. One thread at a time.
final class FileSink: Sendable {
    private static let writebackBytes: Int64 = 8 << 20

    private struct State: Sendable {
        var position: Int64 = 0
        var started: Int64 = 0
        var hasher: DigestHasher?
    }

    let path: String
    private let file: OwnedDescriptor
    private let space: SpaceGuard
    private let purpose: String
    private let state: Mutex<State>

    /// - Parameter purpose: what it is for, in the words of an error.
    init(creating path: String, for purpose: String, space: SpaceGuard, hashes: Bool) throws {
        self.path = path
        self.space = space
        self.purpose = purpose
        file = try Linux.open(path, .createNew, permissions: 0o600)
        state = Mutex(State(hasher: hashes ? DigestHasher() : nil))
    }

    /// Bytes written.
    var position: Int64 { state.withLock { $0.position } }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        try space.spend(Int64(bytes.count), on: purpose)
        try state.withLock { state in
            try unsafe pwriteAll(bytes, to: file.raw, at: state.position, path)
            if var hasher = state.hasher.take() {
                unsafe hasher.update(bytes)
                state.hasher = hasher
            }
            state.position += Int64(bytes.count)
            if state.position - state.started >= Self.writebackBytes {
                startWriteback(file, from: state.started, count: state.position - state.started)
                state.started = state.position
            }
        }
    }

    /// The digest of what was written; nil where nothing was hashed.
    var digest: Digest? { state.withLock { $0.hasher?.finalize() } }
}
