import Glibc

/// A bounded hand-off between tasks and threads of our own: one side waits when it is full, the other when it is empty.
///
/// Either side may be a task (`send`, `receive`) or a thread (`sendBlocking`, `receiveBlocking`). A failure set by one
/// side is thrown to the other, at once. The lock of `Monitor` owns all state and is never held across a wait of a task.
package final class Channel<Element: Sendable>: Sendable {
    private struct State {
        var elements: [Element] = []
        var finished = false
        var failure: (any Error)?
        var senders: [CheckedContinuation<Void, Never>] = []
        var receivers: [CheckedContinuation<Void, Never>] = []
    }

    private let room: @Sendable () -> Int
    private let batch: Int
    private let monitor: Monitor<State>

    /// - Parameter capacity: how many elements may wait; at least 1.
    package convenience init(capacity: Int) { self.init(batch: 1) { capacity } }

    /// - Parameters:
    ///   - batch: a thread that sleeps is woken when so many elements wait, or so many have room. Each wake-up costs a
    ///     switch of threads; who gets several at once goes on longer. Only where nobody waits for what becomes of one
    ///     element before more of them come, or the end.
    ///   - capacity: how many elements may wait, at least a batch; asked again for each.
    package init(batch: Int, capacity: @escaping @Sendable () -> Int) {
        room = capacity
        self.batch = max(batch, 1)
        monitor = Monitor(State())
    }

    private var capacity: Int { max(room(), batch) }

    /// Hands an element over, waiting while the channel is full.
    ///
    /// - Throws: the failure that either side set; `ChannelClosed` after `finish`.
    package func send(_ element: Element) async throws {
        while try !offer(element) {
            await withCheckedContinuation { continuation in
                let waits = monitor.withLock { state in
                    if state.elements.count < capacity || state.failure != nil || state.finished { return false }
                    state.senders.append(continuation)
                    return true
                }
                if !waits { continuation.resume() }
            }
        }
    }

    /// The same from a thread of our own.
    package func sendBlocking(_ element: Element) throws {
        while try !offer(element) {
            monitor.wait { $0.elements.count < self.capacity || $0.failure != nil || $0.finished }
        }
    }

    /// The next element; nil when the sender finished and all were taken.
    package func receive() async throws -> Element? {
        while true {
            switch try poll() {
            case .element(let element): return element
            case .end: return nil
            case .empty:
                await withCheckedContinuation { continuation in
                    let waits = monitor.withLock { state in
                        if !state.elements.isEmpty || state.failure != nil || state.finished { return false }
                        state.receivers.append(continuation)
                        return true
                    }
                    if !waits { continuation.resume() }
                }
            }
        }
    }

    /// The same from a thread of our own.
    package func receiveBlocking() throws -> Element? {
        while true {
            switch try poll() {
            case .element(let element): return element
            case .end: return nil
            case .empty: monitor.wait { !$0.elements.isEmpty || $0.failure != nil || $0.finished }
            }
        }
    }

    /// No more elements come; those that wait are still received.
    package func finish() { wake { $0.finished = true } }

    /// Ends the channel for both sides with an error; elements that wait are dropped. The first failure stays.
    package func fail(_ error: any Error) {
        wake { state in
            if state.failure == nil { state.failure = error }
            state.elements = []
        }
    }

    private enum Polled {
        case element(Element)
        case empty
        case end
    }

    private func offer(_ element: Element) throws -> Bool {
        let (accepted, waiting) = try monitor.withLock(waking: { $0.elements.count >= batch }) { state in
            if let failure = state.failure { throw failure }
            if state.finished { throw ChannelClosed() }
            if state.elements.count >= capacity { return (false, [CheckedContinuation<Void, Never>]()) }
            state.elements.append(element)
            defer { state.receivers = [] }
            return (true, state.receivers)
        }
        for continuation in waiting { continuation.resume() }
        return accepted
    }

    private func poll() throws -> Polled {
        let (polled, waiting) = try monitor.withLock(waking: { $0.elements.count <= capacity - batch }) { state in
            if let failure = state.failure { throw failure }
            if state.elements.isEmpty {
                return (state.finished ? Polled.end : .empty, [CheckedContinuation<Void, Never>]())
            }
            let element = state.elements.removeFirst()
            defer { state.senders = [] }
            return (.element(element), state.senders)
        }
        for continuation in waiting { continuation.resume() }
        return polled
    }

    private func wake(_ change: (inout State) -> Void) {
        let waiting = monitor.withLock { state in
            change(&state)
            defer {
                state.senders = []
                state.receivers = []
            }
            return state.senders + state.receivers
        }
        for continuation in waiting { continuation.resume() }
    }
}

/// A value was sent after the channel's end.
package struct ChannelClosed: Error {
    package init() {}
}

/// State under a lock, with a condition that threads wait for. Never wait here from a task.
@safe package final class Monitor<State>: @unchecked Sendable {
    // Proof of Sendable: `state` is touched only between lock and unlock of `mutex`; both pointers are constant and live
    // as long as the object.
    private var state: State
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>

    package init(_ state: sending State) {
        self.state = state
        unsafe mutex = .allocate(capacity: 1)
        unsafe condition = .allocate(capacity: 1)
        unsafe mutex.initialize(to: pthread_mutex_t())
        unsafe condition.initialize(to: pthread_cond_t())
        unsafe pthread_mutex_init(mutex, nil)
        unsafe pthread_cond_init(condition, nil)
    }

    deinit {
        unsafe pthread_cond_destroy(condition)
        unsafe pthread_mutex_destroy(mutex)
        unsafe condition.deallocate()
        unsafe mutex.deallocate()
    }

    /// Works on the state and wakes whoever waits for a condition on it.
    ///
    /// - Parameter isOfInterest: whether the state is worth waking anybody.
    package func withLock<Result>(
        waking isOfInterest: (State) -> Bool = { _ in true }, _ body: (inout State) throws -> Result
    ) rethrows -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer {
            let wakes = isOfInterest(state)
            unsafe pthread_mutex_unlock(mutex)
            // Who is woken must find the lock free, or it only wakes to sleep again.
            if wakes { unsafe pthread_cond_broadcast(condition) }
        }
        return try body(&state)
    }

    /// Blocks the thread until the condition holds.
    package func wait(until condition: (State) -> Bool) {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        while !condition(state) { unsafe pthread_cond_wait(self.condition, mutex) }
    }
}
