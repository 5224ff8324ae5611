/// An image's config: what to run, the layers' diffIDs, and how it came to be. Implements image-spec config.md and the
/// fields that docker adds. Its digest is the image ID.
public struct ImageConfig: Sendable, Hashable, Codable {
    /// When the image was made, RFC 3339, as its maker wrote it.
    public var created: String?
    /// Who made it.
    public var author: String?
    /// The architecture in Go's words.
    public var architecture: String
    /// The architecture's variant.
    public var variant: String?
    /// The operating system.
    public var os: String
    /// The operating system's version (Windows).
    public var osVersion: String?
    /// How containers of the image run by default.
    public var config: ContainerConfig?
    /// The layers.
    public var rootfs: RootFS
    /// The steps that made the image, oldest first; steps with `empty_layer` made no layer.
    public var history: [History]?
    /// Docker: the version that made it.
    public var dockerVersion: String?
    /// Docker: a comment.
    public var comment: String?
    /// Docker: the image it was made from, on the machine that made it.
    public var parent: String?

    /// The layers of an image by diffID, base first.
    public struct RootFS: Sendable, Hashable, Codable {
        /// Always `layers`.
        public var type: String
        /// Digests of the uncompressed layer tars.
        public var diffIDs: [Digest]

        private enum CodingKeys: String, CodingKey {
            case type
            case diffIDs = "diff_ids"
        }

        /// Makes a list of layers.
        public init(diffIDs: [Digest]) {
            type = "layers"
            self.diffIDs = diffIDs
        }

        /// Decodes; a missing list is empty.
        public init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: CodingKeys.self)
            type = try values.decodeIfPresent(String.self, forKey: .type) ?? "layers"
            diffIDs = try values.decodeIfPresent([Digest].self, forKey: .diffIDs) ?? []
        }
    }

    /// One step of an image's making.
    public struct History: Sendable, Hashable, Codable {
        /// When, RFC 3339.
        public var created: String?
        /// The command.
        public var createdBy: String?
        /// Who.
        public var author: String?
        /// A comment.
        public var comment: String?
        /// Whether the step changed only the config.
        public var emptyLayer: Bool?

        private enum CodingKeys: String, CodingKey {
            case created, author, comment
            case createdBy = "created_by"
            case emptyLayer = "empty_layer"
        }

        /// Makes a step.
        public init(created: String?, createdBy: String?, comment: String? = nil, emptyLayer: Bool? = nil) {
            self.created = created
            self.createdBy = createdBy
            self.comment = comment
            self.emptyLayer = emptyLayer
        }
    }

    private enum CodingKeys: String, CodingKey {
        case created, author, architecture, variant, os, config, rootfs, history, comment, parent
        case osVersion = "os.version"
        case dockerVersion = "docker_version"
    }

    /// Makes a config.
    public init(
        platform: Platform, rootfs: RootFS, created: String?, config: ContainerConfig? = nil, history: [History]? = nil
    ) {
        architecture = platform.architecture
        variant = platform.variant
        os = platform.os
        self.rootfs = rootfs
        self.created = created
        self.config = config
        self.history = history
    }

    /// Decodes; what old images leave out gets the value docker assumes.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        created = try values.decodeIfPresent(String.self, forKey: .created)
        author = try values.decodeIfPresent(String.self, forKey: .author)
        architecture = try values.decodeIfPresent(String.self, forKey: .architecture) ?? ""
        variant = try values.decodeIfPresent(String.self, forKey: .variant)
        os = try values.decodeIfPresent(String.self, forKey: .os) ?? "linux"
        osVersion = try values.decodeIfPresent(String.self, forKey: .osVersion)
        config = try values.decodeIfPresent(ContainerConfig.self, forKey: .config)
        rootfs = try values.decodeIfPresent(RootFS.self, forKey: .rootfs) ?? RootFS(diffIDs: [])
        history = try values.decodeIfPresent([History].self, forKey: .history)
        dockerVersion = try values.decodeIfPresent(String.self, forKey: .dockerVersion)
        comment = try values.decodeIfPresent(String.self, forKey: .comment)
        parent = try values.decodeIfPresent(String.self, forKey: .parent)
    }

    /// The platform the image is for.
    public var platform: Platform {
        Platform(os: os, architecture: architecture, variant: variant, osVersion: osVersion)
    }

    /// Parses a config and checks it against its manifest: a layer without a diffID, or the reverse, cannot be verified.
    ///
    /// - Parameters:
    ///   - bytes: the exact bytes.
    ///   - layers: how many layers the manifest has; nil where no manifest is known.
    public static func parse(_ bytes: [UInt8], layers: Int?) throws(DocumentError) -> Document<ImageConfig> {
        let document = try Document<ImageConfig>(parsing: bytes, kind: "image config", limit: Limits.configBytes)
        let diffIDs = document.value.rootfs.diffIDs.count
        if let layers, layers != diffIDs {
            throw .invalid("the image config names \(diffIDs) diffIDs for \(layers) layers")
        }
        if diffIDs > Limits.layers { throw .invalid("the image has \(diffIDs) layers, more than \(Limits.layers)") }
        return document
    }
}

/// How containers of an image run by default: image-spec config.md `config`, and docker's additions.
public struct ContainerConfig: Sendable, Hashable, Codable {
    /// User, `name|uid[:group|gid]`.
    public var user: String?
    /// Ports that listen: `80/tcp`.
    public var exposedPorts: [String: EmptyObject]?
    /// Environment, `NAME=value`.
    public var env: [String]?
    /// What to run before the arguments.
    public var entrypoint: [String]?
    /// The default arguments.
    public var cmd: [String]?
    /// Paths that become volumes.
    public var volumes: [String: EmptyObject]?
    /// The working directory.
    public var workingDir: String?
    /// Labels.
    public var labels: [String: String]?
    /// The signal that stops a container.
    public var stopSignal: String?
    /// Docker: seconds between the stop signal and the kill.
    public var stopTimeout: Int?
    /// Docker: the shell of `RUN` and friends.
    public var shell: [String]?
    /// Docker: steps for images built on this one.
    public var onBuild: [String]?
    /// Docker: how to tell that a container is healthy.
    public var healthcheck: Healthcheck?
    /// Docker, Windows: the command line is already escaped.
    public var argsEscaped: Bool?
    /// Docker: host name.
    public var hostname: String?
    /// Docker: domain name.
    public var domainname: String?
    /// Docker: allocate a terminal.
    public var tty: Bool?
    /// Docker: keep standard input open.
    public var openStdin: Bool?

    /// A JSON object without members, as sets are written.
    public struct EmptyObject: Sendable, Hashable, Codable {
        /// Makes one.
        public init() {}
    }

    /// Docker's health check; times are nanoseconds.
    public struct Healthcheck: Sendable, Hashable, Codable {
        /// `NONE`, `CMD …` or `CMD-SHELL …`.
        public var test: [String]?
        /// Time between checks.
        public var interval: Int64?
        /// Time one check may take.
        public var timeout: Int64?
        /// Time before failures count.
        public var startPeriod: Int64?
        /// Time between checks during the start period.
        public var startInterval: Int64?
        /// Failures in a row that make the container unhealthy.
        public var retries: Int?

        private enum CodingKeys: String, CodingKey {
            case test = "Test"
            case interval = "Interval"
            case timeout = "Timeout"
            case startPeriod = "StartPeriod"
            case startInterval = "StartInterval"
            case retries = "Retries"
        }

        /// Makes an empty health check.
        public init() {}
    }

    private enum CodingKeys: String, CodingKey {
        case user = "User"
        case exposedPorts = "ExposedPorts"
        case env = "Env"
        case entrypoint = "Entrypoint"
        case cmd = "Cmd"
        case volumes = "Volumes"
        case workingDir = "WorkingDir"
        case labels = "Labels"
        case stopSignal = "StopSignal"
        case stopTimeout = "StopTimeout"
        case shell = "Shell"
        case onBuild = "OnBuild"
        case healthcheck = "Healthcheck"
        case argsEscaped = "ArgsEscaped"
        case hostname = "Hostname"
        case domainname = "Domainname"
        case tty = "Tty"
        case openStdin = "OpenStdin"
    }

    /// Makes an empty config.
    public init() {}
}
