import CLinux
import Glibc
import Synchronization

/// Runs blocking work on a thread of its own, never on the cooperative pool, which is as wide as the cores.
///
/// - Parameters:
///   - name: shown by `top -H`, 15 bytes of it.
///   - body: the work.
package func onThread<Value: Sendable>(
    named name: String, _ body: @escaping @Sendable () throws -> Value
) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        let work: @Sendable () -> Void = { continuation.resume(with: Result { try body() }) }
        // No thread to be had: the work is done here, late rather than never.
        do { try startThread(named: name, work) } catch { work() }
    }
}

/// Lets the threads of this process share what they free: with an arena for each, the C library keeps that many times the
/// memory. For programs whose threads seldom allocate.
package func shareFreedMemory() { clinux_limit_arenas(2) }

/// Starts a thread that nobody waits for.
///
/// - Throws: where the system has no more threads; the body did not run then.
package func startThread(named name: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
    let box = unsafe Unmanaged.passRetained(ThreadBody(name, body))
    let function: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
        if let argument = unsafe argument {
            unsafe Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().run()
        }
        return nil
    }
    let result = unsafe clinux_spawn_thread(function, box.toOpaque())
    if result != 0 { unsafe box.release() }
    try check(result, "start", "thread \(name)")
}

/// Work under way on a thread of its own, for a thread that goes on meanwhile and needs the result later.
package final class BackgroundWork<Value: Sendable>: Sendable {
    private let outcome = Monitor<Result<Value, any Error>?>(nil)

    /// - Throws: where the system has no more threads; the body did not run then.
    package init(named name: String, _ body: @escaping @Sendable () throws -> Value) throws(SystemError) {
        let outcome = outcome
        try startThread(named: name) {
            let result = Result { try body() }
            outcome.withLock { $0 = result }
        }
    }

    /// The result, or what the work threw. Blocks the thread until it is there.
    package func value() throws -> Value {
        outcome.wait { $0 != nil }
        guard let result = outcome.withLock({ $0 }) else { throw CancellationError() }
        return try result.get()
    }

    /// Waits for the end of the work, whatever came of it.
    package func finish() { outcome.wait { $0 != nil } }
}

private final class ThreadBody: Sendable {
    private let name: String
    private let body: @Sendable () -> Void

    init(_ name: String, _ body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }

    func run() {
        // Here, not by whoever started it: a detached thread may be gone before its starter looks at it again.
        unsafe clinux_name_thread(name)
        body()
    }
}
