/// The bundle's `config.json`: runtime-spec 1.0.2, the parts that containers here use. What is nil is left out.
package struct RuntimeSpec: Sendable, Encodable, Equatable {
    package var ociVersion = "1.0.2"
    package var process: Process
    package var root: Root
    package var hostname: String?
    package var domainname: String?
    package var mounts: [Mount]
    package var annotations: [String: String]?
    package var linux: Linux

    package struct Root: Sendable, Encodable, Equatable {
        package var path: String
        package var readonly: Bool
    }

    package struct Process: Sendable, Encodable, Equatable {
        package var terminal: Bool
        package var consoleSize: ConsoleSize?
        package var user: User
        package var args: [String]
        package var env: [String]
        package var cwd: String
        package var capabilities: Capabilities?
        package var rlimits: [Rlimit]?
        package var noNewPrivileges: Bool
        package var oomScoreAdj: Int?
        package var apparmorProfile: String?
    }

    package struct ConsoleSize: Sendable, Encodable, Equatable {
        package var height: Int
        package var width: Int
    }

    package struct User: Sendable, Encodable, Equatable {
        package var uid: UInt32
        package var gid: UInt32
        package var umask: UInt32?
        package var additionalGids: [UInt32]?
    }

    package struct Capabilities: Sendable, Encodable, Equatable {
        package var bounding: [String]
        package var effective: [String]
        package var permitted: [String]
        package var inheritable: [String]
        package var ambient: [String]
    }

    package struct Rlimit: Sendable, Encodable, Equatable {
        package var type: String
        package var soft: UInt64
        package var hard: UInt64

        package init(type: String, soft: UInt64, hard: UInt64) {
            self.type = type
            self.soft = soft
            self.hard = hard
        }
    }

    package struct Mount: Sendable, Encodable, Equatable {
        package var destination: String
        package var type: String
        package var source: String
        package var options: [String]
    }

    package struct Linux: Sendable, Encodable, Equatable {
        package var namespaces: [Namespace]
        package var devices: [Device]
        package var cgroupsPath: String?
        package var resources: Resources
        package var rootfsPropagation: String?
        package var seccomp: Seccomp?
        package var sysctl: [String: String]?
        package var maskedPaths: [String]?
        package var readonlyPaths: [String]?
        package var uidMappings: [IDMapping]?
        package var gidMappings: [IDMapping]?
    }

    package struct IDMapping: Sendable, Encodable, Equatable {
        package var containerID: UInt32
        package var hostID: UInt32
        package var size: UInt32
    }

    package struct Namespace: Sendable, Encodable, Equatable {
        package enum Kind: String, Sendable, Encodable { case mount, network, uts, pid, ipc, cgroup, user }
        package var type: Kind
        package var path: String?
    }

    package struct Device: Sendable, Encodable, Equatable {
        package var path: String
        /// `c`, `b`, `p`.
        package var type: String
        package var major: Int64
        package var minor: Int64
        package var fileMode: UInt32
        package var uid: UInt32
        package var gid: UInt32
    }

    /// What cgroups limit; also what `update` hands the runtime.
    package struct Resources: Sendable, Encodable, Equatable {
        package var devices: [DeviceRule]?
        package var memory: Memory?
        package var cpu: CPU?
        package var pids: Pids?
        package var blockIO: BlockIO?

        package init() {}
    }

    package struct DeviceRule: Sendable, Encodable, Equatable {
        package var allow: Bool
        package var type: String?
        package var major: Int64?
        package var minor: Int64?
        package var access: String

        package init(allow: Bool, type: String? = nil, major: Int64? = nil, minor: Int64? = nil, access: String) {
            self.allow = allow
            self.type = type
            self.major = major
            self.minor = minor
            self.access = access
        }
    }

    package struct Memory: Sendable, Encodable, Equatable {
        package var limit: Int64?
        package var reservation: Int64?
        package var swap: Int64?
        package var swappiness: UInt64?
        package var disableOOMKiller: Bool?
    }

    package struct CPU: Sendable, Encodable, Equatable {
        package var shares: UInt64?
        package var quota: Int64?
        package var period: UInt64?
        package var realtimeRuntime: Int64?
        package var realtimePeriod: UInt64?
        package var cpus: String?
        package var mems: String?
    }

    package struct Pids: Sendable, Encodable, Equatable {
        package var limit: Int64
    }

    package struct BlockIO: Sendable, Encodable, Equatable {
        package var weight: UInt16?
        package var throttleReadBpsDevice: [Throttle]?
        package var throttleWriteBpsDevice: [Throttle]?
        package var throttleReadIOPSDevice: [Throttle]?
        package var throttleWriteIOPSDevice: [Throttle]?
    }

    package struct Throttle: Sendable, Encodable, Equatable {
        package var major: Int64
        package var minor: Int64
        package var rate: UInt64
    }

    package struct Seccomp: Sendable, Encodable, Equatable {
        package var defaultAction: String
        package var defaultErrnoRet: UInt32?
        package var architectures: [String]?
        package var syscalls: [SyscallRule]
    }

    package struct SyscallRule: Sendable, Encodable, Equatable {
        package var names: [String]
        package var action: String
        package var errnoRet: UInt32?
        package var args: [SyscallArgument]?
    }

    package struct SyscallArgument: Sendable, Encodable, Equatable {
        package var index: UInt32
        package var value: UInt64
        package var valueTwo: UInt64?
        package var op: String

        package init(index: UInt32, value: UInt64, valueTwo: UInt64? = nil, op: String) {
            self.index = index
            self.value = value
            self.valueTwo = valueTwo
            self.op = op
        }
    }
}
