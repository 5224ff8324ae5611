import Synchronization

/// What a service has running: ended together, the server first.
final class TaskBag: Sendable {
    private struct State {
        var server: RegistryServer?
        var mirrors: Mirrors?
        var tasks: [Task<Void, Never>] = []
    }

    private let state = Mutex(State())

    func server(_ server: RegistryServer) { state.withLock { $0.server = server } }

    func mirrors(_ mirrors: Mirrors) { state.withLock { $0.mirrors = mirrors } }

    func add(_ task: Task<Void, Never>) { state.withLock { $0.tasks.append(task) } }

    /// Returns when nothing runs any more.
    func stop() async throws {
        let (server, mirrors, tasks) = state.withLock { state in
            defer { state = State() }
            return (state.server, state.mirrors, state.tasks)
        }
        var failure: (any Error)?
        do { try await server?.stop() } catch { failure = error }
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
        await mirrors?.stop()
        if let failure { throw failure }
    }
}
