import Linux

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Calls crun or runc. Every call blocks its thread.
struct Runtime: Sendable {
    let choice: RuntimeChoice
    /// Where the runtime keeps its own state.
    let root: String

    static let environment = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]

    /// Lets the program of a container that was created run.
    ///
    /// - Parameter process: the container's, which waits.
    func start(_ id: ContainerID, _ process: ProcessIdentity?) throws {
        if choice.name == "runc", let process, try openGate(id, process) { return }
        try call(["start", id.hex])
    }

    /// Does what `runc start` does, without a process that takes longer to start than that: reads the fifo that the
    /// container's process waits at, and removes it, which is how runc tells what is created from what runs.
    ///
    /// - Returns: false where there is no such fifo.
    private func openGate(_ id: ContainerID, _ process: ProcessIdentity) throws -> Bool {
        let path = "\(root)/\(id)/exec.fifo"
        guard try FileStatus.ifExists(path)?.kind == .fifo else { return false }
        let gate = try open(path, .readAtOnce)
        if let handle = try process.handle() { _ = try waitReadable([gate.raw, handle.raw]) }
        // One that was told just before it ended has written, too.
        if try readSome(from: gate.raw, upTo: 16, path).isEmpty {
            throw ContainerError(.failed, "OCI runtime start failed: container process is already dead")
        }
        try removeFile(path)
        return true
    }

    func pause(_ id: ContainerID) throws { try call(["pause", id.hex]) }
    func resume(_ id: ContainerID) throws { try call(["resume", id.hex]) }
    func kill(_ id: ContainerID, all signal: Int32) throws { try call(["kill", id.hex, "\(signal)"]) }

    /// Sets limits of a running container.
    func update(_ id: ContainerID, _ resources: RuntimeSpec.Resources) throws {
        try call(["update", "--resources", "-", id.hex], input: Array(try JSONEncoder().encode(resources)))
    }

    /// Removes what the runtime has of a container, killing what still runs; one that it does not know is fine.
    func delete(_ id: ContainerID) throws {
        guard try FileStatus.ifExists("\(root)/\(id)") != nil else { return }
        try call(["delete", "--force", id.hex])
    }

    /// What the runtime says a container is: `created`, `running`, `stopped`; nil where it does not know it.
    func status(_ id: ContainerID) throws -> String? {
        guard try FileStatus.ifExists("\(root)/\(id)") != nil else { return nil }
        let result = try run(["state", id.hex])
        if result.code != 0 { return nil }
        struct State: Decodable { var status: String }
        return try JSONDecoder().decode(State.self, from: Data(result.output)).status
    }

    private func call(_ arguments: [String], input: [UInt8] = []) throws {
        let result = try run(arguments, input: input)
        if result.code != 0 { throw Self.failure(arguments[0], result.message) }
    }

    private func run(_ arguments: [String], input: [UInt8] = []) throws -> ProgramResult {
        try runProgram(choice.path, ["--root", root] + arguments, environment: Self.environment, input: input)
    }

    // MARK: What its errors mean

    /// The runtime's error in docker's words and classes: 126 cannot be invoked, 127 not found.
    static func failure(_ verb: String, _ text: String) -> ContainerError {
        let message = "OCI runtime \(verb) failed: \(lastMessage(text))"
        let lower = message.lowercased()
        if lower.contains("permission denied") { return ContainerError(.cannotInvoke, message) }
        if lower.contains("is a directory") { return ContainerError(.cannotInvoke, message + ": permission denied") }
        if lower.contains("not a directory"), !lower.contains("exec") {
            return ContainerError(
                .commandNotFound,
                message
                    + ": Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path "
                    + "exists and is the expected type")
        }
        if lower.contains("executable file") && lower.contains("not found")
            || lower.contains("no such file or directory")
        {
            return ContainerError(.commandNotFound, message)
        }
        if lower.contains("exec format error") { return ContainerError(.cannotInvoke, message) }
        return ContainerError(.failed, message)
    }

    /// The last message of the runtime's log lines, JSON or `time=… level=error msg="…"`, or the text itself.
    static func lastMessage(_ text: String) -> String {
        struct Line: Decodable { var msg: String }
        let lines = text.split(separator: "\n").map(String.init)
        for line in lines.reversed() {
            if let entry = try? JSONDecoder().decode(Line.self, from: Data(line.utf8)) { return entry.msg }
            let parts = line.split(separator: " msg=", maxSplits: 1)
            if line.hasPrefix("time="), parts.count == 2 {
                return (try? JSONDecoder().decode(String.self, from: Data(parts[1].utf8))) ?? String(parts[1])
            }
        }
        return lines.last ?? "no message"
    }
}
