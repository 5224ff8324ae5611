import NIOCore

/// Runs the tasks of a connection on the connection's own event loop: a request is then read, answered and written by one
/// thread, without being handed over between threads. What blocks still goes to `Workers`; what takes long, to everybody's
/// threads (`offLoop`).
final class LoopExecutor: TaskExecutor {
    private let loop: any EventLoop

    init(_ loop: any EventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { [self] in unsafe job.runSynchronously(on: asUnownedTaskExecutor()) }
    }
}

/// Runs a closure on threads where it may take its time, whatever the executor of the task.
func offLoop<Value: Sendable>(_ body: () async throws -> Value) async rethrows -> Value {
    try await withTaskExecutorPreference(globalConcurrentExecutor) { try await body() }
}
