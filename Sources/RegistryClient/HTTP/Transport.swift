import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// Sends requests and follows redirects. It knows HTTP and TLS, and nothing of registries.
final class Transport: Sendable {
    struct Request: Sendable {
        var method: HTTPMethod
        var address: WebAddress
        var headers: HTTPHeaders = [:]
        var body: Body = .none
        /// Sent to the address's own origin only, never after a redirect to another.
        var authorization: Secret?
    }

    enum Body: Sendable {
        case none
        case bytes(ByteBuffer)
        /// Read once: such a request cannot follow a redirect.
        case stream(UploadBody, length: Int64)
    }

    static let redirectLimit = 10

    /// A client for each proxy, and one without, made at first use: AsyncHTTPClient has one proxy for all that it sends,
    /// and most commands send nothing.
    private let clients = Mutex<[ProxyRules.Server?: HTTPClient]?>([:])
    private let configuration: RegistryConfiguration
    private let proxies: ProxyRules
    private let trust: TrustStore
    private let userAgent: String

    init(configuration: RegistryConfiguration, trust: TrustStore) {
        self.configuration = configuration
        self.trust = trust
        userAgent = configuration.userAgent
        proxies = ProxyRules(configuration.proxies)
    }

    deinit {
        // Whoever failed halfway may have dropped it without an end; AsyncHTTPClient takes that for a fault of the program.
        let made = clients.withLock { $0.map { Array($0.values) } ?? [] }
        if !made.isEmpty { Task { for client in made { try? await client.shutdown() } } }
    }

    func shutdown() async {
        let made = clients.withLock { clients in
            defer { clients = nil }
            return clients.map { Array($0.values) } ?? []
        }
        for client in made { try? await client.shutdown() }
    }

    private func client(through proxy: ProxyRules.Server?) throws -> HTTPClient {
        try clients.withLock { clients in
            // One that is made after the end nobody would end.
            guard clients != nil else { throw HTTPClientError.alreadyShutdown }
            if let client = clients?[proxy] { return client }
            let client = HTTPClient(
                eventLoopGroup: .singletonMultiThreadedEventLoopGroup,
                configuration: Self.settings(configuration, through: proxy))
            clients?[proxy] = client
            return client
        }
    }

    private static func settings(
        _ configuration: RegistryConfiguration, through proxy: ProxyRules.Server?
    ) -> HTTPClient.Configuration {
        var http = HTTPClient.Configuration(
            redirectConfiguration: .disallow,
            timeout: .init(connect: TimeAmount(configuration.connectTimeout)),
            connectionPool: .init(
                idleTimeout: .seconds(30),
                concurrentHTTP1ConnectionsPerHostSoftLimit: max(configuration.maxConcurrency * 4, 16)))
        http.httpVersion = .http1Only
        // Retries are ours: they count, they wait, and they are told to the user.
        http.connectionPool.retryConnectionEstablishment = false
        if let proxy {
            switch proxy.kind {
            case .socks5: http.proxy = .socksServer(host: proxy.host, port: proxy.port)
            case .http:
                let authorization = proxy.user.map {
                    HTTPClient.Authorization.basic(username: $0, password: proxy.password?.reveal() ?? "")
                }
                http.proxy = .server(host: proxy.host, port: proxy.port, authorization: authorization)
            }
        }
        let patience = ConnectionWatch.Patience(
            stall: TimeAmount(configuration.stallTimeout), answer: TimeAmount(configuration.answerTimeout),
            commit: TimeAmount(configuration.commitTimeout))
        let plainBuffer = configuration.receiveBufferBytes
        http.http1_1ConnectionDebugInitializer = { channel in
            channel.eventLoop.makeCompletedFuture {
                let pipeline = channel.pipeline.syncOperations
                let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPResponseDecoder>.self)
                try pipeline.addHandler(ConnectionWatch(patience: patience), position: .after(decoder))
                // A record of TLS is 16 KiB: buffers beyond 256 KiB only cost memory there.
                let isEncrypted = (try? pipeline.handler(type: NIOSSLClientHandler.self)) != nil
                let size = max(4096, isEncrypted ? min(plainBuffer, 256 << 10) : plainBuffer)
                try channel.syncOptions?.setOption(
                    .recvAllocator,
                    value: AdaptiveRecvByteBufferAllocator(minimum: 4096, initial: size, maximum: size))
            }
        }
        return http
    }

    /// Sends a request and gives the first answer that is no redirect.
    func send(_ request: Request) async throws -> Answer {
        var request = request
        var seen: Set<WebAddress> = [request.address]
        while true {
            let answer = try await sendOnce(request)
            guard [301, 302, 303, 307, 308].contains(answer.status),
                let location = answer.headers.first(name: "Location")
            else { return answer }
            guard let target = answer.address.resolving(location) else {
                throw badRedirect(request, "the redirect's target is no http or https URL")
            }
            if request.address.origin.scheme == .https, target.origin.scheme == .http {
                throw badRedirect(request, "refused to follow a redirect from https to http")
            }
            if seen.count > Self.redirectLimit {
                throw badRedirect(request, "more than \(Self.redirectLimit) redirects")
            }
            if !seen.insert(target).inserted { throw badRedirect(request, "redirects go in a circle") }
            if case .stream = request.body { throw badRedirect(request, "cannot redirect an upload that has begun") }
            try await answer.drain()
            if target.origin != request.address.origin { request.authorization = nil }
            let keepsMethod = answer.status == 307 || answer.status == 308
            if !keepsMethod, request.method != .GET, request.method != .HEAD {
                guard answer.status == 303 else { throw badRedirect(request, "status \(answer.status) for an upload") }
                request.method = .GET
                request.body = .none
            }
            request.address = target
        }
    }

    private func badRedirect(_ request: Request, _ message: String) -> RegistryError {
        RegistryError(.badRedirect, message, method: request.method.rawValue, url: request.address.redacted)
    }

    private func sendOnce(_ request: Request) async throws -> Answer {
        var http = HTTPClientRequest(url: request.address.description)
        http.method = request.method
        http.headers = request.headers
        http.headers.replaceOrAdd(name: "User-Agent", value: userAgent)
        if let authorization = request.authorization {
            http.headers.replaceOrAdd(name: "Authorization", value: authorization.reveal())
        }
        switch request.body {
        case .none: break
        case .bytes(let buffer): http.body = .bytes(buffer)
        case .stream(let body, let length): http.body = .stream(body, length: .known(length))
        }
        if request.address.origin.scheme == .https {
            http.tlsConfiguration = try trust.tls(for: request.address.origin.authority)
        }
        let proxy = try proxies.proxy(for: request.address.origin)
        do {
            let response = try await client(through: proxy).execute(http, deadline: .distantFuture)
            return Answer(
                status: Int(response.status.code), headers: response.headers, body: .stream(response.body),
                method: request.method, address: request.address)
        } catch {
            let failure = TransportFailure.classify(error, method: request.method, address: request.address)
            guard let proxy, var told = failure as? RegistryError else { throw failure }
            told.message =
                told.code == .unreachable
                ? "cannot reach the proxy `\(proxy.authority)`"
                : "through the proxy `\(proxy.authority)`: \(told.message)"
            if told.code == .unreachable {
                told.hint = "HTTPS_PROXY and HTTP_PROXY name it; NO_PROXY says what needs none"
            }
            throw told
        }
    }
}

extension TimeAmount {
    /// Nanoseconds of a duration, at most about 290 years.
    init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        self = .nanoseconds(overflow ? Int64.max / 2 : min(whole, Int64.max / 2) + attoseconds / 1_000_000_000)
    }
}
