import Content
import OCI
import RegistryClient
import TestSupport
import Testing

/// Blobs on their way into a repository.
@Suite struct PushTests {
    private static let small = sampleBytes(1000)
    private static let large = sampleBytes(5 << 20)

    // MARK: A real registry

    @Test func aRealRegistryTakesEveryWay() async throws {
        let registry = try DockerRegistry()
        defer { registry.stop() }
        let name = try Reference(parsing: "\(registry.authority)/team/app")
        let other = try Reference(parsing: "\(registry.authority)/team/other")
        let blobs = MemoryBlobs()
        let small = blobs.add(Self.small)
        let large = blobs.add(Self.large)
        let chunked = blobs.add(sampleBytes(6 << 20, seed: 2))
        let empty = blobs.add([])
        try await withClient {
            $0.uploadChunkBytes = 1 << 20
        } _: { client in
            let sent = Counter()
            let outcome = try await client.sink(for: name).push(chunked, from: blobs) { sent.add($0) }
            #expect(outcome == .uploaded && sent.value == chunked.size)
        }
        try await withClient { client in
            for descriptor in [small, large, empty] {
                let sent = Counter()
                let sink = client.sink(for: name)
                #expect(try await sink.contains(descriptor) == false)
                #expect(try await sink.push(descriptor, from: blobs) { sent.add($0) } == .uploaded)
                #expect(sent.value == descriptor.size)
                #expect(try await sink.push(descriptor, from: blobs) { _ in } == .alreadyThere)
            }
            for descriptor in [small, large, chunked, empty] {
                let read = try await client.source(for: name).readAll(descriptor, limit: 8 << 20)
                #expect(Digest.sha256(of: read) == descriptor.digest)
            }
            let mounting = client.sink(for: other) { _ in [name] }
            #expect(try await mounting.push(large, from: blobs) { _ in } == .mounted(from: name))
            // What is not there cannot be mounted, and is sent.
            let fresh = blobs.add(sampleBytes(77, seed: 3))
            #expect(try await mounting.push(fresh, from: blobs) { _ in } == .uploaded)
            let foreign = Descriptor(mediaType: .dockerForeignLayer, digest: small.digest, size: small.size)
            #expect(try await mounting.push(foreign, from: blobs) { _ in } == .skippedForeign)
        }
    }

    // MARK: A registry that fails

    /// Keeps one upload as a registry does, and fails as it is told.
    private final class Shelf: Sendable {
        let blob: [UInt8]
        let fault: @Sendable (HTTPExchange, Int) -> ServerReply?
        private let kept = Counter()

        init(_ blob: [UInt8], fault: @escaping @Sendable (HTTPExchange, Int) -> ServerReply?) {
            (self.blob, self.fault) = (blob, fault)
        }

        var count: Int { Int(kept.value) }
        func keep(_ count: Int) { kept.add(Int64(count)) }
        func forget() { kept.add(-kept.value) }

        private func session(_ status: Int) -> ServerReply {
            let range = count == 0 ? "0-0" : "0-\(count - 1)"
            return ServerReply(status, headers: [("Location", "/upload/1?state=\(count)"), ("Range", range)])
        }

        func reply(_ request: HTTPExchange) -> ServerReply {
            if let reply = fault(request, count) { return reply }
            switch (request.method, request.path) {
            case ("GET", "/v2/"): return ServerReply(200)
            case ("HEAD", _): return ServerReply(404)
            case ("POST", "/v2/team/app/blobs/uploads/"):
                forget()
                return session(202)
            case ("PATCH", "/upload/1"):
                let start = request.header("Content-Range").flatMap { Int($0.prefix { $0 != "-" }) }
                guard start == count, request.body.elementsEqual(blob[count..<count + request.body.count]) else {
                    return ServerReply(416)
                }
                keep(request.body.count)
                return session(202)
            case ("GET", "/upload/1"): return session(204)
            case ("PUT", "/upload/1"):
                keep(request.body.count)
                guard count == blob.count, request.query.contains("digest=sha256%3A") else { return ServerReply(400) }
                return ServerReply(201)
            default: return ServerReply(404)
            }
        }
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var outcome: Outcome = .fine
        /// `METHOD` of the requests to the upload, in order.
        var methods: [String]
        var isLarge = true
        var chunk: Int64?
        var check: @Sendable (RegistryError) -> Bool = { _ in true }
        var fault: @Sendable (HTTPExchange, Int) -> ServerReply?
    }

    private static func once(
        _ method: String, _ reply: ServerReply, after earlier: Int = 0
    ) -> @Sendable (HTTPExchange, Int) -> ServerReply? {
        { request, _ in request.method == method && request.path != "/v2/" && request.earlier == earlier ? reply : nil }
    }

    static let cases: [Case] = [
        Case(testDescription: "small", methods: ["POST", "PUT"], isLarge: false) { _, _ in nil },
        Case(testDescription: "large", methods: ["POST", "PATCH", "PUT"]) { _, _ in nil },
        Case(
            testDescription: "in chunks", methods: ["POST", "PATCH", "PATCH", "PATCH", "PUT"], chunk: 2 << 20
        ) { _, _ in nil },
        Case(
            testDescription: "chunks larger than asked for", methods: ["POST", "PATCH", "PATCH", "PUT"], chunk: 1 << 20,
            fault: once(
                "POST",
                ServerReply(202, headers: [("Location", "/upload/1"), ("OCI-Chunk-Min-Length", "\(4 << 20)")]))),
        Case(
            testDescription: "a chunk refused once",
            methods: ["POST", "PATCH", "PATCH", "GET", "PATCH", "PATCH", "PUT"],
            chunk: 2 << 20, fault: once("PATCH", ServerReply(503), after: 1)),
        Case(
            testDescription: "cut off in a chunk", methods: ["POST", "PATCH", "GET", "PATCH", "PUT"],
            fault: once("PATCH", ServerReply(200, .hangUp))),
        Case(
            testDescription: "forgotten", methods: ["POST", "PATCH", "GET", "POST", "PATCH", "PUT"]
        ) { request, _ in
            if request.method == "PATCH", request.earlier == 0 { return ServerReply(404) }
            return request.path == "/upload/1" && request.method == "GET" ? ServerReply(404) : nil
        },
        Case(
            testDescription: "out of step", methods: ["POST", "PATCH", "GET", "PATCH", "PUT"],
            fault: once("PATCH", ServerReply(416))),
        Case(
            testDescription: "the end refused once", methods: ["POST", "PATCH", "PUT", "GET", "PUT"],
            fault: once("PUT", ServerReply(502))),
        Case(
            testDescription: "a small one refused once", methods: ["POST", "PUT", "GET", "PUT"], isLarge: false,
            fault: once("PUT", ServerReply(500))),
        Case(
            testDescription: "refused for good", outcome: .registry(.rejected), methods: ["POST", "PUT"],
            isLarge: false,
            fault: once("PUT", ServerReply(400, text: #"{"errors":[{"code":"DIGEST_INVALID","message":"no"}]}"#))),
        Case(
            testDescription: "too large for a proxy", outcome: .registry(.rejected), methods: ["POST", "PATCH"],
            check: { $0.hint?.contains("proxy") == true }, fault: once("PATCH", ServerReply(413))),
        Case(
            testDescription: "no right to push", outcome: .registry(.denied), methods: ["POST"],
            fault: once("POST", ServerReply(403))),
        Case(
            testDescription: "no location", outcome: .registry(.invalidAnswer), methods: ["POST"],
            fault: once("POST", ServerReply(202))),
        Case(
            testDescription: "a location that is none", outcome: .registry(.invalidAnswer), methods: ["POST"],
            fault: once("POST", ServerReply(202, headers: [("Location", "file:///etc/passwd")]))),
        Case(
            testDescription: "took less than it was sent", outcome: .registry(.invalidAnswer),
            methods: ["POST", "PATCH"],
            fault: once("PATCH", ServerReply(202, headers: [("Location", "/upload/1"), ("Range", "0-99")]))),
        Case(
            testDescription: "stored another digest", outcome: .registry(.invalidAnswer), methods: ["POST", "PUT"],
            isLarge: false,
            fault: once(
                "PUT",
                ServerReply(
                    201, headers: [("Docker-Content-Digest", "sha256:" + String(repeating: "0", count: 64))]))),
        Case(
            testDescription: "redirected while it is sent", outcome: .registry(.badRedirect),
            methods: ["POST", "PATCH"],
            fault: once("PATCH", ServerReply(307, headers: [("Location", "/elsewhere")]))),
    ]

    @Test(arguments: cases) func anUploadArrivesOrIsRefused(_ row: Case) async throws {
        let shelf = Shelf(row.isLarge ? Self.large : Self.small, fault: row.fault)
        try await FaultServer.with(shelf.reply) { server in
            try await withClient {
                $0.uploadChunkBytes = row.chunk
            } _: { client in
                let blobs = MemoryBlobs()
                let descriptor = blobs.add(shelf.blob)
                let sent = Counter()
                let name = try Reference(parsing: "\(server.authority)/team/app")
                let (outcome, error) = try await Outcome.of {
                    _ = try await client.sink(for: name).push(descriptor, from: blobs) { sent.add($0) }
                }
                #expect(outcome == row.outcome, "\(error?.description ?? "")")
                if let error { #expect(row.check(error), "\(error)") }
                let uploads = server.requests.filter { $0.path == "/upload/1" || $0.path.hasSuffix("/uploads/") }
                #expect(uploads.map(\.method) == row.methods)
                if row.outcome == .fine { #expect(sent.value == descriptor.size && shelf.count == shelf.blob.count) }
            }
        }
    }

    /// The store behind a registry gets what is to be stored, and no password.
    @Test func aLocationElsewhereGetsNoCredential() async throws {
        try await FaultServer.with({ _ in ServerReply(201) }) { store in
            let handler: FaultServer.Handler = { request in
                guard request.path != "/v2/" else { return ServerReply(200) }
                guard request.header("Authorization") != nil else {
                    return ServerReply(401, headers: [("WWW-Authenticate", "Basic realm=x")])
                }
                guard request.method == "POST" else { return ServerReply(404) }
                return ServerReply(202, headers: [("Location", "http://\(store.authority)/bucket?signature=s")])
            }
            try await FaultServer.with(handler) { server in
                try await withClient {
                    $0.credentials = [server.authority: .basic(user: "me", secret: Secret("word"))]
                } _: { client in
                    let blobs = MemoryBlobs()
                    let descriptor = blobs.add(Self.small)
                    let name = try Reference(parsing: "\(server.authority)/team/app")
                    _ = try await client.sink(for: name).push(descriptor, from: blobs) { _ in }
                    let put = store.requests.first { $0.method == "PUT" }
                    #expect(put?.body == Self.small)
                    #expect(put?.query.hasPrefix("signature=s&digest=") == true)
                    #expect(store.requests.allSatisfy { $0.header("Authorization") == nil })
                }
            }
        }
    }

    /// A source that fails is not the registry's fault, and not tried again.
    @Test func aBrokenSourceIsTold() async throws {
        let shelf = Shelf(Self.large) { _, _ in nil }
        try await FaultServer.with(shelf.reply) { server in
            try await withClient { client in
                let blobs = MemoryBlobs(breakAfter: 1 << 20)
                let descriptor = blobs.add(Self.large)
                let name = try Reference(parsing: "\(server.authority)/team/app")
                await #expect(throws: MemoryBlobs.Broken.self) {
                    _ = try await client.sink(for: name).push(descriptor, from: blobs) { _ in }
                }
                #expect(blobs.offsets == [0])
            }
        }
    }
}
