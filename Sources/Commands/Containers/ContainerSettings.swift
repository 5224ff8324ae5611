import Containers
import Linux
import OCI

/// What the flags of `run` and `create` ask for, by docker's rules.
struct ContainerSettings {
    var config = ContainerConfig()
    var host = HostConfig()
    var streams = StreamOptions()
    var clearsEntrypoint = false
    var warnings: [String] = []

    init(_ flags: FlagValues, command: [String], environment: [String: String]) throws {
        try readStreams(flags)
        try readConfig(flags, command: command, environment: environment)
        try readHealth(flags)
        try readHost(flags)
        try readNetwork(flags)
        try readMounts(flags)
        try LimitFlags.read(flags, into: &host.resources)
        host.resources.devices = try flags.list("device").map { try HostConfig.Device(parsing: $0) }
        host.resources.deviceCgroupRules = flags.list("device-cgroup-rule")
        host.resources.cgroupParent = flags.text("cgroup-parent")
        host.resources.ulimits = try flags.list("ulimit").map { try HostConfig.Ulimit(parsing: $0) }
        try refuseUnsupported(flags)
    }

    private func invalid(_ text: String, hint: String? = nil) -> ContainerError {
        ContainerError(.invalid, text, hint: hint)
    }

    private mutating func readStreams(_ flags: FlagValues) throws {
        config.tty = flags.isOn("tty")
        config.openStdin = flags.isOn("interactive")
        let attach = flags.list("attach").map { $0.lowercased() }
        for name in attach where !["stdin", "stdout", "stderr"].contains(name) {
            throw invalid(
                "invalid argument \"\(name)\" for \"-a, --attach\" flag: valid streams are STDIN, STDOUT and STDERR")
        }
        let isDetached = flags.isOn("detach")
        if isDetached, !attach.isEmpty {
            throw invalid("conflicting options: cannot specify both --attach and --detach")
        }
        streams.attachStdin = attach.contains("stdin") || attach.isEmpty && config.openStdin == true && !isDetached
        streams.attachStdout = attach.contains("stdout") || attach.isEmpty && !isDetached
        streams.attachStderr = attach.contains("stderr") || attach.isEmpty && !isDetached
        streams.stdinOnce = config.openStdin == true && streams.attachStdin
    }

    private mutating func readConfig(
        _ flags: FlagValues, command: [String], environment: [String: String]
    ) throws {
        config.cmd = command.isEmpty ? nil : command
        config.user = flags.text("user")
        config.workingDir = flags.text("workdir")
        config.hostname = flags.text("hostname")
        config.domainname = flags.text("domainname")
        if flags.isSet("entrypoint") {
            let entrypoint = flags.text("entrypoint")
            if entrypoint.isEmpty { clearsEntrypoint = true } else { config.entrypoint = [entrypoint] }
        }
        config.stopSignal = flags.text("stop-signal")
        if flags.isSet("stop-timeout") { config.stopTimeout = Int(try flags.number("stop-timeout")) }
        config.env = try EnvironmentFile.entries(
            files: flags.list("env-file"), flags: flags.list("env"), environment: environment)
        var labels: [String: String] = [:]
        for line in try flags.list("label-file").flatMap({ try EnvironmentFile.lines($0) }) + flags.list("label") {
            let (key, value) = Self.pair(line)
            if key.isEmpty { throw invalid("invalid label '\(line)': empty name") }
            labels[key] = value
        }
        config.labels = labels
        for text in flags.list("expose") {
            guard !text.contains(":") else { throw invalid("invalid port format for --expose: \(text)") }
            let mappings: [PortMapping]
            do { mappings = try PortMapping.parse(text) } catch {
                throw invalid("invalid range format for --expose: \(text), error: \(error.message)")
            }
            for mapping in mappings {
                config.exposedPorts = (config.exposedPorts ?? [:]).merging(["\(mapping.container)": .init()]) { $1 }
            }
        }
    }

    /// `key=value`; a key alone has an empty value.
    static func pair(_ text: String) -> (key: String, value: String) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        return (parts[0], parts.count > 1 ? parts[1] : "")
    }

    private mutating func readHealth(_ flags: FlagValues) throws {
        let names = [
            "health-cmd", "health-interval", "health-timeout", "health-start-period", "health-start-interval",
            "health-retries",
        ]
        let isChecking = names.contains { flags.isSet($0) }
        if flags.isOn("no-healthcheck") {
            if isChecking { throw invalid("--no-healthcheck conflicts with --health-* options") }
            var check = ContainerConfig.Healthcheck()
            check.test = ["NONE"]
            config.healthcheck = check
            return
        }
        guard isChecking else { return }
        var check = ContainerConfig.Healthcheck()
        let command = flags.text("health-cmd")
        if !command.isEmpty { check.test = ["CMD-SHELL", command] }
        func duration(_ name: String) throws -> Int64? { flags.isSet(name) ? try flags.duration(name) : nil }
        check.interval = try duration("health-interval")
        check.timeout = try duration("health-timeout")
        check.startPeriod = try duration("health-start-period")
        check.startInterval = try duration("health-start-interval")
        if flags.isSet("health-retries") {
            let retries = Int(try flags.number("health-retries"))
            if retries < 0 { throw invalid("--health-retries cannot be negative") }
            check.retries = retries
        }
        config.healthcheck = check
    }

    private mutating func readHost(_ flags: FlagValues) throws {
        host.containerIDFile = flags.text("cidfile")
        if flags.isSet("log-driver") { host.logConfig.type = flags.text("log-driver") }
        for option in flags.list("log-opt") {
            let (key, value) = Self.pair(option)
            host.logConfig.config[key] = value
        }
        guard ["json-file", "k8s-file", "local", "none", ""].contains(host.logConfig.type) else {
            throw invalid(
                "logger: no log driver named '\(host.logConfig.type)' is registered",
                hint: "the log drivers are json-file, local and none")
        }
        if host.logConfig.type == "none", !host.logConfig.config.isEmpty {
            throw invalid("invalid logging opts for driver none")
        }
        if flags.isSet("restart") { host.restartPolicy = try .init(parsing: flags.text("restart")) }
        host.autoRemove = flags.isOn("rm")
        if host.autoRemove, host.restartPolicy.name != "no" {
            throw invalid("conflicting options: cannot specify both --restart and --rm")
        }
        if host.restartPolicy.name != "no" {
            warnings.append(
                "--restart \(host.restartPolicy.name) is kept, but only a daemon restarts containers: this one stays down when it ends"
            )
        }
        for text in flags.list("annotation") {
            let (key, value) = Self.pair(text)
            host.annotations[key] = value
        }
        host.capAdd = flags.list("cap-add")
        host.capDrop = flags.list("cap-drop")
        host.cgroupnsMode = flags.text("cgroupns")
        host.groupAdd = flags.list("group-add")
        host.ipcMode = flags.text("ipc")
        host.oomScoreAdj = Int(try flags.number("oom-score-adj"))
        guard (-1000...1000).contains(host.oomScoreAdj) else {
            throw invalid("Invalid value \(host.oomScoreAdj), range for oom score adj is [-1000, 1000]")
        }
        host.pidMode = flags.text("pid")
        host.utsMode = flags.text("uts")
        host.usernsMode = flags.text("userns")
        guard ["", "host"].contains(host.usernsMode) else { throw invalid("--userns: invalid USER mode") }
        host.privileged = flags.isOn("privileged")
        host.readonlyRootfs = flags.isOn("read-only")
        host.securityOpt = try flags.list("security-opt").map(Self.securityOption)
        host.usesInit = flags.isOn("init")
        host.runtime = flags.text("runtime")
        host.shmSize = try flags.bytes("shm-size")
        for text in flags.list("sysctl") {
            let (key, value) = Self.pair(text)
            host.sysctls[key] = value
        }
    }

    /// A seccomp profile's path is replaced by the profile.
    private static func securityOption(_ text: String) throws -> String {
        guard text.hasPrefix("seccomp=") || text.hasPrefix("seccomp:") else { return text }
        let path = String(text.dropFirst("seccomp=".count))
        if ["unconfined", "builtin", ""].contains(path) { return "seccomp=\(path)" }
        do { return "seccomp=" + String(decoding: try readFile(path, limit: 4 << 20), as: UTF8.self) } catch {
            throw ContainerError(.invalid, "opening seccomp profile (\(path)) failed: \(error)")
        }
    }

    private mutating func readMounts(_ flags: FlagValues) throws {
        for text in flags.list("volume") {
            host.binds.append(try Self.absolute(text))
            _ = try MountPoint(volume: host.binds[host.binds.count - 1])
        }
        for text in flags.list("mount") {
            _ = try MountPoint(mount: text)
            host.mounts.append(text)
        }
        for text in flags.list("tmpfs") {
            let point = try MountPoint(tmpfs: text)
            host.tmpfs[point.destination] = point.tmpfsOptions.joined(separator: ",")
        }
        host.volumesFrom = flags.list("volumes-from")
    }

    /// A source that is a relative path is one of the working directory, as docker's client has it.
    private static func absolute(_ text: String) throws -> String {
        guard text.hasPrefix("."), let colon = text.firstIndex(of: ":") else { return text }
        return cleanPath(workingDirectory() + "/" + text[..<colon]) + text[colon...]
    }

    private func refuseUnsupported(_ flags: FlagValues) throws {
        let unsupported = [
            ("gpus", "pass the devices with --device"),
            ("ip6", "the bridge network is IPv4"), ("link-local-ip", "the bridge network is IPv4"),
            ("storage-opt", "a container's layer has no quota"),
            ("blkio-weight-device", "use --blkio-weight"), ("volume-driver", "volumes are local directories"),
        ]
        for (name, hint) in unsupported
        where flags.isSet(name) && !(name == "volume-driver" && flags.text(name) == "local") {
            throw invalid("--\(name) is not supported", hint: hint)
        }
    }
}

/// The limits that `run`, `create` and `update` share.
enum LimitFlags {
    /// Reads the limits that were given; what was not stays as it is.
    static func read(_ flags: FlagValues, into resources: inout Resources) throws {
        if flags.isSet("cpu-shares") { resources.cpuShares = try flags.number("cpu-shares") }
        if flags.isSet("memory") { resources.memory = try flags.bytes("memory") }
        if flags.isSet("memory-reservation") { resources.memoryReservation = try flags.bytes("memory-reservation") }
        if flags.isSet("memory-swap") {
            resources.memorySwap = flags.text("memory-swap") == "-1" ? -1 : try flags.bytes("memory-swap")
        }
        if flags.isSet("memory-swappiness") {
            let value = try flags.number("memory-swappiness")
            guard (-1...100).contains(value) else {
                throw ContainerError(
                    .invalid, "invalid value: \(value). Valid memory swappiness range is 0-100")
            }
            resources.memorySwappiness = value < 0 ? nil : value
        }
        if flags.isSet("cpus") { resources.nanoCPUs = try nanoCPUs(flags.text("cpus")) }
        if flags.isSet("cpu-period") { resources.cpuPeriod = try flags.number("cpu-period") }
        if flags.isSet("cpu-quota") { resources.cpuQuota = try flags.number("cpu-quota") }
        if flags.isSet("cpu-rt-period") { resources.cpuRealtimePeriod = try flags.number("cpu-rt-period") }
        if flags.isSet("cpu-rt-runtime") { resources.cpuRealtimeRuntime = try flags.number("cpu-rt-runtime") }
        if flags.isSet("cpuset-cpus") { resources.cpusetCpus = flags.text("cpuset-cpus") }
        if flags.isSet("cpuset-mems") { resources.cpusetMems = flags.text("cpuset-mems") }
        if flags.isSet("pids-limit") {
            let limit = try flags.number("pids-limit")
            resources.pidsLimit = limit == 0 ? nil : limit
        }
        if flags.isSet("blkio-weight") {
            resources.blkioWeight = UInt16(clamping: try flags.number("blkio-weight"))
        }
        if flags.isSet("oom-kill-disable") { resources.oomKillDisable = flags.isOn("oom-kill-disable") }
        resources.deviceReadBps += try flags.list("device-read-bps").map { try rate($0, isBytes: true) }
        resources.deviceWriteBps += try flags.list("device-write-bps").map { try rate($0, isBytes: true) }
        resources.deviceReadIOps += try flags.list("device-read-iops").map { try rate($0, isBytes: false) }
        resources.deviceWriteIOps += try flags.list("device-write-iops").map { try rate($0, isBytes: false) }
    }

    /// `1.5` processors in billionths.
    static func nanoCPUs(_ text: String) throws(ContainerError) -> Int64 {
        func invalid(_ why: String) -> ContainerError {
            ContainerError(.invalid, "invalid argument \"\(text)\" for \"--cpus\" flag: \(why)")
        }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard parts.count <= 2, let whole = parts[0].isEmpty ? 0 : Int64(parts[0]), (0...1_000_000).contains(whole)
        else {
            throw invalid("failed to parse \(text) as a rational number")
        }
        let fraction = parts.count > 1 ? parts[1] : ""
        guard fraction.allSatisfy(\.isNumber), !(parts[0].isEmpty && fraction.isEmpty) else {
            throw invalid("failed to parse \(text) as a rational number")
        }
        if fraction.count > 9 { throw invalid("value is too precise") }
        let digits = fraction + String(repeating: "0", count: 9 - fraction.count)
        return whole * 1_000_000_000 + (Int64(digits) ?? 0)
    }

    private static func rate(_ text: String, isBytes: Bool) throws(ContainerError) -> Resources.DeviceRate {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, parts[0].hasPrefix("/dev/") else {
            throw ContainerError(.invalid, "bad format: \(text)", hint: "want DEVICE:RATE, as /dev/sda:1mb")
        }
        guard let rate = isBytes ? ByteSize.parse(parts[1]).map(UInt64.init) : UInt64(parts[1]) else {
            throw ContainerError(
                .invalid,
                "invalid rate for device: \(text). The correct format is <device-path>:<number>\(isBytes ? "[<unit>]" : ""). Number must be a positive integer"
            )
        }
        return .init(path: parts[0], rate: rate)
    }
}
