import Containers
import OCI
import Testing

@Suite struct SpecBuilderTests {
    /// A host that can do everything, with what a test changes.
    private static func facts(_ change: (inout HostFacts) -> Void = { _ in }) -> HostFacts {
        var facts = HostFacts()
        facts.capabilities = Capability.all
        facts.processors = 4
        facts.sysctls = Set(HostFacts.defaultSysctls.keys)
        change(&facts)
        return facts
    }

    /// The spec for a container on a host that can do everything, with what a test changes.
    private func build(
        host: HostFacts = SpecBuilderTests.facts(), user: ResolvedUser = ResolvedUser(groups: [0]),
        security: [String] = [], initProgram: String? = nil,
        _ edit: (inout ContainerRecord) throws -> Void = { _ in }
    ) throws -> (spec: RuntimeSpec, warnings: [String]) {
        var config = ContainerConfig()
        config.hostname = "box"
        config.env = ["PATH=/bin", "A=1"]
        var hostConfig = HostConfig()
        hostConfig.shmSize = 64 << 20
        hostConfig.ipcMode = "private"
        hostConfig.cgroupnsMode = "private"
        var record = ContainerRecord(
            id: ContainerID(), name: "test", created: 0, image: "i", imageID: Digest.sha256(of: []), layers: [],
            platform: Platform(os: "linux", architecture: "amd64"), config: config, hostConfig: hostConfig,
            streams: StreamOptions(), mounts: [], arguments: ["/bin/sh", "-c", "true"], driver: "erofs")
        try edit(&record)
        return try SpecBuilder(
            record: record, host: host, user: user,
            paths: .init(
                root: "/r", hosts: "/f/hosts", hostname: "/f/hostname", resolv: "/f/resolv", initProgram: initProgram),
            security: try SecurityOptions(parsing: security), cgroupPath: "/strata/x"
        ).build()
    }

    // MARK: Process

    @Test func environmentHasDockersDefaultsAndTheImagesOwn() throws {
        #expect(try build().spec.process.env == ["PATH=/bin", "HOSTNAME=box", "A=1", "HOME=/"])
        let terminal = try build(user: ResolvedUser(uid: 5, gid: 5, groups: [5], home: "/home/x")) { record in
            record.config.tty = true
            record.config.env = ["HOSTNAME=other", "TERM"]
        }
        #expect(
            terminal.spec.process.env == [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=other", "HOME=/home/x",
            ])
        #expect(
            try build { $0.config.env = ["HOME=/mine"] }.spec.process.env.filter { $0.hasPrefix("HOME") } == [
                "HOME=/mine"
            ])
    }

    @Test func workingDirectoryIsCleanAndDefaultsToTheRoot() throws {
        #expect(try build().spec.process.cwd == "/")
        #expect(try build { $0.config.workingDir = "/a//b/../c/" }.spec.process.cwd == "/a/c")
    }

    @Test func initStandsBeforeTheProgram() throws {
        let spec = try build(initProgram: "/usr/bin/tini-static").spec
        #expect(spec.process.args == ["/sbin/docker-init", "--", "/bin/sh", "-c", "true"])
        #expect(spec.mounts.last?.source == "/usr/bin/tini-static" && spec.mounts.last?.options.contains("ro") == true)
    }

    @Test func onlyRootHasItsCapabilitiesAtOnce() throws {
        let root = try #require(try build().spec.process.capabilities)
        #expect(Set(root.effective) == Set(Capability.defaults) && root.inheritable.isEmpty && root.ambient.isEmpty)
        let other = try #require(try build(user: ResolvedUser(uid: 1, gid: 1, groups: [1])).spec.process.capabilities)
        #expect(other.effective.isEmpty && other.permitted.isEmpty && Set(other.bounding) == Set(Capability.defaults))
    }

    struct CapabilityCase: Sendable {
        var add: [String] = []
        var drop: [String] = []
        var privileged = false
        var expected: Set<String>
    }

    @Test(arguments: [
        CapabilityCase(add: ["sys_time"], expected: Set(Capability.defaults + ["CAP_SYS_TIME"])),
        CapabilityCase(drop: ["CHOWN"], expected: Set(Capability.defaults).subtracting(["CAP_CHOWN"])),
        CapabilityCase(drop: ["ALL"], expected: []),
        CapabilityCase(add: ["CAP_KILL"], drop: ["all"], expected: ["CAP_KILL"]),
        CapabilityCase(add: ["ALL"], drop: ["MKNOD"], expected: Set(Capability.all).subtracting(["CAP_MKNOD"])),
        CapabilityCase(drop: ["ALL"], privileged: true, expected: Set(Capability.all)),
    ])
    func capabilitiesAreChosenAsDockerDoes(_ test: CapabilityCase) throws {
        let chosen = try Capability.choose(
            adding: test.add, dropping: test.drop, privileged: test.privileged, available: Capability.all)
        #expect(Set(chosen) == test.expected && chosen.count == test.expected.count)
    }

    @Test func unknownAndMissingCapabilitiesAreErrors() {
        for (name, available) in [("nonsense", Capability.all), ("SYS_ADMIN", Capability.defaults)] {
            #expect(throws: ContainerError.self) {
                try Capability.choose(adding: [name], dropping: [], privileged: false, available: available)
            }
        }
    }

    // MARK: Without CAP_SYS_RESOURCE

    @Test func limitsStayWithinOurOwnWithAWarning() throws {
        let host = Self.facts {
            $0.mayRaiseLimits = false
            $0.limits = ["nofile": (1024, 4096)]
        }
        let built = try build(host: host) { record in
            record.hostConfig.resources.ulimits = [try .init(parsing: "nofile=10000:20000")]
            record.hostConfig.oomScoreAdj = -500
        }
        #expect(built.spec.process.rlimits == [.init(type: "RLIMIT_NOFILE", soft: 4096, hard: 4096)])
        #expect(built.spec.process.oomScoreAdj == nil)
        #expect(built.warnings.count == 2)
    }

    // MARK: Namespaces and mounts

    @Test func everyNamespaceIsItsOwn() throws {
        let kinds = try build().spec.linux.namespaces.map(\.type)
        #expect(Set(kinds) == [.mount, .network, .uts, .pid, .ipc, .cgroup])
    }

    @Test func hostModesLeaveNamespacesOut() throws {
        let spec = try build { record in
            record.hostConfig.networkMode = "host"
            record.hostConfig.pidMode = "host"
            record.hostConfig.ipcMode = "host"
            record.hostConfig.utsMode = "host"
            record.hostConfig.cgroupnsMode = "host"
        }.spec
        #expect(spec.linux.namespaces.map(\.type) == [.mount])
        #expect(spec.hostname == nil && spec.linux.sysctl == nil)
        #expect(spec.mounts.first { $0.destination == "/dev/shm" }?.type == "bind")
    }

    @Test func mountsAreDockersAndTheOuterComesFirst() throws {
        let spec = try build { record in
            record.mounts = [
                try MountPoint(volume: "/h/inner:/data/a/b"),
                try MountPoint(volume: "/h/outer:/data:ro"),
                try MountPoint(tmpfs: "/run:exec,size=1m"),
            ]
        }.spec
        let destinations = spec.mounts.map(\.destination)
        #expect(
            Array(destinations.prefix(6)) == ["/proc", "/dev", "/dev/pts", "/sys", "/sys/fs/cgroup", "/dev/mqueue"])
        let outer = try #require(destinations.firstIndex(of: "/data"))
        #expect(outer < (try #require(destinations.firstIndex(of: "/data/a/b"))))
        #expect(spec.mounts[outer].options == ["rbind", "rro", "rprivate"])
        let run = try #require(spec.mounts.first { $0.destination == "/run" })
        #expect(run.options == ["nosuid", "nodev", "rprivate", "exec", "size=1m"])
    }

    @Test func aPersonsMountReplacesOurs() throws {
        let spec = try build { record in
            record.mounts = [try MountPoint(volume: "/my/hosts:/etc/hosts"), try MountPoint(tmpfs: "/dev/shm")]
        }.spec
        #expect(spec.mounts.filter { $0.destination == "/etc/hosts" }.map(\.source) == ["/my/hosts"])
        #expect(spec.mounts.filter { $0.destination == "/dev/shm" }.count == 1)
    }

    @Test func sharedMountsMakeTheRootShared() throws {
        func propagation(_ mode: String) throws -> String? {
            try build { $0.mounts = [try MountPoint(volume: "/a:/b:\(mode)")] }.spec.linux.rootfsPropagation
        }
        #expect(try propagation("rshared") == "shared")
        #expect(try propagation("slave") == "rslave")
        #expect(try propagation("rprivate") == nil)
    }

    @Test func privilegedLiftsWhatHoldsOthers() throws {
        let spec = try build { $0.hostConfig.privileged = true }.spec
        #expect(spec.linux.seccomp == nil && spec.linux.maskedPaths == nil && spec.linux.readonlyPaths == nil)
        #expect(spec.linux.resources.devices == [.init(allow: true, access: "rwm")])
        #expect(spec.mounts.first { $0.destination == "/sys" }?.options.contains("ro") == false)
        let plain = try build().spec
        #expect(plain.linux.maskedPaths?.contains("/proc/kcore") == true)
        #expect(plain.linux.readonlyPaths?.contains("/proc/sys") == true)
        #expect(plain.mounts.first { $0.destination == "/sys" }?.options.contains("ro") == true)
    }

    // MARK: Security options

    @Test func securityOptions() throws {
        #expect(try build(security: ["no-new-privileges"]).spec.process.noNewPrivileges)
        #expect(try build(security: ["seccomp=unconfined"]).spec.linux.seccomp == nil)
        #expect(try build(security: ["systempaths=unconfined"]).spec.linux.maskedPaths == nil)
        // The label is set only where the host has AppArmor.
        #expect(try build(security: ["apparmor=mine"]).spec.process.apparmorProfile == nil)
        #expect(
            try build(host: Self.facts { $0.hasAppArmor = true }, security: ["apparmor=mine"]).spec.process
                .apparmorProfile == "mine")
        #expect(throws: ContainerError.self) { try build(security: ["wat=1"]) }
    }

    // MARK: Resources

    @Test func limitsGoToTheControllersThatAreThere() throws {
        func edit(_ record: inout ContainerRecord) {
            record.hostConfig.resources.memory = 64 << 20
            record.hostConfig.resources.nanoCPUs = 1_500_000_000
            record.hostConfig.resources.pidsLimit = 100
            record.hostConfig.resources.cpusetCpus = "0-1"
        }
        let built = try build { edit(&$0) }
        let resources = built.spec.linux.resources
        #expect(resources.memory?.limit == 64 << 20 && resources.memory?.swap == 128 << 20)
        #expect(resources.cpu?.quota == 150_000 && resources.cpu?.period == 100_000 && resources.cpu?.cpus == "0-1")
        #expect(resources.pids?.limit == 100 && built.warnings.isEmpty)
        let poor = try build(host: Self.facts { $0.controllers = ["cpu"] }) { edit(&$0) }
        #expect(poor.spec.linux.resources.memory == nil && poor.spec.linux.resources.pids == nil)
        #expect(poor.warnings.count == 3)
    }

    @Test(arguments: [
        ("memory", "Minimum memory limit allowed is 6MB"), ("swap", "memoryswap limit should be larger"),
        ("swapAlone", "always set the Memory limit"), ("cpus", "range of CPUs is from 0.01 to 4.00"),
        ("conflict", "Nano CPUs and CPU Period"), ("period", "CPU cfs period"), ("weight", "Range of blkio weight"),
    ])
    func nonsenseIsRefusedInDockersWords(_ kind: String, _ part: String) {
        let error = #expect(throws: ContainerError.self) {
            try build { record in
                switch kind {
                case "memory": record.hostConfig.resources.memory = 1 << 20
                case "swap":
                    record.hostConfig.resources.memory = 64 << 20
                    record.hostConfig.resources.memorySwap = 32 << 20
                case "swapAlone": record.hostConfig.resources.memorySwap = 32 << 20
                case "cpus": record.hostConfig.resources.nanoCPUs = 5_000_000_000
                case "conflict":
                    record.hostConfig.resources.nanoCPUs = 1_000_000_000
                    record.hostConfig.resources.cpuPeriod = 5000
                case "period": record.hostConfig.resources.cpuPeriod = 5
                default: record.hostConfig.resources.blkioWeight = 5
                }
            }
        }
        #expect(error?.message.contains(part) == true, "\(error?.message ?? "")")
    }
}
