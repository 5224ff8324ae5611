/// How a container meets the host: docker's `HostConfig`, in docker's JSON words, as it is stored and inspected.
package struct HostConfig: Sendable, Equatable, Codable {
    package struct LogConfig: Sendable, Equatable, Codable {
        package var type = "json-file"
        package var config: [String: String] = [:]

        private enum CodingKeys: String, CodingKey {
            case type = "Type"
            case config = "Config"
        }
        package init() {}
    }

    package struct RestartPolicy: Sendable, Equatable, Codable {
        package var name = "no"
        package var maximumRetryCount = 0

        private enum CodingKeys: String, CodingKey {
            case name = "Name"
            case maximumRetryCount = "MaximumRetryCount"
        }
        package init() {}

        /// Parses docker's `--restart`.
        package init(parsing text: String) throws(ContainerError) {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            name = parts[0].isEmpty ? "no" : parts[0]
            guard ["no", "always", "unless-stopped", "on-failure"].contains(name), parts.count <= 2 else {
                throw ContainerError(
                    .invalid,
                    "invalid restart policy: unknown policy '\(name)'; use one of 'no', 'always', 'on-failure', or "
                        + "'unless-stopped'")
            }
            guard parts.count == 2 else { return }
            guard let count = Int(parts[1]) else {
                throw ContainerError(.invalid, "invalid restart policy format: maximum retry count must be an integer")
            }
            if name != "on-failure" || count < 0 {
                throw ContainerError(
                    .invalid,
                    "invalid restart policy: maximum retry count can only be used with 'on-failure'"
                        + (count < 0 ? " and cannot be negative" : ""))
            }
            maximumRetryCount = count
        }
    }

    package struct Ulimit: Sendable, Equatable, Codable {
        package var name: String
        package var soft: Int64
        package var hard: Int64

        private enum CodingKeys: String, CodingKey {
            case name = "Name"
            case soft = "Soft"
            case hard = "Hard"
        }

        static let names: Set<String> = [
            "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
            "rttime", "sigpending", "stack",
        ]

        /// Parses docker's `--ulimit`: `name=soft[:hard]`.
        package init(parsing text: String) throws(ContainerError) {
            func invalid(_ what: String) -> ContainerError { ContainerError(.invalid, what) }
            let parts = text.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2 else { throw invalid("invalid ulimit argument: \(text)") }
            guard Self.names.contains(parts[0]) else { throw invalid("invalid ulimit type: \(parts[0])") }
            let limits = parts[1].split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            guard limits.count <= 2, let soft = Int64(limits[0]) else {
                throw invalid("invalid ulimit argument: \(text)")
            }
            name = parts[0]
            self.soft = soft
            hard = soft
            guard limits.count == 2 else { return }
            guard let hard = Int64(limits[1]) else { throw invalid("invalid ulimit argument: \(text)") }
            if hard != -1, soft > hard || soft == -1 {
                throw invalid("ulimit soft limit must be less than or equal to hard limit: \(soft) > \(hard)")
            }
            self.hard = hard
        }
    }

    package struct Device: Sendable, Equatable, Codable {
        package var pathOnHost: String
        package var pathInContainer: String
        package var permissions: String

        private enum CodingKeys: String, CodingKey {
            case pathOnHost = "PathOnHost"
            case pathInContainer = "PathInContainer"
            case permissions = "CgroupPermissions"
        }

        /// Parses docker's `--device`: `host[:container][:rwm]`.
        package init(parsing text: String) throws(ContainerError) {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            func isPermissions(_ text: String) -> Bool {
                !text.isEmpty && text.count <= 3 && text.allSatisfy { "rwm".contains($0) }
                    && Set(text).count == text.count
            }
            guard (1...3).contains(parts.count), parts[0].hasPrefix("/") else {
                throw ContainerError(.invalid, "bad format for path: \(text)")
            }
            pathOnHost = parts[0]
            pathInContainer = parts[0]
            permissions = "rwm"
            if parts.count == 3 {
                guard isPermissions(parts[2]) else { throw ContainerError(.invalid, "bad mode specified: \(parts[2])") }
                permissions = parts[2]
                if !parts[1].isEmpty { pathInContainer = parts[1] }
            } else if parts.count == 2 {
                if isPermissions(parts[1]) { permissions = parts[1] } else { pathInContainer = parts[1] }
            }
            guard pathInContainer.hasPrefix("/") else {
                throw ContainerError(.invalid, "\(pathInContainer) is not an absolute path")
            }
        }
    }

    package var binds: [String] = []
    package var containerIDFile = ""
    package var logConfig = LogConfig()
    /// `bridge`, `host`, `none` or `container:<id>`; `default` is `bridge`.
    package var networkMode = "default"
    package var portBindings: [PortMapping] = []
    package var restartPolicy = RestartPolicy()
    package var autoRemove = false
    package var volumesFrom: [String] = []
    /// Rows and columns of the terminal that the container begins with.
    package var consoleSize: [Int] = [0, 0]
    package var annotations: [String: String] = [:]
    package var capAdd: [String] = []
    package var capDrop: [String] = []
    /// `host`, `private`; empty until `create` chose.
    package var cgroupnsMode = ""
    package var dns: [String] = []
    package var dnsOptions: [String] = []
    package var dnsSearch: [String] = []
    /// `name:address`.
    package var extraHosts: [String] = []
    package var groupAdd: [String] = []
    /// `private`, `host`, `none`, `shareable`, `container:<id>`.
    package var ipcMode = ""
    package var oomScoreAdj = 0
    /// Empty for one of its own, `host`, `container:<id>`.
    package var pidMode = ""
    package var privileged = false
    package var publishAllPorts = false
    package var readonlyRootfs = false
    package var securityOpt: [String] = []
    package var tmpfs: [String: String] = [:]
    /// Empty for one of its own, `host`.
    package var utsMode = ""
    package var usernsMode = ""
    /// Bytes; 0 until `create` chose docker's 64 MiB.
    package var shmSize: Int64 = 0
    package var sysctls: [String: String] = [:]
    package var runtime = ""
    package var resources = Resources()
    package var mounts: [String] = []
    package var usesInit = false
    /// Aliases, addresses and the like that the person asked for.
    package var staticAddress = ""
    package var macAddress = ""
    package var networkAliases: [String] = []
    /// Containers that are known here by another name: `ID:alias`, in a request `container[:alias]`.
    package var links: [String]?

    package init() {}

    /// The network mode with the default filled in.
    package var network: String { networkMode == "default" || networkMode.isEmpty ? "bridge" : networkMode }
}

/// Limits of a container, which `update` may change: docker's `Resources`.
package struct Resources: Sendable, Equatable, Codable {
    package var cpuShares: Int64 = 0
    package var memory: Int64 = 0
    package var nanoCPUs: Int64 = 0
    package var cgroupParent = ""
    package var blkioWeight: UInt16 = 0
    /// `path:rate` as docker's `--device-read-bps` and its kin take them.
    package var deviceReadBps: [DeviceRate] = []
    package var deviceWriteBps: [DeviceRate] = []
    package var deviceReadIOps: [DeviceRate] = []
    package var deviceWriteIOps: [DeviceRate] = []
    package var cpuPeriod: Int64 = 0
    package var cpuQuota: Int64 = 0
    package var cpuRealtimePeriod: Int64 = 0
    package var cpuRealtimeRuntime: Int64 = 0
    package var cpusetCpus = ""
    package var cpusetMems = ""
    package var devices: [HostConfig.Device] = []
    package var deviceCgroupRules: [String] = []
    package var memoryReservation: Int64 = 0
    /// Memory and swap together; -1 is unlimited, 0 is twice the memory.
    package var memorySwap: Int64 = 0
    package var memorySwappiness: Int64?
    package var oomKillDisable = false
    package var pidsLimit: Int64?
    package var ulimits: [HostConfig.Ulimit] = []

    package struct DeviceRate: Sendable, Equatable, Codable {
        package var path: String
        package var rate: UInt64

        private enum CodingKeys: String, CodingKey {
            case path = "Path"
            case rate = "Rate"
        }

        package init(path: String, rate: UInt64) {
            self.path = path
            self.rate = rate
        }
    }

    package init() {}
}
