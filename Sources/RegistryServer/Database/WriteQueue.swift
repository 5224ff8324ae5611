import Linux
import SQL
import Synchronization

/// The one writer of a database: writes of many tasks wait in a queue and are committed together, so that one sync serves
/// all that came while the last one ran.
///
/// Each write is whole or not at all on its own (a savepoint); when `write` returns, it is durable. The lock of `Monitor`
/// owns the queue; the thread alone uses the connection.
final class WriteQueue: Sendable {
    private struct State {
        var jobs: [any Job] = []
        var closed = false
    }

    private protocol Job: Sendable {
        /// Runs the body; tells whether it succeeded.
        func run(on connection: any SQLConnection) -> Bool
        /// Tells the waiting side, after the commit or its failure.
        func settle(failure: (any Error)?)
    }

    private final class Write<Value: Sendable>: Job {
        private let body: @Sendable (any SQLConnection) throws -> Value
        private let done: @Sendable (Result<Value, any Error>) -> Void
        private let outcome = Mutex<Result<Value, any Error>?>(nil)

        init(
            _ body: @escaping @Sendable (any SQLConnection) throws -> Value,
            _ done: @escaping @Sendable (Result<Value, any Error>) -> Void
        ) {
            self.body = body
            self.done = done
        }

        func run(on connection: any SQLConnection) -> Bool {
            let result = Result { try body(connection) }
            outcome.withLock { $0 = result }
            if case .success = result { return true }
            return false
        }

        func settle(failure: (any Error)?) {
            let result = outcome.withLock { $0 }
            if case .failure(let error)? = result { return done(.failure(error)) }
            if let failure { return done(.failure(failure)) }
            if let result { done(result) }
        }
    }

    private static let batch = 64

    private let monitor = Monitor(State())
    /// Told of every commit.
    let changes = ChangeSignal()

    init(_ database: Database) throws {
        try startThread(named: "registry-writer") { [monitor, changes] in Self.work(monitor, database, changes) }
    }

    deinit { close() }

    /// Ends the thread after the writes that wait.
    func close() { monitor.withLock { $0.closed = true } }

    /// One write, durable when it returns.
    func write<Value: Sendable>(_ body: @escaping @Sendable (any SQLConnection) throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            enqueue(Write(body) { continuation.resume(with: $0) })
        }
    }

    /// The same from a thread of our own.
    func writeBlocking<Value: Sendable>(_ body: @escaping @Sendable (any SQLConnection) throws -> Value) throws -> Value
    {
        let result = Monitor<Result<Value, any Error>?>(nil)
        enqueue(Write(body) { value in result.withLock { $0 = value } })
        result.wait { $0 != nil }
        guard let value = result.withLock({ $0 }) else { throw ChannelClosed() }
        return try value.get()
    }

    private func enqueue(_ job: some Job) {
        let accepted = monitor.withLock { state in
            if state.closed { return false }
            state.jobs.append(job)
            return true
        }
        if !accepted { job.settle(failure: ChannelClosed()) }
    }

    private static func work(_ monitor: Monitor<State>, _ database: Database, _ changes: ChangeSignal) {
        while true {
            monitor.wait { !$0.jobs.isEmpty || $0.closed }
            let jobs = monitor.withLock { state in
                let taken = Array(state.jobs.prefix(batch))
                state.jobs.removeFirst(taken.count)
                return taken
            }
            if jobs.isEmpty { return }
            do {
                try database.write { connection in
                    for job in jobs {
                        try connection.execute("SAVEPOINT job")
                        if !job.run(on: connection) { try connection.execute("ROLLBACK TO job") }
                        try connection.execute("RELEASE job")
                    }
                }
                for job in jobs { job.settle(failure: nil) }
                changes.notify()
            } catch {
                for job in jobs { job.settle(failure: error) }
            }
        }
    }
}
