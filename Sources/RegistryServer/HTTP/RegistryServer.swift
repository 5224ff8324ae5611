import Glibc
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
package import Logging
import NIOCore
import NIOPosix
package import NIOSSL
import Synchronization

/// A registry on a port.
package final class RegistryServer: Sendable {
    /// What a client may take of the server.
    package struct Limits: Sendable, Hashable {
        /// How long a connection may be silent while the server waits for it: for a head, within a body, and to take
        /// what is sent to it.
        package var idleTime: Duration = .seconds(60)
        /// How long one request may take.
        package var requestTime: Duration = .seconds(3600)
        package var connections = 4096
        /// How much of a refused body is read away so that the connection can go on.
        package var drain: Int64 = 1 << 20
        /// How long requests may go on when the server is told to stop.
        package var shutdownTime: Duration = .seconds(30)

        package init() {}
    }

    package struct Options: Sendable {
        package var host = "127.0.0.1"
        /// 0 for any that is free.
        package var port = 5000
        package var tls: TLSConfiguration?
        package var limits = Limits()
        /// The address that clients see, where it is another one.
        package var externalAddress: String?
        /// Other registries whose repositories it hands on.
        package var mirrors: Mirrors?
        /// The addresses whose `X-Forwarded-For` is believed.
        package var trustedProxies: Set<String> = []

        package init() {}
    }

    package let registry: Registry
    /// Where it listens.
    package let port: Int
    private let limits: Limits
    private let responder: RegistryResponder
    private let connections: OpenConnections
    private let service: any Stoppable
    private let running: Task<Void, any Error>

    /// Starts to listen; requests are served from then on.
    ///
    /// - Parameter tokens: who may do what; nil for a registry in which everybody may do everything.
    package static func start(
        _ registry: Registry, _ options: Options = Options(), tokens: TokenService? = nil, logger: Logger
    ) async throws -> RegistryServer {
        let responder = RegistryResponder(
            registry,
            tokens
                ?? TokenService(AccessControl(registry.database, mode: .none, now: registry.now), TokenSigner()),
            limits: options.limits, externalAddress: options.externalAddress, sendsFiles: options.tls == nil,
            mirrors: options.mirrors, trustedProxies: options.trustedProxies, logger: logger)
        // Silence is `RequestClock`'s: Hummingbird also counts it while the server takes nothing.
        var configuration = HTTP1Channel.Configuration()
        configuration.httpDecoder = .init(
            maxHeaderFieldSize: 32 << 10, maxHeaderListSize: 64 << 10, maxHeaderFieldCount: 200)
        let http = HTTP1Channel(
            responder: { request, writer, channel in
                try await responder.respond(to: request, writer, over: channel)
            }, configuration: configuration)
        let connections = OpenConnections()
        let tuned = TunedChannel(base: http, limits: options.limits, connections: connections)
        if let tls = options.tls {
            return try await start(
                registry, try TLSChannel(tuned, tlsConfiguration: tls), responder, connections, options, logger)
        }
        return try await start(registry, tuned, responder, connections, options, logger)
    }

    private static func start(
        _ registry: Registry, _ child: some ServerChildChannel, _ responder: RegistryResponder,
        _ connections: OpenConnections, _ options: Options, _ logger: Logger
    ) async throws -> RegistryServer {
        // Hummingbird's own lines are of no use to whoever runs a registry.
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .warning)
        let (ports, port) = AsyncThrowingStream<Int, any Error>.makeStream()
        let server = Server(
            childChannelSetup: child,
            configuration: ServerConfiguration(
                address: .hostname(options.host, port: options.port),
                availableConnectionsDelegate: .maximum(options.limits.connections, logger: quiet)),
            onServerRunning: { channel in
                port.yield(channel.localAddress?.port ?? options.port)
                port.finish()
            }, eventLoopGroup: MultiThreadedEventLoopGroup.singleton, logger: quiet)
        let running = Task.detached {
            do { try await server.run() } catch {
                port.finish(throwing: error)
                throw error
            }
        }
        for try await number in ports {
            return RegistryServer(registry, number, options.limits, responder, connections, server, running)
        }
        try await running.value
        throw ChannelError.alreadyClosed
    }

    private init(
        _ registry: Registry, _ port: Int, _ limits: Limits, _ responder: RegistryResponder,
        _ connections: OpenConnections, _ service: any Stoppable, _ running: Task<Void, any Error>
    ) {
        self.registry = registry
        self.port = port
        self.limits = limits
        self.responder = responder
        self.connections = connections
        self.service = service
        self.running = running
    }

    /// Takes no more connections, lets the requests under way end for `shutdownTime`, closes the rest.
    package func stop() async throws {
        responder.startDraining()
        let running = running
        let deadline = Task.detached { [limits, connections] in
            try await Task.sleep(for: limits.shutdownTime)
            running.cancel()
            // A client that takes nothing any more would otherwise hold a transfer that cannot be cancelled.
            connections.cut()
        }
        defer { deadline.cancel() }
        do { try await service.shutdownGracefully() } catch ChannelError.alreadyClosed {
            // The deadline came first.
        }
        _ = await running.result
    }
}

/// A server of any channel.
private protocol Stoppable: Sendable {
    func shutdownGracefully() async throws
}

extension Server: Stoppable {}

/// HTTP/1 with what Hummingbird does not do: see `PartSender`, `RequestClock` and `LoopExecutor`.
private struct TunedChannel: ServerChildChannel {
    let base: HTTP1Channel
    let limits: RegistryServer.Limits
    let connections: OpenConnections

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<HTTP1Channel.Value> {
        // Uploads arrive in large pieces: fewer wake-ups for the same bytes. Some ten pieces wait on their way to the disk,
        // for each of many clients: that is what the server's memory is made of.
        let allocator = AdaptiveRecvByteBufferAllocator(minimum: 2048, initial: 4096, maximum: 128 << 10)
        // Whoever takes nothing of what is sent to him is cut off by the kernel, which alone sees it.
        let silence = ChannelOptions.Types.SocketOption(level: .tcp, name: .init(rawValue: TCP_USER_TIMEOUT))
        let milliseconds = min(limits.idleTime.milliseconds, Int64(Int32.max))
        connections.add(channel)
        return channel.setOption(.recvAllocator, value: allocator)
            .flatMap { channel.setOption(silence, value: SocketOptionValue(milliseconds)) }
            .flatMap { base.setup(channel: channel, logger: logger) }
            .flatMapThrowing { value in
                try PartSender.add(to: channel)
                try RequestClock.add(
                    to: channel, requestTime: .nanoseconds(limits.requestTime.nanoseconds),
                    idleTime: .nanoseconds(limits.idleTime.nanoseconds))
                return value
            }
    }

    func handle(value: HTTP1Channel.Value, logger: Logger) async {
        await withTaskExecutorPreference(LoopExecutor(value.channel.eventLoop)) {
            await base.handle(value: value, logger: logger)
        }
    }
}
