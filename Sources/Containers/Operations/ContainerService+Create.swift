import Linux
import OCI
import Snapshots

extension ContainerService {
    /// Makes a container; it does not run yet.
    ///
    /// - Returns: the container, and docker's warnings.
    package func create(_ request: CreateRequest) throws -> (record: ContainerRecord, warnings: [String]) {
        let id = ContainerID()
        var host = request.hostConfig
        var config = request.imageConfig.overridden(
            by: request.overrides, clearsEntrypoint: request.clearsEntrypoint)
        try complete(&host)
        try complete(&config, id, host)
        let name = try request.name.map { text throws(ContainerError) in try ContainerName.parse(text) }
        let arguments = (config.entrypoint ?? []) + (config.cmd ?? [])
        if arguments.isEmpty { throw ContainerError(.invalid, "no command specified") }
        if arguments[0].isEmpty { throw ContainerError(.invalid, "invalid command: the program's name is empty") }
        var warnings: [String] = []
        _ = try SpecBuilder.limits(host.resources, host: self.host, &warnings)
        _ = try Capability.choose(
            adding: host.capAdd, dropping: host.capDrop, privileged: host.privileged, available: self.host.capabilities)
        _ = try SecurityOptions(parsing: host.securityOpt)
        _ = try runtimeChoice(host.runtime)
        let mounts = try resolveMounts(host, config, extra: request.extraVolumes)
        let record = ContainerRecord(
            id: id, name: "", created: wallClockNanoseconds(), image: request.image, imageID: request.imageID,
            layers: request.layers, platform: request.platform, config: config, hostConfig: host,
            streams: request.streams, mounts: mounts, arguments: arguments, driver: driver.rawValue)
        let lock = try volumes.lock(.shared)
        defer { withExtendedLifetime(lock) {} }
        for mount in mounts where mount.kind == .volume {
            if let name = mount.name { try volumes.create(name, isAnonymous: mount.isAnonymous) }
        }
        return (try store.create(record, name: name), warnings)
    }

    /// Docker's defaults for what the person left open.
    private func complete(_ host: inout HostConfig) throws {
        if host.autoRemove, host.restartPolicy.name != "no" {
            throw ContainerError(.invalid, "can't create 'AutoRemove' container with restart policy")
        }
        if host.shmSize < 0 { throw ContainerError(.invalid, "SHM size can not be less than 0") }
        if host.shmSize == 0 { host.shmSize = 64 << 20 }
        if host.ipcMode.isEmpty { host.ipcMode = "private" }
        if host.cgroupnsMode.isEmpty {
            host.cgroupnsMode = self.host.cgroups == .v2 ? "private" : "host"
        }
        guard ["host", "private"].contains(host.cgroupnsMode) else {
            throw ContainerError(.invalid, "invalid cgroup namespace mode: \(host.cgroupnsMode)")
        }
        if host.resources.memory > 0, host.resources.memorySwap == 0 {
            host.resources.memorySwap = host.resources.memory * 2
        }
        host.networkMode = try ownedMode(host.networkMode, "network", ["", "default", "bridge", "host", "none"])
        host.pidMode = try ownedMode(host.pidMode, "PID", ["", "host", "private"])
        if host.pidMode == "private" { host.pidMode = "" }
        host.ipcMode = try ownedMode(host.ipcMode, "IPC", ["private", "host", "none", "shareable"])
        guard ["", "host"].contains(host.utsMode) else {
            throw ContainerError(.invalid, "invalid UTS mode: \(host.utsMode)")
        }
        if host.network == "host", !host.portBindings.isEmpty || host.publishAllPorts {
            // docker drops them, too, with a warning of its own.
            host.portBindings = []
            host.publishAllPorts = false
        }
        if host.network.hasPrefix("container:"), !host.portBindings.isEmpty {
            throw ContainerError(.invalid, "conflicting options: port publishing and the container type network mode")
        }
        host.links = try host.links?.map { try completed(link: $0, host) }
        var hosts: [String] = []
        for entry in host.extraHosts { hosts.append(try NetworkFiles.parseExtraHost(entry)) }
        host.extraHosts = hosts
    }

    /// A link with the ID of the container that it names.
    private func completed(link: String, _ host: HostConfig) throws -> String {
        guard host.network == "bridge" else {
            let mode = host.network.prefix { $0 != ":" }
            throw ContainerError(.invalid, "conflicting options: \(mode) type networking can't be used with links")
        }
        let parts = link.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count <= 2, let alias = parts.last, !parts[0].isEmpty, NetworkFiles.isHostName(alias) else {
            throw ContainerError(.invalid, "bad format for links: \(link)")
        }
        do { return "\(try store.find(parts[0])):\(alias)" } catch let error as ContainerError {
            throw ContainerError(error.code, "could not get container for \(parts[0]): \(error.message)")
        }
    }

    /// A namespace mode, with the name of another container turned into its ID.
    private func ownedMode(_ mode: String, _ what: String, _ allowed: Set<String>) throws -> String {
        if allowed.contains(mode) { return mode }
        if mode.hasPrefix("container:") {
            return "container:" + (try store.find(String(mode.dropFirst("container:".count)))).hex
        }
        if what == "network" { throw ContainerError(.notFound, "network \(mode) not found") }
        throw ContainerError(.invalid, "invalid \(what) mode: \(mode)")
    }

    private func complete(_ config: inout ContainerConfig, _ id: ContainerID, _ host: HostConfig) throws {
        if host.network.hasPrefix("container:") {
            if config.hostname?.isEmpty == false {
                throw ContainerError(.invalid, "conflicting options: hostname and the network mode")
            }
            // Its address is known by the other's name.
            config.hostname = try store.record(try store.find(String(host.network.dropFirst(10)))).config.hostname
        } else if config.hostname?.isEmpty ?? true {
            config.hostname =
                host.network == "host" || host.utsMode == "host"
                ? HostFacts.text("/proc/sys/kernel/hostname") : id.short
        }
        if let directory = config.workingDir, !directory.isEmpty {
            guard directory.hasPrefix("/") else {
                throw ContainerError(
                    .invalid, "the working directory '\(directory)' is invalid, it needs to be an absolute path")
            }
            config.workingDir = cleanPath(directory)
        }
        if let signal = config.stopSignal, !signal.isEmpty { _ = try Signal.parse(signal) }
        for entry in config.env ?? [] where entry.isEmpty || entry.hasPrefix("=") {
            throw ContainerError(.invalid, "invalid environment variable: \(entry)")
        }
    }

    // MARK: Mounts

    /// What is mounted where: other containers' volumes, the person's, then the image's own, as docker orders them.
    private func resolveMounts(_ host: HostConfig, _ config: ContainerConfig, extra: [String]) throws -> [MountPoint] {
        var points: [MountPoint] = []
        func add(_ point: MountPoint, replacing: Bool) throws {
            if let index = points.firstIndex(where: { $0.destination == point.destination }) {
                if !replacing { throw ContainerError(.invalid, "Duplicate mount point: \(point.destination)") }
                points[index] = point
            } else {
                points.append(point)
            }
        }
        let inherited = try host.volumesFrom.flatMap(self.inherited)
        for point in inherited { try add(point, replacing: true) }
        var own: Set<String> = []
        for text in host.binds {
            let point = try MountPoint(volume: text)
            try add(point, replacing: own.insert(point.destination).inserted)
        }
        for text in host.mounts {
            let point = try MountPoint(mount: text)
            try add(point, replacing: own.insert(point.destination).inserted)
            if point.kind == .bind, !point.createsSource, try FileStatus.ifExists(point.source) == nil {
                throw ContainerError(
                    .invalid, "invalid mount config for type \"bind\": bind source path does not exist: \(point.source)"
                )
            }
        }
        for (destination, options) in host.tmpfs.sorted(by: { $0.key < $1.key }) {
            let point = try MountPoint(tmpfs: options.isEmpty ? destination : "\(destination):\(options)")
            try add(point, replacing: own.insert(point.destination).inserted)
        }
        // The image's volumes give way to what is mounted there or was asked for.
        for path in (config.volumes ?? [:]).keys.sorted() + extra {
            let destination = cleanPath(path)
            if destination == "/" || points.contains(where: { $0.destination == destination }) { continue }
            var point = MountPoint(kind: .volume, destination: destination)
            point.isAnonymous = true
            points.append(point)
        }
        for index in points.indices where points[index].kind == .volume {
            let name = points[index].name ?? ContainerID().hex
            points[index].name = name
            points[index].source = volumes.dataPath(name)
        }
        return points.sorted { $0.destination < $1.destination }
    }

    /// The volumes of `--volumes-from container[:mode]`.
    private func inherited(_ text: String) throws -> [MountPoint] {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let mode = parts.count > 1 ? parts[1] : "rw"
        guard ["ro", "rw", "z", "Z"].contains(mode) else { throw ContainerError(.invalid, "invalid mode: \(mode)") }
        return try store.record(try store.find(parts[0])).mounts.compactMap { point in
            if point.kind == .tmpfs { return nil }
            var point = point
            if mode == "ro" { point.isWritable = false }
            point.copiesUp = false
            return point
        }
    }
}
