#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Runs a small program to its end: input in, output out, both bounded, and no longer than a time limit.
///
/// Blocks its thread: never call it on the cooperative pool.
struct ChildProcess {
    struct Result {
        /// The exit code; 128 and the signal's number for a killed child.
        var status: Int32
        var output: [UInt8]
        var errorOutput: [UInt8]
    }

    enum Failure: Error, CustomStringConvertible {
        case cannotStart(String, Int32)
        case timedOut(String, seconds: Int)
        case tooMuchOutput(String)

        var description: String {
            switch self {
            case .cannotStart(let name, let code): "cannot run `\(name)`: \(HostFile.words(for: code))"
            case .timedOut(let name, let seconds): "`\(name)` did not end within \(seconds) s"
            case .tooMuchOutput(let name): "`\(name)` gave too much output"
            }
        }
    }

    /// An executable to be found on `PATH`, or a path.
    var name: String
    var arguments: [String]
    var input: [UInt8]
    /// For standard output and standard error each, in bytes.
    var outputLimit = 1 << 20
    var seconds = 120

    func run() throws -> Result {
        let input = try Pipe(name)
        let output = try Pipe(name)
        let errors = try Pipe(name)
        let pid = try spawn(input: input.readEnd, output: output.writeEnd, errors: errors.writeEnd)
        input.closeReadEnd()
        output.closeWriteEnd()
        errors.closeWriteEnd()
        var isReaped = false
        defer {
            if !isReaped {
                kill(-pid, SIGKILL)
                _ = Self.reap(pid)
            }
        }
        var outputs: [[UInt8]] = [[], []]
        try exchange(input: input, output: output, errors: errors, into: &outputs)
        let status = Self.reap(pid)
        isReaped = true
        return Result(status: status, output: outputs[0], errorOutput: outputs[1])
    }

    private func spawn(input: Int32, output: Int32, errors: Int32) throws -> pid_t {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, input, 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, output, 1)
        unsafe posix_spawn_file_actions_adddup2(&actions, errors, 2)
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        unsafe posix_spawnattr_setsigmask(&attributes, &signals)
        unsafe sigaddset(&signals, SIGPIPE)
        unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
        unsafe posix_spawnattr_setpgroup(&attributes, 0)
        unsafe posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var pointers = unsafe ([name] + arguments).map { unsafe strdup($0) } + [nil]
        defer { unsafe pointers.forEach { unsafe free($0) } }
        var pid: pid_t = 0
        let code = unsafe posix_spawnp(&pid, name, &actions, &attributes, &pointers, environ)
        if code != 0 { throw Failure.cannotStart(name, code) }
        return pid
    }

    /// Writes the input and reads both outputs as the child lets, until it closed them.
    private func exchange(input: Pipe, output: Pipe, errors: Pipe, into outputs: inout [[UInt8]]) throws {
        // A child that does not read its input must not kill this process.
        var blocked = sigset_t()
        unsafe sigemptyset(&blocked)
        unsafe sigaddset(&blocked, SIGPIPE)
        unsafe pthread_sigmask(SIG_BLOCK, &blocked, nil)
        let deadline = ContinuousClock.now + .seconds(seconds)
        var rest = self.input[...]
        if rest.isEmpty { input.closeWriteEnd() }
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        while output.isReadable || errors.isReadable {
            var files = [
                pollfd(fd: output.readEnd, events: Int16(POLLIN), revents: 0),
                pollfd(fd: errors.readEnd, events: Int16(POLLIN), revents: 0),
                pollfd(fd: input.writeEnd, events: Int16(POLLOUT), revents: 0),
            ]
            let left = (deadline - ContinuousClock.now).components
            if left.seconds < 0 || left.attoseconds < 0 { throw Failure.timedOut(name, seconds: seconds) }
            let ready = unsafe poll(
                &files, 3, Int32(clamping: left.seconds * 1000 + 1 + left.attoseconds / 1_000_000_000_000_000))
            if ready <= 0 {
                if ready < 0, errno != EINTR { throw Failure.cannotStart(name, errno) }
                continue
            }
            for (index, pipe) in [output, errors].enumerated() where files[index].revents != 0 {
                let count = unsafe read(pipe.readEnd, &buffer, buffer.count)
                if count <= 0 {
                    if count < 0, errno == EINTR || errno == EAGAIN { continue }
                    pipe.closeReadEnd()
                    continue
                }
                outputs[index] += buffer[..<count]
                if outputs[index].count > outputLimit { throw Failure.tooMuchOutput(name) }
            }
            if files[2].revents != 0 {
                let count = unsafe rest.withUnsafeBytes { unsafe write(input.writeEnd, $0.baseAddress, $0.count) }
                if count < 0, errno == EINTR || errno == EAGAIN { continue }
                rest = count < 0 ? [] : rest.dropFirst(count)
                if rest.isEmpty { input.closeWriteEnd() }
            }
        }
    }

    private static func reap(_ pid: pid_t) -> Int32 {
        var status: Int32 = 0
        while unsafe waitpid(pid, &status, 0) < 0 {
            if errno != EINTR { return 127 }
        }
        let signal = status & 0x7f
        return signal == 0 ? (status >> 8) & 0xff : 128 + signal
    }
}

/// Both ends of a pipe, not inherited by other children. `poll` and `close` skip an end that is closed: it is -1.
private final class Pipe {
    private(set) var readEnd: Int32 = -1
    private(set) var writeEnd: Int32 = -1
    var isReadable: Bool { readEnd >= 0 }

    init(_ name: String) throws {
        var ends: [Int32] = [-1, -1]
        if unsafe pipe(&ends) != 0 { throw ChildProcess.Failure.cannotStart(name, errno) }
        readEnd = ends[0]
        writeEnd = ends[1]
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
    }

    deinit {
        closeReadEnd()
        closeWriteEnd()
    }

    func closeReadEnd() {
        if readEnd >= 0 { close(readEnd) }
        readEnd = -1
    }

    func closeWriteEnd() {
        if writeEnd >= 0 { close(writeEnd) }
        writeEnd = -1
    }
}
