import Glibc

/// A process of its own that holds a lock on a file until it dies: `flock` of util-linux.
package final class LockHolder {
    private let child: ShellChild

    /// Takes the lock; when this returns it is held.
    ///
    /// - Parameter shared: a shared lock instead of an exclusive one.
    package init(_ path: String, shared: Bool = false) throws {
        // The shell becomes flock, which becomes cat: one process, and its death ends the lock.
        child = try ShellChild(
            script: "exec flock \(shared ? "-s" : "-x") -F '\(path)' sh -c 'echo held; exec cat >/dev/null'",
            directory: "/")
        var byte: UInt8 = 0
        guard unsafe read(child.output, &byte, 1) == 1 else {
            throw DockerRegistry.Failure(description: "no lock on \(path)")
        }
    }

    deinit {
        try? die()
        close(child.input)
        close(child.output)
    }

    /// Kills the process, as a crash does.
    package func die() throws {
        kill(child.pid, SIGKILL)
        var status: Int32 = 0
        while unsafe waitpid(child.pid, &status, 0) < 0, errno == EINTR {}
    }
}
