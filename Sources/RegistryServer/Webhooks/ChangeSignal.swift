import Synchronization

/// Wakes those who wait for something new in the database. It only says that they should look: nothing is lost with it.
package final class ChangeSignal: Sendable {
    private struct State {
        var next: UInt64 = 0
        var waiting: [UInt64: CheckedContinuation<Void, Never>] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    package func notify() {
        let waiting = state.withLock { state in
            defer { state.waiting = [:] }
            return Array(state.waiting.values)
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Waits for a change, a time, or the end of the task, whichever comes first.
    package func wait(atMost time: Duration) async {
        let id = state.withLock { state in
            state.next += 1
            return state.next
        }
        let alarm = Task.detached { [weak self] in
            try? await Task.sleep(for: time)
            self?.wake(id)
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                state.withLock { $0.waiting[id] = continuation }
                if Task.isCancelled || alarm.isCancelled { wake(id) }
            }
        } onCancel: {
            self.wake(id)
        }
        alarm.cancel()
    }

    private func wake(_ id: UInt64) { state.withLock { $0.waiting.removeValue(forKey: id) }?.resume() }
}
