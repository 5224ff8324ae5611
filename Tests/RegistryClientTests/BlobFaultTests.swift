import Content
import OCI
import RegistryClient
import TestSupport
import Testing

/// One blob from a registry that does everything wrong that a registry, a proxy or a network can.
@Suite struct BlobFaultTests {
    static let blob = sampleBytes(300_000)
    private static let digest = Digest.sha256(of: blob)
    private static let path = "/v2/team/app/blobs/\(digest)"

    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var outcome: Outcome
        /// The waits, in milliseconds.
        var sleeps: [Int64] = []
        /// The `Range` headers of the requests, in order.
        var ranges: [String?] = [nil]
        var check: @Sendable (RegistryError) -> Bool = { _ in true }
        var reply: @Sendable (HTTPExchange) -> ServerReply

        init(
            _ name: String, _ outcome: Outcome, sleeps: [Int64] = [], ranges: [String?] = [nil],
            check: @escaping @Sendable (RegistryError) -> Bool = { _ in true },
            reply: @escaping @Sendable (HTTPExchange) -> ServerReply
        ) {
            testDescription = name
            (self.outcome, self.sleeps, self.ranges, self.check, self.reply) = (outcome, sleeps, ranges, check, reply)
        }
    }

    private static func start(of request: HTTPExchange) -> Int { start(request.header("Range")) }

    private static func start(_ range: String?) -> Int {
        range.flatMap { Int($0.dropFirst("bytes=".count).dropLast()) } ?? 0
    }

    private static func good(_ request: HTTPExchange) -> ServerReply {
        let start = start(of: request)
        if start == 0 { return ServerReply(200, .bytes(blob)) }
        return ServerReply(
            206, headers: [("Content-Range", "bytes \(start)-\(blob.count - 1)/\(blob.count)")],
            .bytes(Array(blob[start...])))
    }

    /// The blob up to a byte, of the length that was announced, and then the end of the connection.
    private static func cut(_ request: HTTPExchange, at end: Int) -> ServerReply {
        let start = start(of: request)
        let headers =
            start == 0 ? [] : [("Content-Range", "bytes \(start)-\(blob.count - 1)/\(blob.count)")]
        return ServerReply(
            start == 0 ? 200 : 206, headers: headers,
            .short(Array(blob[start..<end]), announced: blob.count - start))
    }

    private static func status(_ status: Int, headers: [(String, String)] = [])
        -> @Sendable (HTTPExchange) -> ServerReply
    {
        { _ in ServerReply(status, headers: headers) }
    }

    /// The first answers are these, the others good.
    private static func first(
        _ replies: (@Sendable (HTTPExchange) -> ServerReply)...
    ) -> @Sendable (HTTPExchange) -> ServerReply {
        { request in request.earlier < replies.count ? replies[request.earlier](request) : good(request) }
    }

    private static let fullBackoff: [Int64] = [250, 500, 1000, 2000]

    static let cases: [Case] = [
        Case("whole", .fine) { good($0) },
        Case(
            "cut once", .fine, sleeps: [250], ranges: [nil, "bytes=100000-"],
            reply: first { cut($0, at: 100_000) }),
        Case(
            "cut six times, each a little further", .fine, sleeps: [250, 250, 250, 250, 250, 250],
            ranges: [nil] + (1...6).map { "bytes=\($0 * 40_000)-" }
        ) { $0.earlier < 6 ? cut($0, at: ($0.earlier + 1) * 40_000) : good($0) },
        Case(
            "cut, then whole again instead of the rest", .fine, sleeps: [250], ranges: [nil, "bytes=100000-"]
        ) { $0.earlier == 0 ? cut($0, at: 100_000) : ServerReply(200, .bytes(blob)) },
        Case(
            "cut, then another range", .registry(.invalidAnswer), sleeps: [250], ranges: [nil, "bytes=100000-"]
        ) { request in
            if request.earlier == 0 { return cut(request, at: 100_000) }
            return ServerReply(
                206, headers: [("Content-Range", "bytes 5-\(blob.count - 1)/\(blob.count)")],
                .bytes(Array(blob[5...])))
        },
        Case(
            "cut, then a range of another blob", .registry(.invalidAnswer), sleeps: [250],
            ranges: [nil, "bytes=100000-"]
        ) { request in
            if request.earlier == 0 { return cut(request, at: 100_000) }
            return ServerReply(
                206, headers: [("Content-Range", "bytes 100000-399999/400000")], .bytes(Array(blob[100_000...])))
        },
        Case(
            "hangs up every time", .registry(.unavailable), sleeps: fullBackoff,
            ranges: [nil, nil, nil, nil, nil]
        ) { _ in ServerReply(200, .hangUp) },
        Case(
            "hangs up once", .fine, sleeps: [250], ranges: [nil, nil], reply: first { _ in ServerReply(200, .hangUp) }),
        Case(
            "503 every time", .registry(.unavailable), sleeps: fullBackoff, ranges: [nil, nil, nil, nil, nil],
            check: { $0.status == 503 && $0.message.contains("503") }, reply: status(503)),
        Case(
            "502, 504, then good", .fine, sleeps: [250, 500], ranges: [nil, nil, nil],
            reply: first(status(502), status(504))),
        Case(
            "503 with a time to wait", .fine, sleeps: [7000], ranges: [nil, nil],
            reply: first(status(503, headers: [("Retry-After", "7")]))),
        Case(
            "429 with a time to wait", .fine, sleeps: [3000, 60_000], ranges: [nil, nil, nil],
            reply: first(
                status(429, headers: [("Retry-After", "3")]), status(429, headers: [("Retry-After", "60")]))),
        Case(
            "429 with a time in the past", .fine, sleeps: [250], ranges: [nil, nil],
            reply: first(status(429, headers: [("Retry-After", "Sun, 06 Nov 1994 08:49:37 GMT")]))),
        Case(
            "429 for an hour is explained at once", .registry(.tooManyRequests),
            check: { $0.retryAfter == 3600 && $0.hint?.contains("strata login") == true && $0.status == 429 },
            reply: status(429, headers: [("Retry-After", "3600")])),
        Case(
            "429 in docker's words", .registry(.tooManyRequests), sleeps: fullBackoff,
            ranges: [nil, nil, nil, nil, nil],
            check: { $0.message == "toomanyrequests: You have reached your pull rate limit" }
        ) { _ in
            ServerReply(
                429, text: #"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit"}]}"#
            )
        },
        Case("404", .notFound, reply: status(404)),
        Case("403", .registry(.denied), check: { $0.hint != nil }, reply: status(403)),
        Case("401 without a challenge", .registry(.unauthorized), reply: status(401)),
        Case("418", .registry(.rejected), reply: status(418)),
        Case("a page of HTML", .size) { _ in ServerReply(200, text: "<html>captive portal</html>") },
        Case("other bytes of the right length", .digest) { _ in ServerReply(200, .bytes(sampleBytes(300_000, seed: 9)))
        },
        Case("announced too short", .size) { _ in ServerReply(200, .bytes(Array(blob.dropLast()))) },
        Case("announced too long", .size) { _ in ServerReply(200, .bytes(blob + [0])) },
        Case("endless", .size) { _ in ServerReply(200, .endless([UInt8](repeating: 7, count: 64 << 10))) },
        Case("a header of 100 KiB", .registry(.invalidAnswer)) { _ in
            ServerReply(200, headers: [("X-Large", String(repeating: "x", count: 70 << 10))], .bytes(blob))
        },
        Case("a thousand headers", .registry(.invalidAnswer)) { _ in
            ServerReply(200, headers: (0..<1000).map { ("X-\($0)", "x") }, .bytes(blob))
        },
        Case(
            "silence in the middle", .fine, sleeps: [250], ranges: [nil, "bytes=100000-"],
            reply: first { _ in ServerReply(200, .stalled(Array(blob[..<100_000]), announced: blob.count)) }),
        Case(
            "silence instead of an answer", .fine, sleeps: [250], ranges: [nil, nil],
            reply: first { _ in ServerReply(200, .silence) }),
    ]

    @Test(arguments: cases) func aBlobComesOrIsRefused(_ row: Case) async throws {
        let clock = TestClock()
        let (result, error, sleeps, requests) = try await FaultServer.with(
            { request in request.path == Self.path ? row.reply(request) : ServerReply(200) },
            { server in
                try await withClient(
                    clock: clock,
                    {
                        // A busy machine must not look like a silent server.
                        if row.testDescription == "silence in the middle" { $0.stallTimeout = .seconds(2) }
                        if row.testDescription == "silence instead of an answer" { $0.answerTimeout = .seconds(2) }
                    }
                ) { client in
                    let source = client.source(for: try Reference(parsing: "\(server.authority)/team/app"))
                    let descriptor = Descriptor(
                        mediaType: .ociLayer, digest: Self.digest, size: Int64(Self.blob.count))
                    let (outcome, error) = try await Outcome.of {
                        let read = try await source.readAll(descriptor, limit: 1 << 20)
                        #expect(read == Self.blob)
                    }
                    return (outcome, error, clock.sleeps, server.requests("GET", Self.path))
                }
            })
        #expect(result == row.outcome, "\(error?.description ?? "")")
        if let error { #expect(row.check(error), "\(error) \(error.hint ?? "")") }
        let ranges = requests.map { $0.header("Range") }
        if row.testDescription.hasPrefix("silence") {
            // A busy machine may let the good answer come too late as well.
            #expect(sleeps.first == .milliseconds(250))
            #expect(ranges.count >= row.ranges.count && ranges[0] == nil)
        } else {
            #expect(sleeps == row.sleeps.map { .milliseconds($0) })
            // What came shortly before the end of a connection may be lost with it: then it is asked for again.
            let starts = ranges.map(Self.start)
            let latest = row.ranges.map(Self.start)
            #expect(starts.count == latest.count && zip(starts, latest).allSatisfy { $0 <= $1 }, "\(ranges)")
            #expect(zip(ranges, row.ranges).allSatisfy { ($0 == nil) == ($1 == nil) }, "\(ranges)")
        }
    }

    @Test func aReaderStartsWhereItIsAskedTo() async throws {
        try await FaultServer.with({ $0.path == Self.path ? Self.good($0) : ServerReply(200) }) { server in
            try await withClient { client in
                let source = client.source(for: try Reference(parsing: "\(server.authority)/team/app"))
                let descriptor = Descriptor(mediaType: .ociLayer, digest: Self.digest, size: Int64(Self.blob.count))
                let reader = try await source.open(descriptor, from: 299_990)
                #expect(reader.offset == 299_990)
                #expect(try await reader.next() == Array(Self.blob[299_990...]))
                #expect(try await reader.next() == nil)
                // Nothing is asked for where nothing is missing.
                let count = server.requests.count
                #expect(try await source.open(descriptor, from: Int64(Self.blob.count)).next() == nil)
                #expect(server.requests.count == count)
            }
        }
    }

    @Test func nobodyThereIsTriedThreeTimes() async throws {
        let clock = TestClock()
        let server = try await FaultServer { _ in ServerReply(200) }
        await server.stop()
        try await withClient(clock: clock) { client in
            let reference = try Reference(parsing: "\(server.authority)/team/app")
            let (outcome, error) = try await Outcome.of { _ = try await client.resolve(reference) }
            #expect(outcome == .registry(.unreachable))
            #expect(error?.message.contains("connection refused") == true)
            #expect(clock.sleeps == [.milliseconds(250), .milliseconds(500)])
        }
    }
}
