import Glibc
import Synchronization

/// Runs the built `strata` as a user would: in an empty directory, with a store, a home and a configuration of its own.
///
///     let strata = try StrataProcess()
///     let result = try strata.run("image", "ls", "-q")
///     #expect(result.status == 0 && result.output == "")
///
/// Everything below `directory` goes with the value; mounts below it are taken away first.
package final class StrataProcess: Sendable {
    /// What a command left behind.
    package struct Result: Sendable, Equatable, CustomStringConvertible {
        /// The exit code; 128 and the signal's number where a signal ended it.
        package var status: Int32
        package var output: String
        package var errorOutput: String

        package var description: String { "exit \(status)\n--- output\n\(output)--- error output\n\(errorOutput)" }
    }

    package struct Failure: Error, CustomStringConvertible {
        package var description: String
        package init(description: String) { self.description = description }
    }

    /// Holds the store (`root`), the run directory (`run`), the home (`home`) and the working directory (`cwd`).
    package let directory: TemporaryDirectory
    /// What is added to the environment, or replaces it.
    package let environment: [String: String]
    private let isOwner: Bool

    package var root: String { directory.path + "/root" }

    /// - Parameter environment: variables for every command.
    package init(environment: [String: String] = [:]) throws {
        directory = try TemporaryDirectory()
        _ = try runShell("mkdir -p home/.docker cwd run", in: directory.path)
        self.environment = environment
        isOwner = true
    }

    private init(_ other: StrataProcess, environment: [String: String]) {
        directory = other.directory
        self.environment = other.environment.merging(environment) { $1 }
        isOwner = false
    }

    /// The same store under other variables.
    package func with(_ environment: [String: String]) -> StrataProcess {
        StrataProcess(self, environment: environment)
    }

    deinit { if isOwner { try? unmountAll() } }

    /// Takes away every mount below the directory.
    package func unmountAll() throws {
        _ = try runShell(
            "grep -o ' \(directory.path)[^ ]*' /proc/self/mounts | tac | xargs -r umount -l 2>/dev/null || true")
    }

    /// The executable: beside the test bundle, or what `STRATA_BINARY` names.
    package static let binary: String = {
        if let named = unsafe getenv("STRATA_BINARY") { return unsafe String(cString: named) }
        // `swift test` runs a helper of the toolchain; the bundle's own path stands among its arguments.
        let bundle = CommandLine.arguments.first { $0.contains(".xctest") } ?? CommandLine.arguments[0]
        let folder = bundle.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        return folder.joined(separator: "/") + "/strata"
    }()

    /// Runs a command to its end.
    package func run(_ arguments: String..., input: [UInt8] = []) throws -> Result {
        try run(arguments, input: input)
    }

    /// Runs a command to its end.
    package func run(_ arguments: [String], input: [UInt8] = []) throws -> Result {
        let child = try start(arguments)
        return try child.finish(input: input)
    }

    /// Runs a command and demands that it succeeds.
    ///
    /// - Returns: its standard output.
    @discardableResult
    package func succeed(_ arguments: String..., input: [UInt8] = []) throws -> String {
        let result = try run(arguments, input: input)
        if result.status != 0 { throw Failure(description: "strata \(arguments.joined(separator: " ")): \(result)") }
        return result.output
    }

    /// Starts a command and leaves it running.
    package func start(_ arguments: [String]) throws -> RunningProcess {
        var variables = [
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": directory.path + "/home",
            "DOCKER_CONFIG": directory.path + "/home/.docker", "STRATA_ROOT": root,
            "STRATA_RUN_DIR": directory.path + "/run",
            "TZ": "UTC", "LANG": "C.UTF-8", "SWIFT_BACKTRACE": "enable=no",
        ]
        variables.merge(environment) { $1 }
        return try RunningProcess(
            [Self.binary] + arguments, environment: variables, directory: directory.path + "/cwd")
    }
}

/// A child process with its output going to files, so that it never waits for a reader.
package final class RunningProcess: Sendable {
    package let pid: Int32
    private let input: Mutex<Int32>
    private let files: TemporaryDirectory
    private let result = Mutex<StrataProcess.Result?>(nil)

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - arguments: the path and what follows.
    ///   - environment: all of it.
    ///   - directory: where it works.
    package init(_ arguments: [String], environment: [String: String], directory: String) throws {
        files = try TemporaryDirectory()
        var pipe: [Int32] = [0, 0]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, type, 0, &pipe) == 0 else {
            throw StrataProcess.Failure(description: "no pipe: error \(errno)")
        }
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, pipe[0], 0)
        unsafe posix_spawn_file_actions_addopen(
            &actions, 1, files.path + "/output", O_WRONLY | O_CREAT | O_APPEND, 0o600)
        unsafe posix_spawn_file_actions_addopen(
            &actions, 2, files.path + "/error", O_WRONLY | O_CREAT | O_APPEND, 0o600)
        // Glibc hides the spawn action that changes the directory; env(1) becomes the program, so the process is the same.
        var words = unsafe (["/usr/bin/env", "-C", directory] + arguments).map { unsafe strdup($0) } + [nil]
        var variables = unsafe environment.map { unsafe strdup("\($0.key)=\($0.value)") } + [nil]
        defer {
            unsafe words.forEach { unsafe free($0) }
            unsafe variables.forEach { unsafe free($0) }
        }
        var child: pid_t = 0
        let code = unsafe posix_spawn(&child, "/usr/bin/env", &actions, nil, &words, &variables)
        close(pipe[0])
        if code != 0 {
            close(pipe[1])
            throw StrataProcess.Failure(description: "cannot start \(arguments[0]): error \(code)")
        }
        pid = child
        input = Mutex(pipe[1])
    }

    deinit {
        if result.withLock({ $0 == nil }) {
            kill(pid, SIGKILL)
            _ = try? finish()
        }
    }

    /// What it printed so far.
    package var output: String { read("output") }
    /// What it printed to standard error so far.
    package var errorOutput: String { read("error") }

    /// Waits until it printed something, to standard output or error.
    package func waits(for text: String, _ failure: String, seconds: Int = 60) async throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while !output.contains(text), !errorOutput.contains(text) {
            if ContinuousClock.now > deadline {
                throw StrataProcess.Failure(description: "\(failure): \(errorOutput.suffix(2000))")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Sends a signal.
    package func signal(_ number: Int32) { kill(pid, number) }

    /// Writes to its standard input.
    package func write(_ bytes: [UInt8]) {
        let descriptor = input.withLock { $0 }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes {
                unsafe send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return }
            rest = rest.dropFirst(count)
        }
    }

    /// Writes the rest of its input, closes it, waits for the end.
    @discardableResult
    package func finish(input bytes: [UInt8] = []) throws -> StrataProcess.Result {
        if let known = result.withLock({ $0 }) { return known }
        write(bytes)
        close(input.withLock { $0 })
        var status: Int32 = 0
        while unsafe waitpid(pid, &status, 0) < 0 {
            if errno != EINTR { throw StrataProcess.Failure(description: "cannot wait: error \(errno)") }
        }
        let signal = status & 0x7f
        let finished = StrataProcess.Result(
            status: signal == 0 ? (status >> 8) & 0xff : 128 + signal, output: read("output"),
            errorOutput: read("error"))
        result.withLock { $0 = finished }
        return finished
    }

    private func read(_ name: String) -> String {
        (try? runShell("cat '\(files.path)/\(name)'")) ?? ""
    }
}
