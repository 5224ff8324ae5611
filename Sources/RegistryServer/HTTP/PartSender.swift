import Linux
import NIOCore
import NIOHTTP1

/// Sends what Hummingbird's responses have no word for: parts of files by sendfile, and `100 Continue`. It sits right above
/// the HTTP encoder, below which a body may be a `FileRegion`.
final class PartSender: ChannelOutboundHandler, RemovableChannelHandler {
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private var context: ChannelHandlerContext?

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    private func write(_ part: HTTPServerResponsePart, promise: EventLoopPromise<Void>) {
        guard let context else { return promise.fail(ChannelError.ioOnClosedChannel) }
        context.writeAndFlush(wrapOutboundOut(part), promise: promise)
    }

    /// Puts a sender into a channel that speaks HTTP/1. Call it on the channel's event loop.
    static func add(to channel: any NIOCore.Channel) throws {
        let pipeline = channel.pipeline.syncOperations
        let encoder = try pipeline.handler(type: HTTPResponseEncoder.self)
        try pipeline.addHandler(PartSender(), position: .after(encoder))
    }

    /// Tells a client that waits for it to send its body.
    static func sendContinue(over channel: any NIOCore.Channel) async throws {
        try await send(.head(HTTPResponseHead(version: .http1_1, status: .continue)), over: channel)
        channel.eventLoop.execute {
            let clock = try? channel.pipeline.syncOperations.handler(type: RequestClock.self)
            clock?.continued(at: channel.eventLoop.now)
        }
    }

    /// Sends a part of a file by sendfile and waits until the kernel has taken it all. Not over TLS.
    static func send(_ file: OpenFile, _ range: Range<Int64>, over channel: any NIOCore.Channel) async throws {
        let handle = NIOFileHandle(_deprecatedTakingOwnershipOfDescriptor: file.descriptor.raw)
        // The descriptor stays the file's, which lives until here.
        defer { withExtendedLifetime(file) { _ = try? handle.takeDescriptorOwnership() } }
        let region = FileRegion(
            fileHandle: handle, readerIndex: Int(range.lowerBound), endIndex: Int(range.upperBound))
        try await send(.body(.fileRegion(region)), over: channel)
    }

    private static func send(_ part: HTTPServerResponsePart, over channel: any NIOCore.Channel) async throws {
        let promise = channel.eventLoop.makePromise(of: Void.self)
        channel.eventLoop.execute {
            do {
                try channel.pipeline.syncOperations.handler(type: PartSender.self).write(part, promise: promise)
            } catch {
                promise.fail(error)
            }
        }
        try await promise.futureResult.get()
    }
}
