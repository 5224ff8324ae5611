import Glibc
import Linux
package import Logging
import NIOSSL
import Synchronization

extension RegistryServer {
    /// Serves a registry until the process is told to end (SIGTERM, SIGINT): what `strata registry serve` does.
    ///
    /// On the first signal no more connections are taken and the requests under way may end; a second one ends at once.
    ///
    /// - Parameter ready: told the address when requests are served.
    package static func run(
        _ configuration: RegistryServerConfiguration, logger: Logger, ready: @Sendable (String) -> Void = { _ in }
    ) async throws {
        // The usual soft limit of 1024 is less than the connections that are let in, each with a file that is sent.
        try raiseSoftLimit(Int32(bitPattern: RLIMIT_NOFILE.rawValue))
        let service = try await RegistryService.open(configuration, logger: logger)
        let signals = try CaughtSignals([SIGTERM, SIGINT])
        let server = try await service.serve()
        let address = RegistryServerConfiguration.Address(host: configuration.listen.host, port: server.port)
        let url = "\(configuration.certificates == nil ? "http" : "https")://\(address)"
        logger.notice("serving", metadata: ["address": "\(url)", "root": "\(configuration.root)"])
        ready(url)
        let descriptor = signals.raw
        let first = try await onThread(named: "signals") { try Self.nextSignal(descriptor) }
        logger.notice("stopping", metadata: ["signal": "\(first)"])
        // Whoever asks twice does not want to wait.
        try startThread(named: "signals") {
            if (try? Self.nextSignal(descriptor)) != nil { _exit(1) }
        }
        try await service.stop()
        logger.notice("stopped")
        // The descriptor lives until nobody reads it any more.
        withExtendedLifetime(signals) {}
    }

    private static func nextSignal(_ descriptor: Int32) throws -> UInt8 {
        // Whoever started this process may have left them blocked; this thread takes them.
        var wanted = sigset_t()
        unsafe sigemptyset(&wanted)
        unsafe sigaddset(&wanted, SIGTERM)
        unsafe sigaddset(&wanted, SIGINT)
        unsafe pthread_sigmask(SIG_UNBLOCK, &wanted, nil)
        var byte: UInt8 = 0
        while true {
            let count = unsafe read(descriptor, &byte, 1)
            if count == 1 { return byte }
            if count < 0, errno == EINTR { continue }
            throw SystemError(errno: count < 0 ? errno : EIO, operation: "wait for", subject: "signals")
        }
    }
}

/// A registry with all that runs beside its server: the collection of garbage, and what else must be done in time.
package final class RegistryService: Sendable {
    package let configuration: RegistryServerConfiguration
    package let registry: Registry
    package let tokens: TokenService
    package var access: AccessControl { tokens.access }
    private let logger: Logger
    private let lock: Mutex<ServerLock?>
    private let tasks = TaskBag()

    /// Opens a registry for this process alone to serve.
    ///
    /// - Parameter now: the time, in milliseconds since 1970.
    package static func open(
        _ configuration: RegistryServerConfiguration, logger: Logger,
        now: @escaping @Sendable () -> Int64 = Registry.systemTime
    ) async throws -> RegistryService {
        try await Workers.run {
            try makeDirectories(configuration.root, permissions: 0o700)
            let lock = try ServerLock(root: configuration.root)
            let registry = try Registry(root: configuration.root, policy: configuration.policy, now: now)
            try configuration.check(hasAccounts: registry.database.readBlocking { try $0.hasAccounts() })
            let access = AccessControl(
                registry.database, mode: configuration.authentication, anonymousPull: configuration.anonymousPull,
                opensWithoutAccounts: configuration.listen.isLoopback, now: registry.now)
            let tokens = try TokenService(access, keyFile: "\(configuration.root)/token.key")
            return RegistryService(configuration, registry, tokens, lock, logger)
        }
    }

    private init(
        _ configuration: RegistryServerConfiguration, _ registry: Registry, _ tokens: TokenService, _ lock: ServerLock,
        _ logger: Logger
    ) {
        self.configuration = configuration
        self.registry = registry
        self.tokens = tokens
        self.lock = Mutex(lock)
        self.logger = logger
    }

    /// Starts to serve.
    package func serve() async throws -> RegistryServer {
        var options = RegistryServer.Options()
        options.host = configuration.listen.host
        options.port = configuration.listen.port
        options.limits = configuration.limits
        options.externalAddress = configuration.externalAddress
        options.trustedProxies = configuration.trustedProxies
        if let certificates = configuration.certificates {
            options.tls = try await Workers.run { try certificates.tls() }
        }
        if !configuration.mirrors.upstreams.isEmpty {
            let mirrors = try await Workers.run { [registry, configuration, logger] in
                try Mirrors(registry, configuration.mirrors, logger: logger)
            }
            options.mirrors = mirrors
            tasks.mirrors(mirrors)
            tasks.add(
                repeating("let go of mirrored content", every: configuration.collectionInterval) { _, _ in
                    try await mirrors.trim()
                })
        }
        let server = try await RegistryServer.start(registry, options, tokens: tokens, logger: logger)
        tasks.server(server)
        tasks.add(
            repeating("collect garbage", every: configuration.collectionInterval) { registry, logger in
                let removed = try await registry.collectGarbage()
                if !removed.isEmpty {
                    let bytes = removed.reduce(0) { $0 + $1.bytes }
                    logger.notice("collected garbage", metadata: ["items": "\(removed.count)", "bytes": "\(bytes)"])
                }
            })
        tasks.add(repeating("write pulls", every: .seconds(5)) { registry, _ in try await registry.flushPulls() })
        tasks.add(
            repeating("forget old events", every: .seconds(3600)) { registry, _ in
                let limit = registry.now() - registry.policy.eventLifetime.milliseconds
                try await registry.database.write { try $0.forgetEvents(before: limit) }
            })
        tasks.add(
            repeating("apply retention", every: configuration.collectionInterval) { registry, logger in
                let removed = try await registry.applyRetention()
                if !removed.isEmpty { logger.notice("applied retention", metadata: ["tags": "\(removed.count)"]) }
            })
        let source =
            configuration.externalAddress
            ?? "\(configuration.certificates == nil ? "http" : "https")://\(configuration.listen.host):\(server.port)"
        let dispatcher = WebhookDispatcher(registry, source: source, logger: logger)
        tasks.add(Task.detached { await dispatcher.run() })
        return server
    }

    /// Lets requests end, then closes everything.
    package func stop() async throws {
        try await tasks.stop()
        try await registry.flushPulls()
        try registry.database.close()
        lock.withLock { $0 = nil }
    }

    /// Does something again and again; a failure is logged, and the next turn tries again.
    private func repeating(
        _ what: String, every interval: Duration,
        _ body: @escaping @Sendable (Registry, Logger) async throws -> Void
    ) -> Task<Void, Never> {
        Task.detached { [registry, logger] in
            while (try? await Task.sleep(for: interval)) != nil {
                do { try await body(registry, logger) } catch is CancellationError { return } catch {
                    logger.error("failed to \(what)", metadata: ["error": "\(error)"])
                }
            }
        }
    }
}

/// Keeps a second server away from a directory: each would think that the other's uploads are its own.
private final class ServerLock: Sendable {
    private let lock: FileLock

    init(root: String) throws {
        guard let lock = try FileLock.tryLock("\(root)/server.lock", .exclusive) else {
            throw RegistryConfigurationError(
                "another server uses `\(root)`: stop it, or give this one a directory of its own (`--root`)")
        }
        self.lock = lock
    }
}

extension RegistryServerConfiguration.Certificates {
    /// Reads the files.
    func tls() throws -> TLSConfiguration {
        func read<Value>(_ path: String, _ body: () throws -> Value) throws -> Value {
            do { return try body() } catch {
                throw RegistryConfigurationError("the TLS file `\(path)` cannot be used: \(error); want PEM")
            }
        }
        let chain = try read(certificate) { try NIOSSLCertificate.fromPEMFile(certificate) }
        if chain.isEmpty { throw RegistryConfigurationError("the TLS file `\(certificate)` holds no certificate") }
        let secret: NIOSSLPrivateKey = try read(key) { try NIOSSLPrivateKey(file: key, format: .pem) }
        var tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(secret))
        tls.minimumTLSVersion = .tlsv12
        if let authority = clientAuthority {
            let trusted = try read(authority) { try NIOSSLCertificate.fromPEMFile(authority) }
            tls.trustRoots = .certificates(trusted)
            tls.certificateVerification = .noHostnameVerification
        }
        do { _ = try NIOSSLContext(configuration: tls) } catch {
            throw RegistryConfigurationError(
                "the certificate `\(certificate)` and the key `\(key)` do not go together: \(error)")
        }
        return tls
    }
}

extension RegistryServer {
    /// The same, with a log on standard error.
    package static func run(
        _ configuration: RegistryServerConfiguration, logFormat: LineLogHandler.Format, verbose: Bool,
        ready: @Sendable (String) -> Void = { _ in }
    ) async throws {
        let logger = Logger(label: "registry") { _ in LineLogHandler(level: verbose ? .debug : .info, format: logFormat)
        }
        try await run(configuration, logger: logger, ready: ready)
    }
}
