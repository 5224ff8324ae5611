import Synchronization

/// Lets a number of holders in; the others wait in order.
final class Gate: Sendable {
    private struct State: Sendable {
        var free: Int
        var next: UInt64 = 0
        /// In order of arrival.
        var waiters: [(id: UInt64, continuation: CheckedContinuation<Void, any Error>)] = []
        var cancelled: Set<UInt64> = []
    }

    private let state: Mutex<State>

    init(_ count: Int) { state = Mutex(State(free: max(1, count))) }

    /// Waits for a place; the pass gives it back when it is dropped.
    func enter() async throws -> Pass {
        let id = state.withLock { state in
            state.next += 1
            return state.next
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let outcome = state.withLock { state -> Result<Void, any Error>? in
                    if state.cancelled.remove(id) != nil { return .failure(CancellationError()) }
                    if state.free > 0 {
                        state.free -= 1
                        return .success(())
                    }
                    state.waiters.append((id, continuation))
                    return nil
                }
                if let outcome { continuation.resume(with: outcome) }
            }
        } onCancel: {
            let waiter = state.withLock { state -> CheckedContinuation<Void, any Error>? in
                if let index = state.waiters.firstIndex(where: { $0.id == id }) {
                    return state.waiters.remove(at: index).continuation
                }
                state.cancelled.insert(id)
                return nil
            }
            waiter?.resume(throwing: CancellationError())
        }
        // Cancelled after it was let in: the mark would stay for ever.
        state.withLock { _ = $0.cancelled.remove(id) }
        return Pass(gate: self)
    }

    private func leave() {
        let waiter = state.withLock { state -> CheckedContinuation<Void, any Error>? in
            if state.waiters.isEmpty {
                state.free += 1
                return nil
            }
            return state.waiters.removeFirst().continuation
        }
        waiter?.resume()
    }

    /// A place behind the gate.
    final class Pass: Sendable {
        private let gate: Gate
        fileprivate init(gate: Gate) { self.gate = gate }
        deinit { gate.leave() }
    }
}
