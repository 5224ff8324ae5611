import Glibc
import Linux

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Starts conmon, which stays with a container: it reaps the container's process, keeps its terminal and log, serves
/// clients that attach, and writes the exit code where it survives us.
struct Conmon: Sendable {
    /// What conmon is to do, besides the container itself.
    struct Job: Sendable {
        var id: ContainerID
        var name: String
        var bundle: String
        var persistDirectory: String
        /// nil: no log is kept.
        var logPath: String?
        var logSizeLimit: Int64?
        var hasTerminal = false
        var hasStdin = false
        var leavesStdinOpen = false
        var syncsLog = true
        /// Run by conmon when the container ended.
        var exitCommand: [String] = []
        /// Descriptors to hold as long as the container runs: its published ports.
        var held: [Int32] = []
    }

    /// An extra process in a running container.
    struct ExecJob: Sendable {
        var id: ContainerID
        var session: String
        var bundle: String
        var processFile: String
        var hasTerminal = false
        var hasStdin = false
        /// Somebody attaches before it starts.
        var isAttached = true
        var exitCommand: [String] = []
    }

    let path: String
    let runtime: Runtime

    static func find() throws(ContainerError) -> String {
        if let path = RuntimeChoice.find("conmon") { return path }
        throw ContainerError(.unavailable, "conmon is not installed", hint: "apt-get install conmon")
    }

    /// Starts conmon, which waits for the word to create the container.
    func begin(_ job: Job) throws -> Creation {
        var arguments = common(id: job.id.hex, session: job.id.hex, bundle: job.bundle)
        arguments += [
            "--name", job.name, "--persist-dir", job.persistDirectory, "--log-path",
            job.logPath.map { "k8s-file:" + $0 } ?? "none",
        ]
        if let limit = job.logSizeLimit { arguments += ["--log-size-max", "\(limit)"] }
        if job.hasTerminal { arguments.append("--terminal") }
        if job.hasStdin { arguments.append("--stdin") }
        if job.leavesStdinOpen { arguments.append("--leave-stdin-open") }
        if !job.syncsLog { arguments.append("--no-sync-log") }
        arguments += exit(job.exitCommand)
        let sync = try Pipe()
        let start = try Pipe()
        var descriptors: [Int32: Int32] = [3: sync.writeEnd.raw, 4: start.readEnd.raw]
        for (index, descriptor) in job.held.enumerated() { descriptors[Int32(5 + index)] = descriptor }
        let launch = try launch(
            arguments, environment: ["_OCI_SYNCPIPE=3", "_OCI_STARTPIPE=4"], directory: job.bundle,
            descriptors: descriptors)
        return Creation(
            launch: launch, starter: start.takeWriteEnd(), answers: LineReader(sync.takeReadEnd()), conmon: self,
            bundle: job.bundle)
    }

    /// A container that conmon is about to create: it starts while the bundle is made. Dropping it ends conmon.
    ///
    /// Where this process dies before the word, conmon goes on: it finds a bundle without a config, and gives up.
    final class Creation {
        private var launch: Launch?
        private let starter: OwnedDescriptor
        private let answers: LineReader
        private let conmon: Conmon
        private let bundle: String

        fileprivate init(
            launch: consuming Launch, starter: consuming OwnedDescriptor, answers: LineReader, conmon: Conmon,
            bundle: String
        ) {
            self.launch = .some(launch)
            self.starter = starter
            self.answers = answers
            self.conmon = conmon
            self.bundle = bundle
        }

        deinit { launch.take()?.abandon() }

        /// Creates the container, whose bundle is whole; when it returns, its process waits to be started, or an error
        /// says why there is none.
        func finish() throws -> (process: Int32, monitor: ProcessIdentity) {
            guard let launch = launch.take() else { throw ContainerError(.failed, "conmon was told already") }
            try writeAll([0], to: starter.raw, "conmon")
            let message = try launch.finish()
            guard let answer = try answers.next() else {
                throw ContainerError(
                    .failed, "conmon failed: \(message.isEmpty ? "it ended without a word" : message)")
            }
            if answer.data <= 0 { throw conmon.failure("create", answer, bundle: bundle) }
            guard let monitor = conmon.monitor(bundle) else {
                throw ContainerError(.failed, "conmon ended at once: \(message)")
            }
            return (answer.data, monitor)
        }
    }

    /// An exec under way: conmon waits for the client to attach, then starts it.
    struct ExecSession: ~Copyable {
        fileprivate let answers: LineReader
        fileprivate let starter: OwnedDescriptor
        fileprivate let bundle: String
        fileprivate let conmon: Conmon
        fileprivate let isAttached: Bool

        /// Lets it run; its process ID.
        func start() throws -> Int32 {
            if isAttached { try writeAll([0], to: starter.raw, "conmon") }
            guard let answer = try answers.next() else { throw ContainerError(.failed, "conmon ended without a word") }
            if answer.data <= 0 { throw conmon.failure("exec", answer, bundle: bundle) }
            return answer.data
        }

        /// Waits for its end.
        func exitCode() throws -> Int32 {
            guard let answer = try answers.next() else { return ContainerState.unknownExitCode }
            return answer.data
        }
    }

    /// Prepares an exec: when it returns, `attach` in the bundle can be connected to.
    func exec(_ job: ExecJob) throws -> ExecSession {
        var arguments = common(id: job.id.hex, session: job.session, bundle: job.bundle)
        arguments += [
            "--exec", "--exec-process-spec", job.processFile, "--log-path", "none", "--persist-dir", job.bundle,
        ]
        if job.isAttached { arguments.append("--exec-attach") }
        if job.hasTerminal { arguments.append("--terminal") }
        if job.hasStdin { arguments.append("--stdin") }
        arguments += exit(job.exitCommand)
        let sync = try Pipe()
        let start = try Pipe()
        let attach = try Pipe()
        var environment = ["_OCI_SYNCPIPE=3", "_OCI_STARTPIPE=4"]
        var descriptors: [Int32: Int32] = [3: sync.writeEnd.raw, 4: start.readEnd.raw]
        if job.isAttached {
            environment.append("_OCI_ATTACHPIPE=5")
            descriptors[5] = attach.writeEnd.raw
        }
        let launch = try launch(
            arguments, environment: environment, directory: job.bundle, descriptors: descriptors)
        let starter = start.takeWriteEnd()
        try writeAll([0], to: starter.raw, "conmon")
        let answers = LineReader(sync.takeReadEnd())
        let ready = LineReader(attach.takeReadEnd())
        let message = try launch.finish()
        if job.isAttached, try ready.next() == nil {
            throw ContainerError(.failed, "conmon failed: \(message.isEmpty ? "it ended without a word" : message)")
        }
        return ExecSession(
            answers: answers, starter: starter, bundle: job.bundle, conmon: self, isAttached: job.isAttached)
    }

    // MARK: Parts

    private func common(id: String, session: String, bundle: String) -> [String] {
        [
            "--api-version", "1", "--cid", id, "--cuuid", session, "--runtime", runtime.choice.path, "--bundle", bundle,
            "--container-pidfile", bundle + "/pidfile", "--conmon-pidfile", bundle + "/conmon.pid", "--full-attach",
            "--log-level", "error", "--runtime-arg", "--root", "--runtime-arg", runtime.root, "--runtime-arg", "--log",
            "--runtime-arg", bundle + "/runtime.log", "--runtime-arg", "--log-format", "--runtime-arg", "json",
        ]
    }

    private func exit(_ command: [String]) -> [String] {
        guard let program = command.first else { return [] }
        return ["--exit-command", program] + command.dropFirst().flatMap { ["--exit-command-arg", $0] }
    }

    fileprivate struct Launch: ~Copyable {
        let child: ChildProcess
        let errors: OwnedDescriptor

        /// The child that we started ends as soon as conmon has gone to the background.
        consuming func finish() throws -> String {
            var text: [UInt8] = []
            while true {
                let chunk = try readSome(from: errors.raw, upTo: 4096, "conmon")
                if chunk.isEmpty { break }
                if text.count < 16 << 10 { text += chunk }
            }
            _ = try child.wait()
            return String(decoding: text, as: UTF8.self).trimmedBlanks
        }

        /// Ends it before it did anything.
        consuming func abandon() {
            _ = kill(child.processID, SIGKILL)
            _ = try? child.wait()
        }
    }

    private func launch(
        _ arguments: [String], environment: [String], directory: String, descriptors: [Int32: Int32]
    ) throws -> Launch {
        let errors = try Pipe()
        var descriptors = descriptors
        descriptors[2] = errors.writeEnd.raw
        let child = try ChildProcess(
            path, arguments, environment: Runtime.environment + environment, directory: directory,
            descriptors: descriptors)
        return Launch(child: child, errors: OwnedDescriptor(owning: errors.takeReadEnd()))
    }

    fileprivate func monitor(_ bundle: String) -> ProcessIdentity? {
        ProcessIdentity(of: Int32(HostFacts.text(bundle + "/conmon.pid")) ?? 0)
    }

    fileprivate func failure(_ verb: String, _ answer: LineReader.Answer, bundle: String) -> ContainerError {
        let log = HostFacts.text(bundle + "/runtime.log")
        return Runtime.failure(verb, log.isEmpty ? answer.message ?? "" : log)
    }
}

/// Reads conmon's answers: a JSON object a line.
final class LineReader: Sendable {
    struct Answer: Decodable {
        var data: Int32
        var message: String?
    }

    private let descriptor: OwnedDescriptor
    private let rest: Monitor<[UInt8]>

    init(_ raw: Int32) {
        descriptor = OwnedDescriptor(owning: raw)
        rest = Monitor([])
    }

    /// The next answer; nil where conmon ended.
    func next() throws -> Answer? {
        var buffer = rest.withLock { bytes in
            defer { bytes = [] }
            return bytes
        }
        while true {
            if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                rest.withLock { $0 = Array(buffer[(end + 1)...]) }
                return try JSONDecoder().decode(Answer.self, from: Data(buffer[..<end]))
            }
            let chunk = try readSome(from: descriptor.raw, upTo: 16 << 10, "conmon")
            if chunk.isEmpty { return nil }
            buffer += chunk
            if buffer.count > 1 << 20 { throw ContainerError(.failed, "conmon's answer is too long") }
        }
    }
}
