import Content
import Hummingbird
import HummingbirdCore
import Linux
import Logging
import NIOCore
import NIOHTTP1
import OCI
import SQL
import Synchronization

/// Answers requests: reads the target, lets the routes decide, turns failures into answers, sends.
final class RegistryResponder: Sendable {
    private let registry: Registry
    private let logger: Logger
    private let limits: RegistryServer.Limits
    private let gate: UploadGate
    private let keeper: Gatekeeper
    /// `https://registry.example`; nil where the request's own `Host` is right.
    private let externalAddress: String?
    /// Whether bodies may leave by sendfile.
    private let sendsFiles: Bool
    private let mirrors: Mirrors?
    private let trustedProxies: Set<String>
    private let metrics = Metrics()
    /// Writes the access log without the detour over a dictionary, where the log is ours.
    private let lines: LineLogHandler?
    private let draining = Mutex(false)

    init(
        _ registry: Registry, _ tokens: TokenService, limits: RegistryServer.Limits, externalAddress: String?,
        sendsFiles: Bool, mirrors: Mirrors?, trustedProxies: Set<String>, logger: Logger
    ) {
        self.registry = registry
        self.logger = logger
        lines = logger.handler as? LineLogHandler
        self.limits = limits
        self.sendsFiles = sendsFiles
        self.externalAddress = externalAddress
        self.mirrors = mirrors
        self.trustedProxies = trustedProxies
        keeper = Gatekeeper(access: tokens.access, tokens: tokens, deletes: registry.policy.deletes)
        gate = UploadGate(limit: registry.policy.concurrentUploads)
    }

    /// From now on `/readyz` says no, so that a balancer sends nobody else.
    func startDraining() { draining.withLock { $0 = true } }

    // Hummingbird's writers belong to no actor: what uses them must not either.
    @concurrent
    func respond(to request: Request, _ writer: consuming ResponseWriter, over channel: any NIOCore.Channel)
        async throws
    {
        let start = ContinuousClock.now
        metrics.began()
        defer { metrics.ended() }
        var proceed: (() async throws -> Void)?
        if request.headers[.expect]?.lowercased() == "100-continue" {
            proceed = { try await PartSender.sendContinue(over: channel) }
        }
        let body = RequestBodyReader(request, proceed: proceed)
        let address = address(of: request, channel)
        var reply = await answer(request, body, from: address)
        let proceeds = try await body.drain(limit: limits.drain)
        if !proceeds { reply = reply.with(.connection, "close") }
        try await send(reply, for: request, writer, over: channel)
        log(request, reply, body, from: address, ContinuousClock.now - start)
        if !proceeds { throw ChannelError.inputClosed }
    }

    /// The answer, whatever happens.
    private func answer(_ request: Request, _ body: RequestBodyReader, from address: String) async -> Reply {
        do {
            let target = try RequestTarget(parsing: request.head.path ?? "")
            var route = try RegistryRoute(target)
            if let mirrors {
                let isReading = request.method == .get || request.method == .head
                route = try await mirrors.meaning(route, target["ns"], isReading: isReading)
            }
            let challenge = Challenge(
                route, request.method, target, origin: origin(of: request),
                isBasic: keeper.access.mode == .basic || route.isOwnAPI)
            var exchange = Exchange(
                method: request.method, target: target, headers: request.headers, body: body, caller: .nobody,
                address: address, logger: logger)
            if route.asksWho {
                exchange.caller = try await keeper.caller(request.headers, from: address, challenge: challenge)
                try await keeper.check(route, exchange, challenge)
            }
            return try await dispatch(route, exchange, challenge)
        } catch {
            return Reply(failure(error, request))
        }
    }

    /// Where a request came from: a trusted proxy tells whom it speaks for. Each proxy appends whom it heard, so the last one
    /// that is no proxy of ours counts; what stands before it anybody may have written.
    private func address(of request: Request, _ channel: any NIOCore.Channel) -> String {
        let peer = channel.remoteAddress?.ipAddress ?? ""
        guard trustedProxies.contains(peer), let told = request.headers[.xForwardedFor] else { return peer }
        let hops = told.suffix(4096).split(separator: ",").map { String($0.filter { $0 != " " }) }
        guard let client = hops.last(where: { !trustedProxies.contains($0) }), client.utf8.count <= 64,
            client.allSatisfy({ $0.isHexDigit || $0 == "." || $0 == ":" })
        else { return peer }
        return client
    }

    /// The registry's address as the client sees it.
    private func origin(of request: Request) -> String {
        externalAddress ?? "\(sendsFiles ? "http" : "https")://\(request.head.authority ?? "")"
    }

    private func dispatch(_ route: RegistryRoute, _ exchange: Exchange, _ challenge: Challenge) async throws -> Reply {
        let discovery = DiscoveryRoutes(registry: registry, access: keeper.access)
        let uploads = UploadRoutes(registry: registry, gate: gate, access: keeper.access)
        if let mirrors, let name = route.repository, let place = mirrors.place(name) {
            return try await offLoop {
                try await MirrorRoutes(registry: registry, access: keeper.access, mirrors: mirrors)
                    .respond(to: exchange, route, place)
            }
        }
        switch route {
        case .support:
            try exchange.allow(.get, .head)
            return Reply(200).with(body: Array("{}".utf8), type: "application/json")
        case .catalog: return try await discovery.catalog(exchange, challenge)
        case .api(let path):
            return try await offLoop {
                try await APIRoutes(registry: registry, access: keeper.access, challenge: challenge)
                    .respond(to: exchange, path)
            }
        case .page(let path):
            return try await offLoop {
                try await PageRoutes(registry: registry, access: keeper.access, origin: challenge.origin)
                    .respond(to: exchange, path)
            }
        case .token: return try await TokenRoutes(tokens: keeper.tokens).respond(to: exchange)
        case .tags(let name): return try await discovery.tags(exchange, name)
        case .referrers(let name, let digest): return try await discovery.referrers(exchange, name, digest)
        case .manifest(let name, let reference):
            return try await ManifestRoutes(registry: registry).respond(to: exchange, name, reference)
        case .blob(let name, let digest):
            return try await BlobRoutes(registry: registry).respond(to: exchange, name, digest)
        case .uploads(let name): return try await uploads.start(exchange, name)
        case .upload(let name, let id): return try await uploads.respond(to: exchange, name, id)
        case .metrics:
            try await APIRoutes(registry: registry, access: keeper.access, challenge: challenge)
                .requireAdministrator(exchange)
            let gauges = try await registry.database.read { try $0.gauges() }
            let text = metrics.text(gauges, counters: mirrors?.counters ?? [])
            return Reply(200).with(body: Array(text.utf8), type: "text/plain; version=0.0.4")
        case .health: return Reply(200).with(body: Array("ok\n".utf8), type: "text/plain")
        case .readiness: return try await readiness()
        }
    }

    private func readiness() async throws -> Reply {
        if draining.withLock({ $0 }) {
            return Reply(503).with(body: Array("shutting down\n".utf8), type: "text/plain")
        }
        do {
            try await Workers.run { [registry] in
                _ = try registry.database.readBlocking { try $0.repositories(after: "", limit: 1) }
                try registry.storage.checkWritable()
            }
        } catch {
            return Reply(503).with(body: Array("\(error)\n".utf8), type: "text/plain")
        }
        return Reply(200).with(body: Array("ready\n".utf8), type: "text/plain")
    }

    /// What a client is told of an error; what is ours is logged.
    private func failure(_ error: any Error, _ request: Request) -> RegistryFailure {
        switch error {
        case let error as RegistryFailure: return error
        case let error as AccessRuleError: return RegistryFailure(.unsupported, status: 400, "\(error)")
        case let error as SystemError where error.kind == .noSpace: return Self.full
        case let error as SQLError where error.code == .noSpace: return Self.full
        case let error as SQLError where error.code == .busy:
            return RegistryFailure(.tooManyRequests, status: 503, "the registry's database is busy: try again")
                .with(header: "Retry-After", "2")
        case is HTTPParserError, is ChannelError, is IOError, is CancellationError:
            // The client went away in the middle of its request: nobody reads this, and nothing is wrong here.
            return RegistryFailure(.unsupported, status: 400, "the request broke off before its end")
        default:
            logger.error(
                "request failed",
                metadata: [
                    "method": "\(request.method.rawValue)", "path": "\(request.head.path ?? "")", "error": "\(error)",
                ])
            return RegistryFailure(.unknown, status: 500, "the registry failed; its log says why")
        }
    }

    private static let full = RegistryFailure(
        .unknown, status: 507, "the registry has no space left: remove what is not needed, or enlarge its disk")

    private func log(
        _ request: Request, _ reply: Reply, _ body: RequestBodyReader, from address: String, _ time: Duration
    ) {
        metrics.answered(
            request.method.rawValue, reply.status, received: body.received,
            sent: request.method == .head ? 0 : reply.body.length, time)
        guard logger.logLevel <= .info else { return }
        let fields = [
            ("agent", request.headers[.userAgent] ?? ""), ("from", address),
            ("method", request.method.rawValue), ("ms", "\(time.milliseconds)"), ("path", request.head.path ?? ""),
            ("received", "\(body.received)"), ("sent", "\(request.method == .head ? 0 : reply.body.length)"),
            ("status", "\(reply.status)"),
        ]
        if let lines { return lines.write(.info, "request", fields) }
        logger.info("request", metadata: Dictionary(fields.map { ($0, "\($1)") }) { first, _ in first })
    }

    // MARK: Sending

    @concurrent
    private func send(
        _ reply: Reply, for request: Request, _ writer: consuming ResponseWriter, over channel: any NIOCore.Channel
    ) async throws {
        var head = HTTPResponse(status: .init(code: reply.status), headerFields: reply.headers)
        head.headerFields[.dockerAPIVersion] = "registry/2.0"
        if reply.status != 204, reply.status != 304 { head.headerFields[.contentLength] = "\(reply.length)" }
        if request.method == .head { return try await writer.writeResponse(head) }
        switch reply.body {
        case .none: try await writer.writeResponse(head)
        case .bytes(let buffer): try await writer.write(response: head, body: ResponseBody(byteBuffer: buffer))
        case .blob(.file(let file, _), let range):
            var body = try await writer.writeHead(head)
            if sendsFiles, !range.isEmpty {
                try await PartSender.send(file, range, over: channel)
            } else {
                try await Self.copy(file, range, to: &body)
            }
            try await body.finish(nil)
        case .blob(.arriving(let download), let range):
            var body = try await writer.writeHead(head)
            // What fails now can only be told by breaking off: the client got fewer bytes than were announced.
            var position = range.lowerBound
            while position < range.upperBound {
                let available = try await download.wait(beyond: position)
                try await Self.copy(download.file, position..<min(available, range.upperBound), to: &body)
                position = min(available, range.upperBound)
            }
            try await body.finish(nil)
        }
    }

    private static let chunkBytes = 256 << 10

    @concurrent
    private static func copy(_ file: OpenFile, _ range: Range<Int64>, to body: inout some ResponseBodyWriter)
        async throws
    {
        var position = range.lowerBound
        while position < range.upperBound {
            let start = position
            let count = Int(min(Int64(chunkBytes), range.upperBound - position))
            let buffer = try await Workers.run {
                var buffer = ByteBufferAllocator().buffer(capacity: count)
                let read = try unsafe buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { space in
                    try unsafe preadFull(
                        from: file.descriptor.raw, at: start,
                        into: UnsafeMutableRawBufferPointer(rebasing: space[..<count]), "blob")
                }
                if read < count { throw SystemError(errno: 5, operation: "read", subject: "blob") }
                return buffer
            }
            try await body.write(buffer)
            position += Int64(count)
        }
    }
}

extension Duration {
    var nanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}
