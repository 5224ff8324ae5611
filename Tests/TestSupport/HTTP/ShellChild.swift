import Glibc
import Synchronization

/// A `/bin/sh -c` child with pipes at its standard input and output.
struct ShellChild {
    let pid: pid_t
    /// Written by the test.
    let input: Int32
    /// Read by the test.
    let output: Int32

    init(script: String, directory: String) throws {
        var toChild: [Int32] = [0, 0]
        var fromChild: [Int32] = [0, 0]
        // Sockets, because they are closed in other children from their first moment; Glibc hides `pipe2` from Swift.
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, type, 0, &toChild) == 0, unsafe socketpair(AF_UNIX, type, 0, &fromChild) == 0
        else {
            throw DockerRegistry.Failure(description: "no pipe: error \(errno)")
        }
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, toChild[0], 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, fromChild[1], 1)
        let arguments = ["/bin/sh", "-c", "cd '\(directory)' || exit 1; \(script)"]
        var pointers = unsafe arguments.map { unsafe strdup($0) } + [nil]
        defer { unsafe pointers.forEach { unsafe free($0) } }
        var child: pid_t = 0
        let code = unsafe posix_spawn(&child, "/bin/sh", &actions, nil, &pointers, environ)
        close(toChild[0])
        close(fromChild[1])
        if code != 0 { throw DockerRegistry.Failure(description: "cannot start a shell: error \(code)") }
        pid = child
        input = toChild[1]
        output = fromChild[0]
    }

    /// Ends a child that lives as long as its input is open, and waits for it; the first time only.
    ///
    /// - Returns: whether it was this call that ended it.
    static func end(_ process: borrowing Mutex<(pid: pid_t, input: Int32)?>) -> Bool {
        let taken = process.withLock { process -> (pid: pid_t, input: Int32)? in
            defer { process = nil }
            return process
        }
        guard let (pid, input) = taken else { return false }
        close(input)
        var status: Int32 = 0
        while unsafe waitpid(pid, &status, 0) < 0, errno == EINTR {}
        return true
    }
}

/// Runs a shell script to its end and gives its standard output.
package func runShell(_ script: String, in directory: String = "/") throws -> String {
    let child = try ShellChild(script: script, directory: directory)
    close(child.input)
    var output: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16 << 10)
    while true {
        let count = unsafe read(child.output, &buffer, buffer.count)
        if count <= 0 { break }
        output += buffer[..<count]
    }
    close(child.output)
    var status: Int32 = 0
    while unsafe waitpid(child.pid, &status, 0) < 0, errno == EINTR {}
    let text = String(decoding: output, as: UTF8.self)
    if status != 0 { throw DockerRegistry.Failure(description: "`\(script)` failed with status \(status): \(text)") }
    return text
}
