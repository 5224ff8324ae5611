import Linux
import OCI

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Another program to run in a container.
package struct ExecRequest: Sendable {
    package var command: [String]
    /// Empty: the container's own.
    package var user = ""
    package var environment: [String] = []
    /// nil: the container's own.
    package var workingDirectory: String?
    package var hasTerminal = false
    package var hasStdin = false
    package var privileged = false
    /// Rows and columns.
    package var consoleSize: (rows: Int, columns: Int)?

    package init(_ command: [String]) { self.command = command }
}

/// An exec that runs: its line, and its terminal.
package struct StartedExec: Sendable {
    package var session: String
    package var attachment: Attachment
}

extension ContainerService {
    /// Runs a program in a container with the caller's streams until its end.
    ///
    /// - Returns: its exit code; nil where the person detached.
    package func exec(
        _ id: ContainerID, _ request: ExecRequest, _ streams: Attachment.Streams,
        onStart: (StartedExec) throws -> Void = { _ in }, onWake: () throws -> Void = {}
    ) throws -> Int32? {
        let job = try prepareExec(id, request, isAttached: true)
        let running = try conmon(for: try store.record(id)).exec(job)
        Failpoint.reach("exec-waiting")
        do {
            let attachment = try Attachment(directory: job.bundle)
            _ = try running.start()
            Failpoint.reach("exec-running")
            try onStart(StartedExec(session: job.session, attachment: attachment))
            if try attachment.pump(streams, onWake: onWake) == .detached { return nil }
            let code = try running.exitCode()
            try removeExec(id, session: job.session)
            return code
        } catch {
            try? removeExec(id, session: job.session)
            throw error
        }
    }

    /// Starts a program in a container and leaves it running.
    package func execDetached(_ id: ContainerID, _ request: ExecRequest) throws {
        let job = try prepareExec(id, request, isAttached: false)
        do { _ = try conmon(for: try store.record(id)).exec(job).start() } catch {
            try? removeExec(id, session: job.session)
            throw error
        }
    }

    /// Removes what an exec left in the run directory.
    package func removeExec(_ id: ContainerID, session: String) throws {
        guard ContainerID(session) != nil else { throw ContainerError(.notFound, "No such exec instance: \(session)") }
        try removeTree(execDirectory(id, session))
    }

    private func execDirectory(_ id: ContainerID, _ session: String) -> String {
        "\(store.runDirectory(id))/exec/\(session)"
    }

    private func conmon(for record: ContainerRecord) throws -> Conmon {
        Conmon(path: try Conmon.find(), runtime: try runtime(for: record))
    }

    private func prepareExec(_ id: ContainerID, _ request: ExecRequest, isAttached: Bool) throws -> Conmon.ExecJob {
        let info = try info(id)
        if info.status == .paused {
            throw ContainerError(
                .conflict, "container \(info.record.name) is paused, unpause the container before exec")
        }
        guard info.status == .running else {
            throw ContainerError(.notRunning, "container \(id) is not running")
        }
        guard let program = request.command.first, !program.isEmpty else {
            throw ContainerError(.invalid, "no exec command specified")
        }
        let session = ContainerID().hex
        let bundle = execDirectory(id, session)
        try makeDirectories(bundle, permissions: 0o700)
        let process = try execProcess(info.record, request)
        let file = try open(bundle + "/process.json", .write, permissions: 0o600)
        try writeAll(Array(try JSONEncoder().encode(process)), to: file.raw, "process.json")
        return Conmon.ExecJob(
            id: id, session: session, bundle: bundle, processFile: bundle + "/process.json",
            hasTerminal: request.hasTerminal, hasStdin: request.hasStdin, isAttached: isAttached,
            exitCommand: options.exitCommand.isEmpty || isAttached ? [] : options.exitCommand + [id.hex, session])
    }

    private func execProcess(_ record: ContainerRecord, _ request: ExecRequest) throws -> RuntimeSpec.Process {
        // The process's settings are the container's, but for what the request says.
        var record = record
        record.config.tty = request.hasTerminal
        record.hostConfig.consoleSize = request.consoleSize.map { [$0.rows, $0.columns] } ?? [0, 0]
        record.hostConfig.resources.ulimits = []
        let root = try ConfinedTree(store.rootPath(record.id))
        let user = try user(request.user.isEmpty ? record.config.user ?? "" : request.user, record, root)
        let security = try SecurityOptions(parsing: record.hostConfig.securityOpt)
        let builder = SpecBuilder(
            record: record, host: host, user: user, paths: .init(root: "", hosts: "", hostname: "", resolv: ""),
            security: security, cgroupPath: "")
        let capabilities = try Capability.choose(
            adding: record.hostConfig.capAdd, dropping: record.hostConfig.capDrop,
            privileged: record.hostConfig.privileged || request.privileged, available: host.capabilities)
        if let directory = request.workingDirectory, !directory.hasPrefix("/") {
            throw ContainerError(
                .invalid, "the working directory '\(directory)' is invalid, it needs to be an absolute path")
        }
        var warnings: [String] = []
        return builder.process(
            user, capabilities: capabilities, arguments: request.command,
            environment: SpecBuilder.replacing(builder.environment(user), with: request.environment),
            directory: request.workingDirectory.map(cleanPath) ?? builder.workingDirectory, warnings: &warnings)
    }
}
