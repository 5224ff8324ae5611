import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// A request as the fault server got it.
package struct HTTPExchange: Sendable {
    package var method: String
    package var path: String
    package var query: String
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]
    /// How many requests with this method and path came before.
    package var earlier: Int

    /// The first header of that name.
    package func header(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }
}

/// What the fault server answers, well or badly.
package struct ServerReply: Sendable {
    package enum Body: Sendable {
        /// Exactly these bytes.
        case bytes([UInt8])
        /// These bytes of an announced length, then the connection is closed.
        case short([UInt8], announced: Int)
        /// These bytes of an announced length, then silence.
        case stalled([UInt8], announced: Int)
        /// These bytes again and again, without an announced length, until the client goes.
        case endless([UInt8])
        /// These bytes, and the rest when the gate is opened.
        case gated([UInt8], rest: [UInt8], ReplyGate)
        /// No answer at all: the connection is closed.
        case hangUp
        /// No answer at all: silence.
        case silence
    }

    package var status: Int
    package var headers: [(String, String)]
    package var body: Body

    package init(_ status: Int, headers: [(String, String)] = [], _ body: Body = .bytes([])) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    package init(_ status: Int, headers: [(String, String)] = [], text: String) {
        self.init(status, headers: headers, .bytes(Array(text.utf8)))
    }
}

/// Keeps the rest of answers back until a test opens it. It must be opened once.
package struct ReplyGate: Sendable {
    fileprivate let promise = MultiThreadedEventLoopGroup.singleton.any().makePromise(of: Void.self)

    package init() {}

    package func open() { promise.succeed() }
}

/// A small HTTP/1.1 server on loopback whose answers a test decides.
package final class FaultServer: Sendable {
    package typealias Handler = @Sendable (HTTPExchange) -> ServerReply

    private struct State: Sendable {
        var requests: [HTTPExchange] = []
        var counts: [String: Int] = [:]
        var connections = 0
    }

    fileprivate final class Log: Sendable {
        private let state = Mutex(State())

        func opened() { state.withLock { $0.connections += 1 } }

        func record(_ exchange: HTTPExchange) -> HTTPExchange {
            state.withLock { state in
                var exchange = exchange
                let key = "\(exchange.method) \(exchange.path)"
                exchange.earlier = state.counts[key, default: 0]
                state.counts[key] = exchange.earlier + 1
                state.requests.append(exchange)
                return exchange
            }
        }

        var requests: [HTTPExchange] { state.withLock { $0.requests } }
        var connections: Int { state.withLock { $0.connections } }
    }

    private let channel: any Channel
    private let log: Log

    /// The port on 127.0.0.1.
    package let port: Int
    /// `127.0.0.1:PORT`.
    package var authority: String { "127.0.0.1:\(port)" }
    /// All requests so far, in order.
    package var requests: [HTTPExchange] { log.requests }
    /// How many connections were made so far.
    package var connections: Int { log.connections }

    /// Starts to listen on a free port.
    package init(handler: @escaping Handler) async throws {
        let log = Log()
        let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelOption(.backlog, value: 64)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    log.opened()
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: false)
                    try channel.pipeline.syncOperations.addHandler(ExchangeHandler(log: log, handler: handler))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        self.log = log
        self.channel = channel
        port = channel.localAddress?.port ?? 0
    }

    /// Stops to listen. Connections end with their clients.
    package func stop() async { try? await channel.close() }
}

private final class ExchangeHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let log: FaultServer.Log
    private let handler: FaultServer.Handler
    private var head: HTTPRequestHead?
    private var body: [UInt8] = []

    init(log: FaultServer.Log, handler: @escaping FaultServer.Handler) {
        self.log = log
        self.handler = handler
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body = []
        case .body(let buffer): body += buffer.readableBytesView
        case .end:
            guard let head else { return }
            let parts = head.uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
            let exchange = log.record(
                HTTPExchange(
                    method: head.method.rawValue, path: String(parts[0]),
                    query: parts.count > 1 ? String(parts[1]) : "",
                    headers: head.headers.map { ($0.name, $0.value) }, body: body, earlier: 0))
            reply(handler(exchange), isHead: head.method == .HEAD, context: context)
        }
    }

    private func reply(_ reply: ServerReply, isHead: Bool, context: ChannelHandlerContext) {
        var headers = HTTPHeaders(reply.headers)
        let content: [UInt8]
        switch reply.body {
        case .bytes(let bytes):
            content = bytes
            if !headers.contains(name: "Content-Length"), reply.status != 204 {
                headers.add(name: "Content-Length", value: "\(bytes.count)")
            }
        case .short(let bytes, let announced), .stalled(let bytes, let announced):
            content = bytes
            headers.add(name: "Content-Length", value: "\(announced)")
        case .gated(let bytes, let rest, _):
            content = bytes
            headers.add(name: "Content-Length", value: "\(bytes.count + rest.count)")
        case .endless(let bytes): content = bytes
        case .hangUp:
            context.close(promise: nil)
            return
        case .silence: return
        }
        let head = HTTPResponseHead(
            version: .http1_1, status: HTTPResponseStatus(statusCode: reply.status), headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if !isHead, !content.isEmpty {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: content)))), promise: nil)
        }
        switch reply.body {
        case .bytes: context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        case .short:
            // Closing at once would throw away what the socket did not take yet.
            let promise = context.eventLoop.makePromise(of: Void.self)
            promise.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
            context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer()))), promise: promise)
        case .gated(_, let rest, let gate) where !isHead:
            context.flush()
            gate.promise.futureResult.hop(to: context.eventLoop).assumeIsolated()
                .whenSuccess { [self] in
                    context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: rest)))), promise: nil)
                    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
                }
        case .gated: context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        case .endless where !isHead:
            context.flush()
            again(ByteBuffer(bytes: content), context: context)
        default: context.flush()
        }
    }

    private func again(_ buffer: ByteBuffer, context: ChannelHandlerContext) {
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenSuccess { [weak self] in self?.again(buffer, context: context) }
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(buffer))), promise: promise)
    }
}
