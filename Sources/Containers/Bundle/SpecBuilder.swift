import OCI

/// Makes a container's runtime spec. Pure: what must be looked up on the host or in the root comes in as values.
package struct SpecBuilder: Sendable {
    /// Where the parts of the bundle are on the host.
    package struct Paths: Sendable {
        package var root: String
        package var hosts: String
        package var hostname: String
        package var resolv: String
        /// The init program for `--init`; nil where it is not wanted.
        package var initProgram: String?

        package init(root: String, hosts: String, hostname: String, resolv: String, initProgram: String? = nil) {
            self.root = root
            self.hosts = hosts
            self.hostname = hostname
            self.resolv = resolv
            self.initProgram = initProgram
        }
    }

    /// Namespaces of other processes that the container joins.
    package struct Joined: Sendable {
        package var network: String?
        package var ipc: String?
        package var pid: String?
        /// `/dev/shm` of the container whose IPC namespace is joined.
        package var shm: String?

        package init() {}
    }

    package static let initPath = "/sbin/docker-init"

    package var record: ContainerRecord
    package var host: HostFacts
    package var user: ResolvedUser
    package var paths: Paths
    package var joined = Joined()
    package var security: SecurityOptions
    /// Devices of `--device` and, for privileged containers, of the host.
    package var devices: [RuntimeSpec.Device] = []
    package var deviceRules: [RuntimeSpec.DeviceRule] = []
    package var throttles: RuntimeSpec.BlockIO?
    /// nil: the container stays in our own group.
    package var cgroupPath: String?

    package init(
        record: ContainerRecord, host: HostFacts, user: ResolvedUser, paths: Paths, security: SecurityOptions,
        cgroupPath: String?
    ) {
        self.record = record
        self.host = host
        self.user = user
        self.paths = paths
        self.security = security
        self.cgroupPath = cgroupPath
    }

    /// The spec, and what could not be done as asked.
    package func build() throws(ContainerError) -> (spec: RuntimeSpec, warnings: [String]) {
        var warnings: [String] = []
        let hostConfig = record.hostConfig
        let capabilities = try Capability.choose(
            adding: hostConfig.capAdd, dropping: hostConfig.capDrop, privileged: hostConfig.privileged,
            available: host.capabilities)
        let resources = try self.resources(&warnings)
        let isShowingAll = hostConfig.privileged || security.showsSystemPaths
        let linux = RuntimeSpec.Linux(
            namespaces: namespaces, devices: devices, cgroupsPath: cgroupPath, resources: resources,
            rootfsPropagation: rootPropagation, seccomp: try seccomp(capabilities, &warnings), sysctl: sysctls,
            maskedPaths: isShowingAll ? nil : Self.maskedPaths, readonlyPaths: isShowingAll ? nil : Self.readOnlyPaths)
        let process = process(
            user, capabilities: capabilities, arguments: arguments,
            environment: environment(user), directory: workingDirectory, warnings: &warnings)
        let ownsHostname = hostConfig.utsMode != "host"
        let spec = RuntimeSpec(
            process: process, root: RuntimeSpec.Root(path: paths.root, readonly: hostConfig.readonlyRootfs),
            hostname: ownsHostname ? record.config.hostname : nil,
            domainname: ownsHostname && record.config.domainname?.isEmpty == false ? record.config.domainname : nil,
            mounts: mounts, annotations: hostConfig.annotations.isEmpty ? nil : hostConfig.annotations, linux: linux)
        return (spec, warnings)
    }

    package var workingDirectory: String {
        let directory = record.config.workingDir ?? ""
        return directory.isEmpty ? "/" : cleanPath(directory)
    }

    private var arguments: [String] {
        paths.initProgram == nil ? record.arguments : [Self.initPath, "--"] + record.arguments
    }

    /// A process of the container: the first one, or with other settings one of `exec`.
    func process(
        _ user: ResolvedUser, capabilities: [String], arguments: [String], environment: [String], directory: String,
        warnings: inout [String]
    ) -> RuntimeSpec.Process {
        let hostConfig = record.hostConfig
        var isRoot: Bool { user.uid == 0 }
        let size = hostConfig.consoleSize
        let hasTerminal = record.config.tty == true
        return RuntimeSpec.Process(
            terminal: hasTerminal,
            consoleSize: hasTerminal && size.count == 2 && size[0] > 0 && size[1] > 0
                ? RuntimeSpec.ConsoleSize(height: size[0], width: size[1]) : nil,
            user: RuntimeSpec.User(uid: user.uid, gid: user.gid, additionalGids: user.groups), args: arguments,
            env: environment, cwd: directory,
            // Only root has capabilities at once; for others they are what a setuid program may get.
            capabilities: RuntimeSpec.Capabilities(
                bounding: capabilities, effective: isRoot ? capabilities : [], permitted: isRoot ? capabilities : [],
                inheritable: [], ambient: []),
            rlimits: limits(&warnings), noNewPrivileges: security.noNewPrivileges,
            oomScoreAdj: oomScore(&warnings), apparmorProfile: appArmor)
    }

    /// The environment of the first process: docker's defaults, then the image's and the person's.
    func environment(_ user: ResolvedUser) -> [String] {
        var defaults = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
        if let hostname = record.config.hostname, !hostname.isEmpty { defaults.append("HOSTNAME=\(hostname)") }
        if record.config.tty == true { defaults.append("TERM=xterm") }
        var environment = Self.replacing(defaults, with: record.config.env ?? [])
        if !environment.contains(where: { $0.hasPrefix("HOME=") }) { environment.append("HOME=\(user.home)") }
        return environment
    }

    /// Entries of the second list replace those of the first in place; a name without `=` takes it away.
    static func replacing(_ base: [String], with changes: [String]) -> [String] {
        var result = base
        for change in changes {
            let name = change.prefix { $0 != "=" }
            let index = result.firstIndex { $0.prefix { $0 != "=" } == name }
            if !change.contains("=") {
                if let index { result.remove(at: index) }
            } else if let index {
                result[index] = change
            } else {
                result.append(change)
            }
        }
        return result
    }

    private var appArmor: String? {
        guard host.hasAppArmor else { return nil }
        if !security.appArmor.isEmpty { return security.appArmor }
        return record.hostConfig.privileged ? "unconfined" : nil
    }

    private func limits(_ warnings: inout [String]) -> [RuntimeSpec.Rlimit]? {
        var limits: [RuntimeSpec.Rlimit] = []
        for ulimit in record.hostConfig.resources.ulimits {
            var soft = ulimit.soft < 0 ? UInt64.max : UInt64(ulimit.soft)
            var hard = ulimit.hard < 0 ? UInt64.max : UInt64(ulimit.hard)
            if !host.mayRaiseLimits, let own = host.limits[ulimit.name], hard > own.hard {
                warnings.append(
                    "ulimit \(ulimit.name): the hard limit stays at \(own.hard), raising it needs CAP_SYS_RESOURCE")
                hard = own.hard
                soft = min(soft, hard)
            }
            limits.append(RuntimeSpec.Rlimit(type: "RLIMIT_" + ulimit.name.uppercased(), soft: soft, hard: hard))
        }
        return limits.isEmpty ? nil : limits
    }

    private func oomScore(_ warnings: inout [String]) -> Int? {
        let wanted = record.hostConfig.oomScoreAdj
        if wanted == host.oomScoreAdj { return nil }
        if wanted < host.oomScoreAdj, !host.mayRaiseLimits {
            if wanted != 0 {
                warnings.append(
                    "oom-score-adj stays at \(host.oomScoreAdj), lowering it to \(wanted) needs CAP_SYS_RESOURCE")
            }
            return nil
        }
        return wanted
    }

    private func seccomp(_ capabilities: [String], _ warnings: inout [String]) throws(ContainerError)
        -> RuntimeSpec.Seccomp?
    {
        switch security.seccomp {
        case .unconfined: return nil
        case .custom(let text):
            guard host.hasSeccomp else {
                throw ContainerError(
                    .invalid, "seccomp is not enabled in your kernel, cannot run a custom seccomp profile")
            }
            return try SeccompProfile.parse(
                Array(text.utf8), capabilities: capabilities, architecture: host.architecture, kernel: host.kernel)
        case .standard:
            if record.hostConfig.privileged { return nil }
            guard host.hasSeccomp else {
                warnings.append("seccomp is not enabled in your kernel, running container without default profile")
                return nil
            }
            return SeccompProfile.defaultProfile(capabilities: capabilities, architecture: host.architecture)
        }
    }

    private var namespaces: [RuntimeSpec.Namespace] {
        let hostConfig = record.hostConfig
        var namespaces = [RuntimeSpec.Namespace(type: .mount)]
        if hostConfig.network != "host" { namespaces.append(.init(type: .network, path: joined.network)) }
        if hostConfig.utsMode != "host" { namespaces.append(.init(type: .uts)) }
        if hostConfig.pidMode != "host" { namespaces.append(.init(type: .pid, path: joined.pid)) }
        if hostConfig.ipcMode != "host" { namespaces.append(.init(type: .ipc, path: joined.ipc)) }
        if hostConfig.cgroupnsMode == "private" { namespaces.append(.init(type: .cgroup)) }
        return namespaces
    }

    private var sysctls: [String: String]? {
        var sysctls: [String: String] = [:]
        let network = record.hostConfig.network
        if network != "host", !network.hasPrefix("container:") {
            sysctls = HostFacts.defaultSysctls.filter { host.sysctls.contains($0.key) }
            // Only groups that the user namespace has can be named.
            let ping = "net.ipv4.ping_group_range"
            if host.isRootless, sysctls[ping] != nil { sysctls[ping] = "0 0" }
        }
        sysctls.merge(record.hostConfig.sysctls) { $1 }
        return sysctls.isEmpty ? nil : sysctls
    }

    package static let maskedPaths = [
        "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
        "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
        "/sys/firmware",
    ]
    package static let readOnlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
}
