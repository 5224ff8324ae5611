import Glibc
import Linux
import Synchronization

/// A TCP port of the loopback address that nobody uses and no other test gets while this process lives.
///
/// It lies below those that the kernel, as it comes, gives to sockets that do not choose one: a program that is started with it
/// later finds it still free.
package func freePort() throws -> Int {
    let directory = "/tmp/strata-test-ports-\(getuid())"
    if unsafe mkdir(directory, 0o777) != 0, errno != EEXIST {
        throw StrataProcess.Failure(description: "cannot make \(directory): error \(errno)")
    }
    for port in UInt16(20000)..<32768 {
        guard let lock = try FileLock.tryLock("\(directory)/\(port)", .exclusive) else { continue }
        // A server of a test that was killed, or one of this machine's.
        guard (try? bindPort("", port, transport: "tcp")) != nil else { continue }
        let held = HeldPort(lock)
        heldPorts.withLock { $0.append(held) }
        return Int(port)
    }
    throw StrataProcess.Failure(description: "no port of 20000 to 32767 is free")
}

private let heldPorts = Mutex<[HeldPort]>([])

private final class HeldPort: Sendable {
    private let lock: FileLock

    init(_ lock: consuming FileLock) { self.lock = lock }
}
