package import OCI

/// What a container was made with: `config.json`. Only `rename` and `update` change it.
package struct ContainerRecord: Sendable, Codable {
    package var id: ContainerID
    package var name: String
    /// When it was made, nanoseconds since 1970.
    package var created: Int64
    /// The image as the person named it.
    package var image: String
    /// The image ID: the digest of the config.
    package var imageID: Digest
    /// DiffIDs of the image's layers, base first.
    package var layers: [Digest]
    package var platform: Platform
    /// The image's config with what the command line changed.
    package var config: ContainerConfig
    package var hostConfig: HostConfig
    package var streams: StreamOptions
    package var mounts: [MountPoint]
    /// The program: entrypoint and command together; never empty.
    package var arguments: [String]
    /// The snapshot driver: `erofs` or `directory`.
    package var driver: String

    package init(
        id: ContainerID, name: String, created: Int64, image: String, imageID: Digest, layers: [Digest],
        platform: Platform, config: ContainerConfig, hostConfig: HostConfig, streams: StreamOptions,
        mounts: [MountPoint], arguments: [String], driver: String
    ) {
        self.id = id
        self.name = name
        self.created = created
        self.image = image
        self.imageID = imageID
        self.layers = layers
        self.platform = platform
        self.config = config
        self.hostConfig = hostConfig
        self.streams = streams
        self.mounts = mounts
        self.arguments = arguments
        self.driver = driver
    }

    /// The program itself, docker's `Path`.
    package var path: String { arguments.first ?? "" }
}

/// Which streams a container has and who they are for.
package struct StreamOptions: Sendable, Equatable, Codable {
    package var attachStdin = false
    package var attachStdout = true
    package var attachStderr = true
    /// Standard input closes when the first client goes.
    package var stdinOnce = false

    package init() {}
}

/// What to make a container of.
package struct CreateRequest: Sendable {
    package var name: String?
    /// The image as the person named it.
    package var image: String
    package var imageID: Digest
    package var layers: [Digest]
    package var platform: Platform
    /// The image's own config.
    package var imageConfig: ContainerConfig
    /// What the person set: entries override or extend the image's, as docker merges them.
    package var overrides: ContainerConfig
    /// An `--entrypoint ""`: drops the image's entrypoint.
    package var clearsEntrypoint = false
    package var hostConfig: HostConfig
    package var streams = StreamOptions()
    /// `--no-healthcheck` and the like change the config before; anonymous volumes as `-v /path`.
    package var extraVolumes: [String] = []

    package init(
        image: String, imageID: Digest, layers: [Digest], platform: Platform, imageConfig: ContainerConfig,
        overrides: ContainerConfig = ContainerConfig(), hostConfig: HostConfig = HostConfig()
    ) {
        self.image = image
        self.imageID = imageID
        self.layers = layers
        self.platform = platform
        self.imageConfig = imageConfig
        self.overrides = overrides
        self.hostConfig = hostConfig
    }
}

extension ContainerConfig {
    /// The image's config with the person's settings over it, by docker's rules.
    package func overridden(by changes: ContainerConfig, clearsEntrypoint: Bool = false) -> ContainerConfig {
        var merged = changes
        if changes.user?.isEmpty ?? true { merged.user = user }
        merged.exposedPorts = (exposedPorts ?? [:]).merging(changes.exposedPorts ?? [:]) { $1 }
        merged.env = Self.mergedEnvironment(env ?? [], changes.env ?? [])
        merged.labels = (labels ?? [:]).merging(changes.labels ?? [:]) { $1 }
        merged.volumes = (volumes ?? [:]).merging(changes.volumes ?? [:]) { $1 }
        if changes.entrypoint?.isEmpty ?? true {
            // The image's command goes with its entrypoint: a new entrypoint without a command has none.
            if changes.cmd?.isEmpty ?? true, !clearsEntrypoint { merged.cmd = cmd }
            merged.entrypoint = clearsEntrypoint ? nil : entrypoint
        }
        if changes.workingDir?.isEmpty ?? true { merged.workingDir = workingDir }
        if changes.stopSignal?.isEmpty ?? true { merged.stopSignal = stopSignal }
        merged.stopTimeout = changes.stopTimeout ?? stopTimeout
        merged.shell = changes.shell ?? shell
        merged.onBuild = changes.onBuild ?? onBuild
        if var check = changes.healthcheck {
            if check.test == nil, let image = healthcheck {
                check.test = image.test
                check.interval = check.interval ?? image.interval
                check.timeout = check.timeout ?? image.timeout
                check.startPeriod = check.startPeriod ?? image.startPeriod
                check.startInterval = check.startInterval ?? image.startInterval
                check.retries = check.retries ?? image.retries
            }
            merged.healthcheck = check
        } else {
            merged.healthcheck = healthcheck
        }
        return merged
    }

    /// The first variables, with those of the second replaced or added.
    static func mergedEnvironment(_ base: [String], _ changes: [String]) -> [String] {
        func name(_ entry: String) -> Substring { entry.prefix { $0 != "=" } }
        var merged = changes
        let changed = Set(changes.map(name))
        merged += base.filter { !changed.contains(name($0)) }
        return merged
    }
}
