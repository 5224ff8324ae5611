import CLinux
import Glibc
import Synchronization

/// Runs blocking work on a thread of its own, never on the cooperative pool, which is as wide as the cores.
///
/// - Parameters:
///   - name: shown by `top -H`; at most 15 bytes.
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

/// Starts a thread that nobody waits for.
///
/// - Throws: where the system has no more threads; the body did not run then.
package func startThread(named name: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
    let box = unsafe Unmanaged.passRetained(ThreadBody(body))
    let function: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
        if let argument = unsafe argument {
            unsafe Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().run()
        }
        return nil
    }
    let result = unsafe clinux_spawn_thread(String(name.prefix(15)), function, box.toOpaque())
    if result != 0 { unsafe box.release() }
    try check(result, "start", "thread \(name)")
}

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}
