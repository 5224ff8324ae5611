import Containers
import Linux
import OCI

/// A container as docker's `inspect` shows it: the names, order and defaults of moby 28.
struct ContainerInspection {
    var info: ContainerInfo
    var service: ContainerService
    /// Bytes of the container's own layer, and of it and the image together; nil without `--size`.
    var sizes: (written: Int64, total: Int64)?

    private var record: ContainerRecord { info.record }
    private var host: HostConfig { info.record.hostConfig }

    var value: Value {
        let directory = service.store.directory(record.id)
        return .record(
            "container.InspectResponse",
            [
                .always("Id", .string(record.id.hex)), .always("Created", .string(Timestamp.text(record.created))),
                .always("Path", .string(record.path)), .always("Args", .strings(Array(record.arguments.dropFirst()))),
                .always("State", state), .always("Image", .string("\(record.imageID)")),
                .always("ResolvConfPath", .string(directory + "/resolv.conf")),
                .always("HostnamePath", .string(directory + "/hostname")),
                .always("HostsPath", .string(directory + "/hosts")),
                .always("LogPath", .string(host.logConfig.type == "none" ? "" : service.store.logPath(record.id))),
                .always("Name", .string("/" + record.name)), .always("RestartCount", .int(Int64(info.state.restarts))),
                .always("Driver", .string(record.driver)), .always("Platform", .string(record.platform.os)),
                .always("MountLabel", .string("")), .always("ProcessLabel", .string("")),
                .always("AppArmorProfile", .string(info.state.appArmor)), .always("ExecIDs", .nilList),
                .always(
                    "HostConfig", HostConfigInspection(host: host, runtime: info.state.runtime, links: links).value),
                .always("GraphDriver", graphDriver(directory)),
                sizes.map { .always("SizeRw", .int($0.written)) }, sizes.map { .always("SizeRootFs", .int($0.total)) },
                .always("Mounts", .list(record.mounts.filter { $0.kind != .tmpfs }.map(mount))),
                .always("Config", config), .always("NetworkSettings", network),
            ])
    }

    static let never = "0001-01-01T00:00:00Z"

    private var state: Value {
        let state = info.state
        let status = info.status
        return .record(
            "container.State",
            [
                .always("Status", .string(status.rawValue)), .always("Running", .bool(status.isActive)),
                .always("Paused", .bool(status == .paused)), .always("Restarting", .bool(status == .restarting)),
                .always("OOMKilled", .bool(state.oomKilled)), .always("Dead", .bool(status == .dead)),
                .always("Pid", .int(status.isActive ? Int64(state.process?.processID ?? 0) : 0)),
                .always("ExitCode", .int(Int64(state.exitCode))), .always("Error", .string(state.error)),
                .always("StartedAt", .string(state.started.map { Timestamp.text($0) } ?? Self.never)),
                .always("FinishedAt", .string(state.finished.map { Timestamp.text($0) } ?? Self.never)),
            ])
    }

    private func graphDriver(_ directory: String) -> Value {
        let data = [
            "UpperDir": directory + "/upper", "WorkDir": directory + "/work",
            "MergedDir": service.store.runDirectory(record.id) + "/rootfs",
            "LowerDir": record.layers.reversed().map { "\(service.options.runDirectory)/layers/\($0.hex)" }
                .joined(separator: ":"),
        ]
        return .record(
            "storage.DriverData", [.always("Data", .strings(data)), .always("Name", .string(record.driver))])
    }

    private func mount(_ point: MountPoint) -> Value {
        .record(
            "container.MountPoint",
            [
                .always("Type", .string(point.kind.rawValue)), .nonEmpty("Name", .string(point.name ?? "")),
                .always("Source", .string(point.source)), .always("Destination", .string(point.destination)),
                point.kind == .volume ? .always("Driver", .string("local")) : nil,
                .always("Mode", .string(point.mode.isEmpty && point.kind == .volume ? "z" : point.mode)),
                .always("RW", .bool(point.isWritable)), .always("Propagation", .string(point.propagation)),
            ])
    }

    private var config: Value {
        let config = record.config
        func set(_ names: [String: ContainerConfig.EmptyObject]?) -> Value {
            guard let names, !names.isEmpty else { return .nilMap }
            return .map(names.mapValues { _ in .record("struct {}", []) })
        }
        return .record(
            "container.Config",
            [
                .always("Hostname", .string(config.hostname ?? "")),
                .always("Domainname", .string(config.domainname ?? "")), .always("User", .string(config.user ?? "")),
                .always("AttachStdin", .bool(record.streams.attachStdin)),
                .always("AttachStdout", .bool(record.streams.attachStdout)),
                .always("AttachStderr", .bool(record.streams.attachStderr)),
                .nonEmpty("ExposedPorts", set(config.exposedPorts)), .always("Tty", .bool(config.tty ?? false)),
                .always("OpenStdin", .bool(config.openStdin ?? false)),
                .always("StdinOnce", .bool(record.streams.stdinOnce)), .always("Env", .strings(config.env)),
                .always("Cmd", .strings(config.cmd)), .nonEmpty("Healthcheck", healthcheck),
                .always("Image", .string(record.image)), .always("Volumes", set(config.volumes)),
                .always("WorkingDir", .string(config.workingDir ?? "")),
                .always("Entrypoint", .strings(config.entrypoint)), .always("OnBuild", .strings(config.onBuild)),
                .always("Labels", .strings(config.labels ?? [:])),
                .nonEmpty("StopSignal", .string(config.stopSignal ?? "")),
                config.stopTimeout.map { .always("StopTimeout", .int(Int64($0))) },
                .nonEmpty("Shell", .strings(config.shell ?? [])),
            ])
    }

    private var healthcheck: Value {
        guard let check = record.config.healthcheck else { return .null }
        return .record(
            "container.HealthConfig",
            [
                .nonEmpty("Test", .strings(check.test)), .nonEmpty("Interval", .int(check.interval ?? 0)),
                .nonEmpty("Timeout", .int(check.timeout ?? 0)), .nonEmpty("StartPeriod", .int(check.startPeriod ?? 0)),
                .nonEmpty("StartInterval", .int(check.startInterval ?? 0)),
                .nonEmpty("Retries", .int(Int64(check.retries ?? 0))),
            ])
    }

    // MARK: The network

    private var network: Value {
        let network = info.status.isActive ? info.state.network : nil
        let name = host.network.hasPrefix("container:") ? nil : host.network
        let address = endpoint(network)
        return .record(
            "container.NetworkSettings",
            [
                .always("Bridge", .string("")), .always("SandboxID", .string(network == nil ? "" : record.id.hex)),
                .always(
                    "SandboxKey",
                    .string(network == nil ? "" : service.store.runDirectory(record.id) + "/netns")),
                .always("Ports", ports), .always("HairpinMode", .bool(false)),
                .always("LinkLocalIPv6Address", .string("")), .always("LinkLocalIPv6PrefixLen", .int(0)),
                .always("SecondaryIPAddresses", .nilList), .always("SecondaryIPv6Addresses", .nilList),
                .always("EndpointID", .string("")), .always("Gateway", .string(network?.gateway ?? "")),
                .always("GlobalIPv6Address", .string("")), .always("GlobalIPv6PrefixLen", .int(0)),
                .always("IPAddress", .string(network?.address ?? "")),
                .always("IPPrefixLen", .int(Int64(network?.prefixLength ?? 0))), .always("IPv6Gateway", .string("")),
                .always("MacAddress", .string(network?.macAddress ?? "")),
                .always("Networks", .map(name.map { [$0: address] } ?? [:])),
            ])
    }

    private var links: [String] {
        (host.links ?? []).map { link in
            let parts = link.split(separator: ":", maxSplits: 1).map(String.init)
            let name = ContainerID(parts[0]).flatMap { try? service.store.record($0).name } ?? parts[0]
            return "/\(name):/\(record.name)/\(parts[1])"
        }
    }

    private func endpoint(_ network: NetworkState?) -> Value {
        .record(
            "network.EndpointSettings",
            [
                .always(
                    "IPAMConfig",
                    host.staticAddress.isEmpty ? .null : .map(["IPv4Address": .string(host.staticAddress)])),
                .always("Links", .nilList),
                .always("Aliases", host.networkAliases.isEmpty ? .nilList : .strings(host.networkAliases)),
                .always("MacAddress", .string(network?.macAddress ?? "")), .always("DriverOpts", .nilMap),
                .always("GwPriority", .int(0)), .always("NetworkID", .string("")), .always("EndpointID", .string("")),
                .always("Gateway", .string(network?.gateway ?? "")),
                .always("IPAddress", .string(network?.address ?? "")),
                .always("IPPrefixLen", .int(Int64(network?.prefixLength ?? 0))), .always("IPv6Gateway", .string("")),
                .always("GlobalIPv6Address", .string("")), .always("GlobalIPv6PrefixLen", .int(0)),
                .always("DNSNames", .nilList),
            ])
    }

    /// Published ports with where they answer, and exposed ones without.
    private var ports: Value {
        guard info.status.isActive else { return .map([:]) }
        var members = HostConfigInspection.bindings(info.state.network?.ports ?? [])
        for port in (record.config.exposedPorts ?? [:]).keys where members[port] == nil { members[port] = .nilList }
        return .map(members)
    }
}

/// docker's `HostConfig`.
struct HostConfigInspection {
    var host: HostConfig
    var runtime: String?
    /// `/other:/this/alias`.
    var links: [String]

    var value: Value { .record("container.HostConfig", general + limits + paths) }

    /// An empty list is `null`, as docker has it for what the command line did not set.
    private func list(_ values: [String]) -> Value { values.isEmpty ? .nilList : .strings(values) }

    static func bindings(_ ports: [PortMapping]) -> [String: Value] {
        Dictionary(grouping: ports, by: { "\($0.container)" }).mapValues { ports in
            .list(
                ports.map { port in
                    .record(
                        "nat.PortBinding",
                        [
                            .always("HostIp", .string(port.hostAddress)),
                            .always("HostPort", .string(Self.hostPort(port))),
                        ])
                })
        }
    }

    private static func hostPort(_ port: PortMapping) -> String {
        if let last = port.lastHostPort { return "\(port.hostPort)-\(last)" }
        return port.hostPort == 0 ? "" : "\(port.hostPort)"
    }

    private var general: [Record.Field?] {
        [
            .always("Binds", list(host.binds)), .always("ContainerIDFile", .string(host.containerIDFile)),
            .always(
                "LogConfig",
                .record(
                    "container.LogConfig",
                    [
                        .always("Type", .string(host.logConfig.type)),
                        .always("Config", .strings(host.logConfig.config)),
                    ])),
            .always("NetworkMode", .string(host.network)),
            .always("PortBindings", .map(Self.bindings(host.portBindings))),
            .always(
                "RestartPolicy",
                .record(
                    "container.RestartPolicy",
                    [
                        .always("Name", .string(host.restartPolicy.name)),
                        .always("MaximumRetryCount", .int(Int64(host.restartPolicy.maximumRetryCount))),
                    ])),
            .always("AutoRemove", .bool(host.autoRemove)), .always("VolumeDriver", .string("")),
            .always("VolumesFrom", list(host.volumesFrom)),
            .always("ConsoleSize", .list(host.consoleSize.map { .int(Int64($0)) })),
            .nonEmpty("Annotations", .strings(host.annotations)), .always("CapAdd", list(host.capAdd)),
            .always("CapDrop", list(host.capDrop)), .always("CgroupnsMode", .string(host.cgroupnsMode)),
            .always("Dns", .strings(host.dns)), .always("DnsOptions", .strings(host.dnsOptions)),
            .always("DnsSearch", .strings(host.dnsSearch)), .always("ExtraHosts", list(host.extraHosts)),
            .always("GroupAdd", list(host.groupAdd)), .always("IpcMode", .string(host.ipcMode)),
            .always("Cgroup", .string("")), .always("Links", list(links)),
            .always("OomScoreAdj", .int(Int64(host.oomScoreAdj))), .always("PidMode", .string(host.pidMode)),
            .always("Privileged", .bool(host.privileged)), .always("PublishAllPorts", .bool(host.publishAllPorts)),
            .always("ReadonlyRootfs", .bool(host.readonlyRootfs)), .always("SecurityOpt", list(host.securityOpt)),
            .nonEmpty("Tmpfs", .strings(host.tmpfs)), .always("UTSMode", .string(host.utsMode)),
            .always("UsernsMode", .string(host.usernsMode)), .always("ShmSize", .int(host.shmSize)),
            .nonEmpty("Sysctls", .strings(host.sysctls)),
            .always("Runtime", .string(host.runtime.isEmpty ? runtime ?? "" : host.runtime)),
            .always("Isolation", .string("")),
        ]
    }

    private var limits: [Record.Field?] {
        let resources = host.resources
        return [
            .always("CpuShares", .int(resources.cpuShares)), .always("Memory", .int(resources.memory)),
            .always("NanoCpus", .int(resources.nanoCPUs)), .always("CgroupParent", .string(resources.cgroupParent)),
            .always("BlkioWeight", .int(Int64(resources.blkioWeight))), .always("BlkioWeightDevice", .list([])),
            .always("BlkioDeviceReadBps", rates(resources.deviceReadBps)),
            .always("BlkioDeviceWriteBps", rates(resources.deviceWriteBps)),
            .always("BlkioDeviceReadIOps", rates(resources.deviceReadIOps)),
            .always("BlkioDeviceWriteIOps", rates(resources.deviceWriteIOps)),
            .always("CpuPeriod", .int(resources.cpuPeriod)), .always("CpuQuota", .int(resources.cpuQuota)),
            .always("CpuRealtimePeriod", .int(resources.cpuRealtimePeriod)),
            .always("CpuRealtimeRuntime", .int(resources.cpuRealtimeRuntime)),
            .always("CpusetCpus", .string(resources.cpusetCpus)), .always("CpusetMems", .string(resources.cpusetMems)),
            .always("Devices", devices(resources.devices)),
            .always("DeviceCgroupRules", list(resources.deviceCgroupRules)), .always("DeviceRequests", .nilList),
            .always("MemoryReservation", .int(resources.memoryReservation)),
            .always("MemorySwap", .int(resources.memorySwap)),
            .always("MemorySwappiness", resources.memorySwappiness.map { .int($0) } ?? .null),
            .always("OomKillDisable", .bool(resources.oomKillDisable)),
            .always("PidsLimit", resources.pidsLimit.map { .int($0) } ?? .null),
            .always("Ulimits", ulimits(resources.ulimits)), .always("CpuCount", .int(0)),
            .always("CpuPercent", .int(0)), .always("IOMaximumIOps", .int(0)),
            .always("IOMaximumBandwidth", .int(0)),
        ]
    }

    private var paths: [Record.Field?] {
        let isShowingAll = host.privileged || host.securityOpt.contains("systempaths=unconfined")
        return [
            .nonEmpty("Mounts", .strings(host.mounts)), host.usesInit ? .always("Init", .bool(true)) : nil,
            .always("MaskedPaths", isShowingAll ? .nilList : .strings(SpecBuilder.maskedPaths)),
            .always("ReadonlyPaths", isShowingAll ? .nilList : .strings(SpecBuilder.readOnlyPaths)),
        ]
    }

    private func rates(_ rates: [Resources.DeviceRate]) -> Value {
        .list(
            rates.map {
                .record(
                    "blkiodev.ThrottleDevice",
                    [.always("Path", .string($0.path)), .always("Rate", .int(Int64(clamping: $0.rate)))])
            })
    }

    private func devices(_ devices: [HostConfig.Device]) -> Value {
        .list(
            devices.map {
                .record(
                    "container.DeviceMapping",
                    [
                        .always("PathOnHost", .string($0.pathOnHost)),
                        .always("PathInContainer", .string($0.pathInContainer)),
                        .always("CgroupPermissions", .string($0.permissions)),
                    ])
            })
    }

    private func ulimits(_ ulimits: [HostConfig.Ulimit]) -> Value {
        .list(
            ulimits.map {
                .record(
                    "container.Ulimit",
                    [
                        .always("Name", .string($0.name)), .always("Hard", .int($0.hard)),
                        .always("Soft", .int($0.soft)),
                    ])
            })
    }
}
