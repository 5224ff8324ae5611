import Linux

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// What the host can do for containers: everything that `SpecBuilder` must know and may not ask for itself.
package struct HostFacts: Sendable {
    package enum CgroupLayout: String, Sendable {
        /// Every controller in its own hierarchy.
        case v1
        /// v1 controllers, with a v2 hierarchy beside them.
        case hybrid
        case v2
    }

    /// Go's word for the machine.
    package var architecture = "amd64"
    package var kernel: (major: Int, minor: Int) = (6, 1)
    /// Names of the capabilities that a container can get.
    package var capabilities = Capability.defaults
    /// Whether limits may be raised and `oom_score_adj` lowered (CAP_SYS_RESOURCE).
    package var mayRaiseLimits = true
    /// Our own soft and hard limits, by the name docker uses.
    package var limits: [String: (soft: UInt64, hard: UInt64)] = [:]
    package var oomScoreAdj = 0
    package var cgroups = CgroupLayout.v2
    package var controllers: Set<String> = ["cpu", "cpuset", "memory", "pids", "io"]
    package var hasSwapLimit = true
    package var hasAppArmor = false
    package var hasSeccomp = true
    package var processors = 1
    /// In a user namespace of a person who is not root: no devices are made, and control groups are the host's.
    package var isRootless = false
    /// Which of the sysctls that docker sets the kernel has.
    package var sysctls: Set<String> = []

    package init() {}

    package static let defaultSysctls = [
        "net.ipv4.ping_group_range": "0 2147483647", "net.ipv4.ip_unprivileged_port_start": "0",
    ]

    /// The kernel's numbers of the limits, by docker's names.
    static let limitNumbers: [String: Int32] = [
        "cpu": 0, "fsize": 1, "data": 2, "stack": 3, "core": 4, "rss": 5, "nproc": 6, "nofile": 7, "memlock": 8,
        "locks": 10, "sigpending": 11, "msgqueue": 12, "nice": 13, "rtprio": 14, "rttime": 15,
    ]

    /// Looks at this machine.
    package static func probe() -> HostFacts {
        var facts = HostFacts()
        #if arch(x86_64)
        facts.architecture = "amd64"
        #elseif arch(arm64)
        facts.architecture = "arm64"
        #elseif arch(s390x)
        facts.architecture = "s390x"
        #elseif arch(powerpc64le)
        facts.architecture = "ppc64le"
        #elseif arch(riscv64)
        facts.architecture = "riscv64"
        #endif
        let release = kernelRelease()
        facts.kernel = (release.major, release.minor)
        let sets = capabilitySets()
        facts.capabilities = Capability.names(of: sets.effective & sets.bounding)
        facts.mayRaiseLimits = facts.capabilities.contains("CAP_SYS_RESOURCE")
        for (name, number) in limitNumbers { facts.limits[name] = resourceLimit(number) }
        facts.oomScoreAdj = Int(text("/proc/self/oom_score_adj")) ?? 0
        facts.isRootless = !isInitialUserNamespace()
        let cgroups = Cgroups.probe()
        facts.cgroups = cgroups.layout
        facts.controllers = facts.isRootless ? [] : cgroups.controllers
        facts.hasSwapLimit =
            cgroups.layout == .v2
            ? exists("/sys/fs/cgroup/memory.swap.max") || text("/proc/swaps").contains("\n")
            : exists("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes")
        facts.hasAppArmor = text("/sys/module/apparmor/parameters/enabled") == "Y"
        facts.hasSeccomp = exists("/proc/sys/kernel/seccomp/actions_avail")
        facts.processors = max(
            text("/proc/cpuinfo", limit: 4 << 20).split(separator: "\n").count { $0.hasPrefix("processor") }, 1)
        facts.sysctls = Set(
            defaultSysctls.keys.filter { exists("/proc/sys/" + $0.map { $0 == "." ? "/" : String($0) }.joined()) })
        return facts
    }

    private static func exists(_ path: String) -> Bool { (try? FileStatus.ifExists(path)) ?? nil != nil }

    static func text(_ path: String, limit: Int = 1 << 20) -> String {
        (try? readFile(path, limit: limit)).map { String(decoding: $0, as: UTF8.self).trimmedBlanks } ?? ""
    }
}

/// What `--security-opt` says.
package struct SecurityOptions: Sendable, Equatable {
    package enum Seccomp: Sendable, Equatable {
        case standard
        case unconfined
        /// The bytes of a profile: the front end reads the file.
        case custom(String)
    }

    package var noNewPrivileges = false
    package var seccomp = Seccomp.standard
    /// Empty: the default.
    package var appArmor = ""
    /// `systempaths=unconfined`: nothing masked or read-only.
    package var showsSystemPaths = false
    package var writableCgroups: Bool?

    package init(parsing options: [String]) throws(ContainerError) {
        for option in options {
            if option == "no-new-privileges" {
                noNewPrivileges = true
                continue
            }
            let separator: Character = option.contains("=") ? "=" : ":"
            let parts = option.split(separator: separator, maxSplits: 1, omittingEmptySubsequences: false).map(
                String.init)
            guard parts.count == 2 else { throw ContainerError(.invalid, "invalid --security-opt: \"\(option)\"") }
            func boolean() throws(ContainerError) -> Bool {
                guard let value = Bool(parts[1].lowercased()) else {
                    throw ContainerError(.invalid, "invalid --security-opt: \"\(option)\"")
                }
                return value
            }
            switch parts[0] {
            case "no-new-privileges": noNewPrivileges = try boolean()
            case "writable-cgroups": writableCgroups = try boolean()
            case "seccomp":
                switch parts[1] {
                case "unconfined": seccomp = .unconfined
                case "builtin", "": seccomp = .standard
                default: seccomp = .custom(parts[1])
                }
            case "apparmor": appArmor = parts[1]
            // SELinux labels: accepted, and without effect where SELinux is not on.
            case "label": break
            case "systempaths" where parts[1] == "unconfined": showsSystemPaths = true
            default: throw ContainerError(.invalid, "invalid --security-opt: \"\(option)\"")
            }
        }
    }
}
