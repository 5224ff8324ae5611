import NIOCore
import NIOHTTP1
import Synchronization

/// Cuts off who keeps a connection without using it: a request that takes longer than any honest one, whichever side is slow,
/// and a client that is silent while the server waits for it. A client that waits for the server, whose disk may be busy or
/// which has not said `100 Continue` yet, is not silent. One timer a connection, set again only when it runs out: a request
/// costs a few readings of the clock.
final class RequestClock: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private let requestTime: TimeAmount
    private let idleTime: TimeAmount
    /// Requests that were read and not answered; more than one where the client sends ahead.
    private var underWay = 0
    /// Whether the end of the last of them is still to come.
    private var isWithinRequest = false
    /// When the one that is being answered began.
    private var began = NIODeadline.distantPast
    /// Whether the client waits for `100 Continue` before it sends a body.
    private var isHeldBack = false
    /// Since when the server asks for something, a part of a request at least; nil while it does not.
    private var asksSince: NIODeadline?
    private var timer: Scheduled<Void>?

    /// - Parameters:
    ///   - requestTime: how long one request may take.
    ///   - idleTime: how long the server waits for a head, or within a body for more of it.
    init(requestTime: TimeAmount, idleTime: TimeAmount) {
        self.requestTime = requestTime
        self.idleTime = idleTime
    }

    /// Puts a clock into a channel that speaks HTTP/1. Call it on the channel's event loop.
    static func add(to channel: any NIOCore.Channel, requestTime: TimeAmount, idleTime: TimeAmount) throws {
        let pipeline = channel.pipeline.syncOperations
        let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
        try pipeline.addHandler(
            RequestClock(requestTime: requestTime, idleTime: idleTime), position: .after(decoder))
    }

    func handlerAdded(context: ChannelHandlerContext) {
        asksSince = context.eventLoop.now
        watch(context)
    }

    func read(context: ChannelHandlerContext) {
        if asksSince == nil { asksSince = context.eventLoop.now }
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        asksSince = nil
        isHeldBack = false
        switch unwrapInboundIn(data) {
        case .head(let head):
            if underWay == 0 { began = context.eventLoop.now }
            underWay += 1
            isWithinRequest = true
            // As `RegistryResponder` sees it, which says when it goes on.
            isHeldBack = head.headers["expect"].map { $0.lowercased() } == ["100-continue"]
        case .body: break
        case .end: isWithinRequest = false
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) {
            // What cannot be parsed is answered too, although no head came of it.
            underWay = max(0, underWay - 1)
            began = context.eventLoop.now
            // The next request is waited for from now on, however long this one took.
            if asksSince != nil || underWay == 0 { asksSince = began }
        }
        context.write(data, promise: promise)
    }

    /// The client was told to send its body. Call it on the channel's event loop.
    func continued(at now: NIODeadline) {
        isHeldBack = false
        if asksSince != nil { asksSince = now }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.cancel()
        timer = nil
    }

    /// Closes the connection where a limit is reached; looks again when the next one may be.
    private func watch(_ context: ChannelHandlerContext) {
        let now = context.eventLoop.now
        // Whatever begins after now can be due no earlier than this.
        var next = now + min(idleTime, requestTime)
        if underWay > 0 { next = min(next, began + requestTime) }
        if underWay == 0 || isWithinRequest && !isHeldBack, let asksSince { next = min(next, asksSince + idleTime) }
        if next <= now { return context.close(promise: nil) }
        timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: next) { [self] in watch(context) }
    }
}

/// The connections that are open, so that those which do not end in time can be cut.
final class OpenConnections: Sendable {
    private let channels = Mutex<[ObjectIdentifier: any NIOCore.Channel]>([:])

    func add(_ channel: any NIOCore.Channel) {
        let key = ObjectIdentifier(channel)
        channels.withLock { $0[key] = channel }
        channel.closeFuture.whenComplete { [self] _ in channels.withLock { _ = $0.removeValue(forKey: key) } }
    }

    func cut() {
        for channel in channels.withLock({ Array($0.values) }) { channel.close(promise: nil) }
    }
}
