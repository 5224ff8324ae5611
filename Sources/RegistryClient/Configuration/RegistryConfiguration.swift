/// How a `RegistryClient` behaves and where it finds this machine's settings.
public struct RegistryConfiguration: Sendable {
    /// The `User-Agent` header.
    public var userAgent = "strata/0.1"
    /// The directory of docker's `config.json`; nil: no stored credentials.
    public var dockerConfigDirectory: String?
    /// Directories that hold a directory per registry with `ca.crt`, `*.cert` and `*.key` (docker's certs.d).
    public var certsDirectories: [String] = []
    /// containers-registries.conf(5) files, later ones win; those that do not exist are skipped.
    public var registriesConfigPaths: [String] = []
    /// docker's `daemon.json`, for its insecure registries and mirrors; nil or missing: none.
    public var dockerDaemonConfigPath: String?
    /// Registries (`host` or `host:port`) that may be spoken to without verified TLS, and without TLS where they have
    /// none.
    public var insecureRegistries: Set<String> = []
    /// Whether 127.0.0.0/8, ::1 and localhost count as insecure registries, as docker has it.
    public var trustsLoopback = true
    /// Credentials that go before the stored ones, by registry: `docker.io`, `host:port`.
    public var credentials: [String: Credential] = [:]
    /// The proxies on the way to registries and token servers.
    public var proxies = ProxySettings()
    /// The most blob transfers at once, in each direction.
    public var maxConcurrency = 8
    /// When and how often to try again.
    public var retry = RetryPolicy()
    /// Called before each wait for another try: the seconds until then and a sentence why.
    public var onRetry: @Sendable (_ seconds: Int, _ reason: String) -> Void = { _, _ in }
    /// How long a connection may take to be made.
    public var connectTimeout: Duration = .seconds(15)
    /// How long no byte of a body may come or go before the connection counts as broken.
    public var stallTimeout: Duration = .seconds(30)
    /// How long a GET or HEAD waits for the head of its answer.
    public var answerTimeout: Duration = .seconds(60)
    /// How long an upload's last request waits for its answer: registries verify what they were sent.
    public var commitTimeout: Duration = .seconds(900)
    /// The size of a connection's receive buffer, in bytes; the largest chunk a reader gives.
    public var receiveBufferBytes = 256 << 10
    /// The most bytes of one upload request; nil: the whole blob in one.
    public var uploadChunkBytes: Int64?
    /// Time, so that tests need not wait.
    public var clock = RegistryClock()

    /// Makes a configuration that reads nothing from this machine.
    public init() {}

    /// The configuration that docker's and podman's users have on this machine.
    ///
    /// - Parameter environment: `HOME`, `DOCKER_CONFIG`, `CONTAINERS_REGISTRIES_CONF` and `XDG_CONFIG_HOME` are used, and
    ///   `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.
    public static func fromEnvironment(_ environment: [String: String]) -> RegistryConfiguration {
        func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        var result = RegistryConfiguration()
        let home = value("HOME")
        result.proxies = ProxySettings(environment: environment)
        result.dockerConfigDirectory = value("DOCKER_CONFIG") ?? home.map { "\($0)/.docker" }
        result.certsDirectories = ["/etc/containers/certs.d", "/etc/docker/certs.d"]
        result.dockerDaemonConfigPath = "/etc/docker/daemon.json"
        if let path = value("CONTAINERS_REGISTRIES_CONF") {
            result.registriesConfigPaths = [path]
        } else {
            result.registriesConfigPaths = ["/etc/containers/registries.conf"]
            if let user = value("XDG_CONFIG_HOME") ?? home.map({ "\($0)/.config" }) {
                result.registriesConfigPaths.append("\(user)/containers/registries.conf")
            }
        }
        return result
    }
}

/// When and how often a failed request is tried again.
public struct RetryPolicy: Sendable, Hashable {
    /// The most tries, the first included.
    public var attempts: Int
    /// The wait before the second try; it doubles from try to try.
    public var firstDelay: Duration
    /// The longest wait between two tries.
    public var longestDelay: Duration
    /// The longest wait that a registry may ask for; where it asks for more, the request fails at once.
    public var longestRetryAfter: Duration

    /// Makes a policy.
    public init(
        attempts: Int = 5, firstDelay: Duration = .milliseconds(500), longestDelay: Duration = .seconds(30),
        longestRetryAfter: Duration = .seconds(120)
    ) {
        self.attempts = attempts
        self.firstDelay = firstDelay
        self.longestDelay = longestDelay
        self.longestRetryAfter = longestRetryAfter
    }
}

/// The time as the client sees it.
public struct RegistryClock: Sendable {
    /// The time since some fixed moment.
    public var now: @Sendable () -> Duration
    /// Waits; throws `CancellationError` when the task is cancelled.
    public var sleep: @Sendable (Duration) async throws -> Void
    /// A number from 0 to below 1, to spread the tries of many clients.
    public var random: @Sendable () -> Double

    /// The machine's clock.
    public init() {
        let start = ContinuousClock.now
        now = { ContinuousClock.now - start }
        sleep = { try await Task.sleep(for: $0) }
        random = { Double.random(in: 0..<1) }
    }
}
