import Synchronization

/// Work that several may want at once and that is done once: whoever comes while it is under way gets its result.
final class SharedWork<Value: Sendable>: Sendable {
    private let running = Mutex<[String: Task<Value, any Error>]>([:])

    /// Does the work of a key, or waits for whoever does it. It goes on where the one who waits is cancelled.
    func run(_ key: String, _ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
        let task = running.withLock { running in
            if let task = running[key] { return task }
            let task = Task.detached { [self] in
                defer { self.running.withLock { $0[key] = nil } }
                return try await body()
            }
            running[key] = task
            return task
        }
        return try await task.value
    }

    /// Ends what is under way.
    func cancel() async {
        let tasks = running.withLock { Array($0.values) }
        for task in tasks { task.cancel() }
        for task in tasks { _ = await task.result }
    }
}
