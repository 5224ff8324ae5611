import Linux
import OCI
import Snapshots

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// What a start gave.
package struct StartedContainer: Sendable {
    /// The client's line to the container, connected before its program began; nil where none was asked for.
    package var attachment: Attachment?
    /// What could not be done as asked.
    package var warnings: [String]
    /// It ran already.
    package var wasRunning: Bool
}

extension ContainerService {
    /// Starts a container; when it returns, its program runs (or has ended already).
    ///
    /// - Parameter attaching: connect to its streams before the program begins, so that no output is missed.
    package func start(_ id: ContainerID, attaching: Bool = false) throws -> StartedContainer {
        let lock = try store.lock(id)
        defer { withExtendedLifetime(lock) {} }
        try settle(id)
        let record = try store.record(id)
        var state = try store.state(id)
        let before = try observed(record, state)
        switch before.status {
        case .running: return StartedContainer(attachment: nil, warnings: [], wasRunning: true)
        case .paused:
            throw ContainerError(.conflict, "cannot start a paused container, try unpause instead")
        case .removing, .dead:
            throw ContainerError(.conflict, "container is marked for removal and cannot be started")
        case .created, .exited, .restarting: break
        }
        let previous = state
        state.phase = .starting
        state.error = ""
        state.oomKilled = false
        state.process = nil
        state.monitor = nil
        // After a power loss it must not look as if it never ran.
        try store.save(state, of: id, durable: !record.hostConfig.autoRemove)
        do {
            return try launch(record, &state, attaching: attaching)
        } catch {
            let failure = error as? ContainerError ?? ContainerError(.failed, "\(error)")
            var left = previous
            left.error = failure.message
            left.exitCode = failure.exitCode == 125 ? 128 : failure.exitCode
            if left.phase == .running { left.phase = .exited }
            state.network = state.network ?? previous.network
            try? tearDown(record, state)
            try store.save(left, of: id, durable: !record.hostConfig.autoRemove)
            if record.hostConfig.autoRemove { try? removeStopped(record, volumes: true) }
            throw failure
        }
    }

    /// Everything from the mount to the running program. The caller holds the lock and cleans up after a failure.
    private func launch(_ record: ContainerRecord, _ state: inout ContainerState, attaching: Bool) throws
        -> StartedContainer
    {
        let id = record.id
        let runtime = try runtime(for: record)
        let conmon = Conmon(path: try Conmon.find(), runtime: runtime)
        let run = store.runDirectory(id)
        try clearRunDirectory(id)
        try makeDirectory(run, permissions: 0o711)
        let persist = store.persistDirectory(id)
        for name in ["exit", "oom"] { try removeFile("\(persist)/\(name)") }
        let ports = try HostPorts(publishedPorts(record), areListenedOn: host.isRootless)
        let log = record.hostConfig.logConfig
        let creation = try conmon.begin(
            Conmon.Job(
                id: id, name: record.name, bundle: run, persistDirectory: persist,
                logPath: log.type == "none" ? nil : store.logPath(id),
                logSizeLimit: log.config["max-size"].flatMap(ByteSize.parse), hasTerminal: record.config.tty == true,
                hasStdin: record.config.openStdin == true,
                // A client that detaches from a terminal must not close it for the next one.
                leavesStdinOpen: record.config.openStdin == true
                    && (!record.streams.stdinOnce || record.config.tty == true),
                syncsLog: !record.hostConfig.autoRemove,
                exitCommand: options.exitCommand.isEmpty ? [] : options.exitCommand + [id.hex],
                // Without root the program that carries the traffic takes the ports itself.
                held: host.isRootless ? [] : ports.descriptors))
        Failpoint.reach("start-begun")
        try mountRoot(record, state)
        Failpoint.reach("start-mounted")
        // The namespace is there before the container, and after it until its rules are gone from the host.
        let namespace = run + "/netns"
        var connection: BackgroundWork<Void>?
        // Nothing may be connected any more when a failure is cleaned up.
        defer { connection?.finish() }
        if record.hostConfig.network == "bridge" {
            _ = try open(namespace, .createNew, permissions: 0o444)
            try makeNetworkNamespace(at: namespace)
            if host.isRootless {
                state.network = try RootlessNetwork(runDirectory: run).connect(
                    namespace: namespace, ports: ports.released())
            } else {
                let network = try bridge.reserve(record, ports: ports.mappings)
                state.network = network
                // The container's process only needs it when its program runs.
                connection = try BackgroundWork(named: "network") { [bridge] in
                    try bridge.attach(network, namespace: namespace)
                }
            }
            try store.save(state, of: id, durable: false)
        }
        Failpoint.reach("start-connected")
        let prepared = try prepare(record, state)
        var builder = SpecBuilder(
            record: record, host: host, user: prepared.user, paths: prepared.paths, security: prepared.security,
            cgroupPath: cgroupPath(record))
        builder.joined = try joined(record, namespace: state.network == nil ? nil : namespace)
        let devices = try HostDevices.resolve(record.hostConfig)
        builder.devices = devices.devices
        builder.deviceRules = devices.rules
        builder.throttles = try HostDevices.throttles(record.hostConfig.resources)
        let (spec, warnings) = try builder.build()
        // Last: without it conmon makes nothing.
        try writeSpec(spec, to: run)
        let (process, monitor) = try creation.finish()
        Failpoint.reach("start-waiting")
        state.monitor = monitor
        state.process = ProcessIdentity(of: process)
        state.runtime = runtime.choice.name
        state.cgroup = cgroupPath(record)
        try store.save(state, of: id, durable: false)
        let attachment = attaching ? try Attachment(directory: run) : nil
        Failpoint.reach("start-known")
        // Known before the wait: a failure, or whoever comes after a kill, has to end the process.
        try connection?.value()
        try runtime.start(id, state.process)
        Failpoint.reach("start-let-go")
        state.phase = .running
        state.started = wallClockNanoseconds()
        state.finished = nil
        state.exitCode = 0
        try store.save(state, of: id, durable: false)
        return StartedContainer(attachment: attachment, warnings: warnings + devices.warnings, wasRunning: false)
    }

    /// Mounts a container's root at its place in the run directory.
    func mountRoot(_ record: ContainerRecord, _ state: ContainerState) throws {
        let id = record.id
        let upper = store.directory(id) + "/upper"
        if state.started == nil { try matchRoot(record, upper: upper) }
        try makeDirectories(store.runDirectory(id), permissions: 0o711)
        try makeDirectory(store.rootPath(id), permissions: 0o755)
        try layers.mountRoot(
            layers: record.layers, upper: upper, work: store.directory(id) + "/work", at: store.rootPath(id),
            readOnly: false, isVolatile: record.hostConfig.autoRemove)
    }

    /// The root directory shows the upper directory's attributes: they must be the image's.
    private func matchRoot(_ record: ContainerRecord, upper: String) throws {
        guard !record.layers.isEmpty else { return }
        try layers.withLowerPaths(layers: record.layers) { paths in
            guard let top = paths.first else { return }
            let status = try FileStatus(of: top, following: true)
            let directory = try open(upper, .directory)
            try setOwnership(of: directory, uid: status.uid, gid: status.gid, mode: status.mode, upper)
            try setTime(status.mtimeSeconds, status.mtimeNanoseconds, of: upper)
        }
    }

    private func writeSpec(_ spec: RuntimeSpec, to bundle: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes]
        let file = try open(bundle + "/config.json", .write, permissions: 0o600)
        try writeAll(Array(try encoder.encode(spec)), to: file.raw, "config.json")
    }

    /// The ports to publish: those asked for, and with `-P` every one that the image exposes.
    private func publishedPorts(_ record: ContainerRecord) throws -> [PortMapping] {
        guard record.hostConfig.network == "bridge" else { return [] }
        var ports = record.hostConfig.portBindings
        if record.hostConfig.publishAllPorts {
            for port in (record.config.exposedPorts ?? [:]).keys.compactMap({ ContainerPort($0) }).sorted()
            where !ports.contains(where: { $0.container == port }) {
                ports.append(PortMapping(container: port, hostAddress: "", hostPort: 0))
            }
        }
        return ports
    }

    /// The namespaces of others that the container joins.
    private func joined(_ record: ContainerRecord, namespace: String?) throws -> SpecBuilder.Joined {
        var joined = SpecBuilder.Joined()
        let host = record.hostConfig
        joined.network = namespace
        if let process = try partner(host.network, "network") { joined.network = "/proc/\(process)/ns/net" }
        if let process = try partner(host.pidMode, "PID") { joined.pid = "/proc/\(process)/ns/pid" }
        if let process = try partner(host.ipcMode, "IPC") {
            joined.ipc = "/proc/\(process)/ns/ipc"
            joined.shm = "/proc/\(process)/root/dev/shm"
        }
        return joined
    }

    /// The first process of the running container that a mode `container:<id>` names.
    private func partner(_ mode: String, _ what: String) throws -> Int32? {
        guard mode.hasPrefix("container:") else { return nil }
        let id = try store.find(String(mode.dropFirst("container:".count)))
        let info = try info(id)
        guard info.status == .running, let process = info.state.process else {
            throw ContainerError(
                .conflict,
                "cannot join \(what) namespace of a non running container: container \(id.short) is \(info.status.rawValue)"
            )
        }
        return process.processID
    }
}
