import Synchronization

/// A blob that comes from its registry while clients get it already: written once, read by any number of them at their own
/// pace. Its last byte is given only after the digest was verified and the blob is durable, so that nobody holds a whole
/// blob that is wrong.
package final class BlobDownload: Sendable {
    private struct State {
        /// How many bytes may be read.
        var available: Int64 = 0
        var outcome: Result<Void, any Error>?
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    package let size: Int64
    let file: OpenFile
    private let state = Mutex(State())

    init(size: Int64, file: OpenFile) {
        self.size = size
        self.file = file
    }

    /// Tells how many bytes are in the file.
    func advance(to offset: Int64) { change { $0.available = min(offset, size - 1) } }

    /// Tells that it ended.
    func end(_ outcome: Result<Void, any Error>) {
        change { state in
            state.outcome = outcome
            if case .success = outcome { state.available = size }
        }
    }

    private func change(_ body: (inout State) -> Void) {
        let waiting = state.withLock { state in
            body(&state)
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Waits until there is more than so many bytes.
    ///
    /// - Returns: how many may be read.
    /// - Throws: why no more will come; `CancellationError`.
    func wait(beyond position: Int64) async throws -> Int64 {
        while true {
            let now = state.withLock { (available: $0.available, outcome: $0.outcome) }
            if now.available > position { return now.available }
            if case .failure(let error)? = now.outcome { throw error }
            if now.outcome != nil { return now.available }
            // A server that stops does not wait for a registry that does not answer.
            try Task.checkCancellation()
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let isOver = state.withLock { state in
                        if state.available > position || state.outcome != nil || Task.isCancelled { return true }
                        state.waiting.append(continuation)
                        return false
                    }
                    if isOver { continuation.resume() }
                }
            } onCancel: {
                change { _ in }
            }
        }
    }
}
