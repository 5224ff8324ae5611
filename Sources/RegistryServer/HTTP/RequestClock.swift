import NIOCore
import NIOHTTP1
import Synchronization

/// Cuts off a request that takes longer than any honest one, whichever side is slow. One timer a connection, set again only
/// when it runs out: a request costs two readings of the clock.
final class RequestClock: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private let limit: TimeAmount
    /// Requests that were read and not answered; more than one where the client sends ahead.
    private var underWay = 0
    /// When the one that is being answered began.
    private var began = NIODeadline.distantPast
    private var timer: Scheduled<Void>?

    init(limit: TimeAmount) { self.limit = limit }

    /// Puts a clock into a channel that speaks HTTP/1. Call it on the channel's event loop.
    static func add(to channel: any NIOCore.Channel, limit: TimeAmount) throws {
        let pipeline = channel.pipeline.syncOperations
        let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
        try pipeline.addHandler(RequestClock(limit: limit), position: .after(decoder))
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head = unwrapInboundIn(data) {
            if underWay == 0 { began = .now() }
            underWay += 1
            if timer == nil { schedule(began + limit, context) }
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) {
            underWay -= 1
            began = .now()
        }
        context.write(data, promise: promise)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.cancel()
        timer = nil
    }

    private func schedule(_ deadline: NIODeadline, _ context: ChannelHandlerContext) {
        timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [self] in
            timer = nil
            // Nothing to watch: the next head sets a timer.
            if underWay == 0 { return }
            if began + limit <= .now() { return context.close(promise: nil) }
            schedule(began + limit, context)
        }
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
