import NIOCore
import NIOHTTP1

/// Ends a connection on which the other side does nothing, and bounds the head of an answer.
///
/// AsyncHTTPClient's own read time-out also runs while the consumer is slow, so it would fail a healthy download behind
/// a busy disk. This handler stands below AsyncHTTPClient's and counts only the time in which it asks for bytes and
/// none come (or has bytes to send and none go).
final class ConnectionWatch: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias InboundOut = HTTPClientResponsePart
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = HTTPClientRequestPart

    struct Patience: Sendable {
        /// How long no byte of a body may come or go.
        var stall: TimeAmount
        /// How long a GET or HEAD may wait for the head of its answer.
        var answer: TimeAmount
        /// How long anything else may: a registry hashes an upload before it answers.
        var commit: TimeAmount
    }

    enum Failure: Error {
        case stalled(seconds: Int64)
        case headTooLarge
    }

    private enum Phase { case idle, sending, waiting, receiving }

    private static let headerFields = 200
    private static let headerBytes = 64 << 10

    private let patience: Patience
    private var phase = Phase.idle
    private var answerPatience: TimeAmount
    private var isReading = false
    private var lastActivity = NIODeadline.now()
    private var timer: Scheduled<Void>?

    init(patience: Patience) {
        self.patience = patience
        answerPatience = patience.answer
    }

    func handlerRemoved(context: ChannelHandlerContext) { stop() }

    func channelInactive(context: ChannelHandlerContext) {
        stop()
        context.fireChannelInactive()
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        lastActivity = .now()
        switch unwrapOutboundIn(data) {
        case .head(let head):
            phase = .sending
            answerPatience = head.method == .GET || head.method == .HEAD ? patience.answer : patience.commit
            schedule(context: context)
        case .body: break
        case .end: if phase == .sending { phase = .waiting }
        }
        context.write(data, promise: promise)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        lastActivity = .now()
        context.fireChannelWritabilityChanged()
    }

    func read(context: ChannelHandlerContext) {
        if !isReading {
            isReading = true
            lastActivity = .now()
        }
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastActivity = .now()
        switch unwrapInboundIn(data) {
        case .head(let head):
            var bytes = 0
            for (name, value) in head.headers { bytes += name.utf8.count + value.utf8.count }
            if head.headers.count > Self.headerFields || bytes > Self.headerBytes {
                fail(.headTooLarge, context: context)
                return
            }
            if head.status.code >= 200 { phase = .receiving }
        case .body: break
        case .end:
            phase = .idle
            stop()
        }
        context.fireChannelRead(data)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        context.fireChannelReadComplete()
    }

    private func stop() {
        timer?.cancel()
        timer = nil
    }

    private func fail(_ failure: Failure, context: ChannelHandlerContext) {
        stop()
        context.fireErrorCaught(failure)
        context.close(promise: nil)
    }

    /// The time that the present phase allows to pass without activity; nil where it is our side that is slow.
    private func allowance(context: ChannelHandlerContext) -> TimeAmount? {
        switch phase {
        case .idle: nil
        case .sending: context.channel.isWritable ? nil : patience.stall
        case .waiting: answerPatience
        case .receiving: isReading ? patience.stall : nil
        }
    }

    private func schedule(context: ChannelHandlerContext) {
        stop()
        let pause = min(allowance(context: context) ?? patience.stall, patience.stall, answerPatience)
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: pause) { [weak self] in
            guard let self, phase != .idle else { return }
            if let allowed = allowance(context: context), .now() - lastActivity >= allowed {
                fail(.stalled(seconds: allowed.nanoseconds / 1_000_000_000), context: context)
            } else {
                schedule(context: context)
            }
        }
    }
}
