import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import RegistryServer

/// When a connection is cut: one minute of silence, ten of one request, on a clock that the test moves.
struct RequestClockTests {
    private let channel: EmbeddedChannel

    init() throws { try self.init(requestTime: .minutes(10)) }

    private init(requestTime: TimeAmount) throws {
        channel = EmbeddedChannel(handler: RequestClock(requestTime: requestTime, idleTime: .minutes(1)))
        channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1), promise: nil)
    }

    private let head = HTTPServerRequestPart.head(.init(version: .http1_1, method: .PUT, uri: "/"))
    private let piece = HTTPServerRequestPart.body(ByteBuffer(string: "a piece"))
    private let end = HTTPServerRequestPart.end(nil)

    /// Hands parts on, and asks for more where the server has room for it.
    private func receive(_ parts: HTTPServerRequestPart..., asksForMore: Bool = true) throws {
        for part in parts { try channel.writeInbound(part) }
        if asksForMore { channel.read() }
    }

    private func answer() throws {
        try channel.writeOutbound(HTTPServerResponsePart.head(.init(version: .http1_1, status: .ok)))
        try channel.writeOutbound(HTTPServerResponsePart.end(nil))
    }

    private func isOpen(after seconds: Int64) -> Bool {
        channel.embeddedEventLoop.advanceTime(by: .seconds(seconds))
        return channel.isActive
    }

    @Test func aConnectionWithoutARequestIsCut() {
        #expect(isOpen(after: 59))
        #expect(!isOpen(after: 1))
    }

    @Test func silenceWithinABodyIsCut() throws {
        try receive(head)
        #expect(isOpen(after: 59))
        try receive(piece)
        #expect(isOpen(after: 59))
        #expect(!isOpen(after: 1))
    }

    @Test func aServerThatTakesNothingIsNoSilenceOfTheClient() throws {
        try receive(head, piece, asksForMore: false)
        #expect(isOpen(after: 500))
        // Now the client has its minute.
        channel.read()
        #expect(isOpen(after: 59))
        // Asking again, as after half a line of a head, gives it no other one.
        channel.read()
        #expect(!isOpen(after: 1))
    }

    @Test func anAnswerMayTakeItsTime() throws {
        try receive(head, end)
        #expect(isOpen(after: 500))
        try answer()
        #expect(isOpen(after: 59))
        try receive(head, end)
        try answer()
        #expect(isOpen(after: 59))
        #expect(!isOpen(after: 1))
    }

    @Test func noRequestTakesForever() throws {
        try receive(head)
        for _ in 0..<19 {
            #expect(isOpen(after: 30))
            try receive(piece)
        }
        #expect(isOpen(after: 29))
        #expect(!isOpen(after: 1))
    }

    @Test func theNextRequestHasItsOwnTime() throws {
        try receive(head, end)
        #expect(isOpen(after: 599))
        try answer()
        try receive(head, end)
        #expect(isOpen(after: 599))
        #expect(!isOpen(after: 1))
    }

    @Test func whoWaitsForContinueIsNotSilent() throws {
        try receive(.head(.init(version: .http1_1, method: .PUT, uri: "/", headers: ["Expect": "100-continue"])))
        #expect(isOpen(after: 300))
        let clock = try channel.pipeline.syncOperations.handler(type: RequestClock.self)
        clock.continued(at: channel.embeddedEventLoop.now)
        #expect(isOpen(after: 59))
        #expect(!isOpen(after: 1))
    }

    /// What cannot be parsed is answered without a head that came, and perhaps nobody asks for more after it.
    @Test(arguments: [false, true]) func whatWasRefusedIsCutToo(_ afterAHead: Bool) throws {
        if afterAHead { try receive(head, piece, asksForMore: false) }
        try answer()
        #expect(isOpen(after: 59))
        #expect(!isOpen(after: 1))
    }

    @Test func aRequestMayHaveLessTimeThanSilence() throws {
        let bench = try RequestClockTests(requestTime: .seconds(5))
        #expect(bench.isOpen(after: 7))
        try bench.receive(bench.head, bench.piece)
        #expect(bench.isOpen(after: 4))
        #expect(!bench.isOpen(after: 1))
    }
}
