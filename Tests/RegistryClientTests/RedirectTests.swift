import Content
import OCI
import RegistryClient
import TestSupport
import Testing

/// Redirects, and mirrors of registries.conf.
@Suite struct RedirectTests {
    private static let blob = sampleBytes(10_000)
    private static let digest = Digest.sha256(of: blob)
    private static let descriptor = Descriptor(mediaType: .ociLayer, digest: digest, size: Int64(blob.count))

    /// Answers a blob request with a status and a location, and everything else with 200, once there is a password.
    private static func door(_ status: Int, to location: @escaping @Sendable (HTTPExchange) -> String)
        -> FaultServer.Handler
    {
        { request in
            if request.path == "/v2/" { return ServerReply(200) }
            guard request.header("Authorization") != nil else {
                return ServerReply(401, headers: [("WWW-Authenticate", "Basic realm=x")])
            }
            if request.path == "/here" { return ServerReply(200, .bytes(blob)) }
            return ServerReply(status, headers: [("Location", location(request))])
        }
    }

    private func read(
        from server: FaultServer, _ change: (inout RegistryConfiguration) -> Void = { _ in }
    ) async throws -> (outcome: Outcome, error: RegistryError?) {
        try await withClient {
            $0.credentials = [server.authority: .basic(user: "me", secret: Secret("word"))]
            change(&$0)
        } _: { client in
            let source = client.source(for: try Reference(parsing: "\(server.authority)/team/app"))
            return try await Outcome.of {
                let bytes = try await source.readAll(Self.descriptor, limit: 1 << 20)
                #expect(bytes == Self.blob)
            }
        }
    }

    @Test(arguments: [301, 302, 303, 307, 308]) func credentialsStayAtTheirHost(_ status: Int) async throws {
        try await FaultServer.with({ _ in ServerReply(200, .bytes(Self.blob)) }) { store in
            let address = "http://\(store.authority)/bucket/x?signature=s"
            try await FaultServer.with(Self.door(status) { _ in address }) { server in
                let (outcome, _) = try await read(from: server)
                #expect(outcome == .fine)
                #expect(store.requests.map(\.path) == ["/bucket/x"])
                #expect(store.requests[0].query == "signature=s")
                #expect(store.requests[0].header("Authorization") == nil)
                #expect(server.requests.last?.header("Authorization") != nil)
            }
        }
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var outcome: Outcome
        var location: @Sendable (HTTPExchange) -> String
    }

    @Test(arguments: [
        Case(testDescription: "the same host", outcome: .fine) { _ in "/here" },
        Case(testDescription: "the same host in full", outcome: .fine) { "http://\($0.header("Host") ?? "")/here" },
        Case(testDescription: "a circle", outcome: .registry(.badRedirect)) { $0.path },
        Case(testDescription: "without end", outcome: .registry(.badRedirect)) { _ in
            "/n/\(UInt64.random(in: 0 ... .max))"
        },
        Case(testDescription: "a file", outcome: .registry(.badRedirect)) { _ in "file:///etc/passwd" },
        Case(testDescription: "a user in the URL", outcome: .registry(.badRedirect)) { _ in "http://a:b@localhost/" },
        Case(testDescription: "nothing", outcome: .registry(.badRedirect)) { _ in "" },
        Case(testDescription: "too long", outcome: .registry(.badRedirect)) { _ in
            "/" + String(repeating: "x", count: 20_000)
        },
    ])
    func aRedirectIsFollowedOrRefused(_ row: Case) async throws {
        try await FaultServer.with(Self.door(307, to: row.location)) { server in
            let (outcome, error) = try await read(from: server)
            #expect(outcome == row.outcome, "\(error?.description ?? "")")
            #expect(server.requests.count < 20)
        }
    }

    // MARK: Mirrors

    struct Mirrored: Sendable, CustomTestStringConvertible {
        var testDescription: String
        /// What the mirror does.
        var mirror: @Sendable (HTTPExchange) -> ServerReply
        /// Requests that the mirror and the registry get for manifests.
        var paths: [[String]]
        var rule = ""
        var outcome: Outcome = .fine
        var byDigest = false
    }

    private static let index = Array(#"{"schemaVersion":2,"manifests":[]}"#.utf8)
    private static let atMirror = "/v2/cache/app/manifests/1"
    private static let atHome = "/v2/home/app/manifests/1"

    @Test(arguments: [
        Mirrored(
            testDescription: "a mirror serves", mirror: { _ in ServerReply(200, .bytes(index)) },
            paths: [[atMirror], []]),
        Mirrored(
            testDescription: "a mirror has it not", mirror: { _ in ServerReply(404) }, paths: [[atMirror], [atHome]]),
        Mirrored(
            testDescription: "a mirror breaks", mirror: { _ in ServerReply(500) },
            paths: [[String](repeating: atMirror, count: 5), [atHome]]),
        Mirrored(
            testDescription: "a mirror lies", mirror: { _ in ServerReply(200, text: "{}") },
            paths: [[atMirror], [atHome]]),
        Mirrored(
            testDescription: "a mirror for digests only", mirror: { _ in ServerReply(200, .bytes(index)) },
            paths: [[], [atHome]], rule: "mirror-by-digest-only = true"),
        Mirrored(
            testDescription: "a digest from a mirror for digests",
            mirror: { _ in ServerReply(200, .bytes(index)) },
            paths: [["/v2/cache/app/manifests/\(Digest.sha256(of: index))"], []], rule: "mirror-by-digest-only = true",
            byDigest: true),
        Mirrored(
            testDescription: "a mirror with other bytes for a digest",
            mirror: { _ in ServerReply(200, .bytes(index + [32])) },
            paths: [
                ["/v2/cache/app/manifests/\(Digest.sha256(of: index))"],
                ["/v2/home/app/manifests/\(Digest.sha256(of: index))"],
            ], byDigest: true),
        Mirrored(
            testDescription: "blocked", mirror: { _ in ServerReply(200, .bytes(index)) }, paths: [[], []],
            rule: "blocked = true", outcome: .registry(.blocked)),
    ])
    func mirrorsGoFirst(_ row: Mirrored) async throws {
        let directory = try TemporaryDirectory()
        defer { directory.remove() }
        try await FaultServer.with({ $0.path == "/v2/" ? ServerReply(200) : row.mirror($0) }) { mirror in
            try await FaultServer.with({ $0.path == "/v2/" ? ServerReply(200) : ServerReply(200, .bytes(Self.index)) })
            {
                home in
                let rules = """
                    [[registry]]
                    prefix = "example.test/team"
                    location = "\(home.authority)/home"
                    \(row.rule)
                    [[registry.mirror]]
                    location = "\(mirror.authority)/cache"
                    """
                try directory.write("registries.conf", Array(rules.utf8))
                try await withClient {
                    $0.registriesConfigPaths = ["\(directory.path)/registries.conf"]
                } _: { client in
                    var name = try Reference(parsing: "example.test/team/app:1")
                    if row.byDigest { name = name.with(digest: Digest.sha256(of: Self.index)) }
                    let wanted = name
                    let (outcome, error) = try await Outcome.of {
                        let resolved = try await client.resolve(wanted)
                        #expect(resolved.bytes == Self.index)
                    }
                    #expect(outcome == row.outcome, "\(error?.description ?? "")")
                    let asked = [mirror, home].map { server in server.requests.map(\.path).filter { $0 != "/v2/" } }
                    #expect(asked == row.paths)
                }
            }
        }
    }

    @Test(arguments: [
        "[[registry]]\nprefix = 1", "[[registry]]\nprefix = \"a\"\nlocation = \"https://b\"", "[[registry]]",
        "[[registry]]\nprefix = \"a\"\n[[registry.mirror]]", "[registries.search]\nregistries = [\"a\"]", "x = [",
        "[[registry]]\nprefix = \"a\"\n[[registry.mirror]]\nlocation = \"b\"\npull-from-mirror = \"sometimes\"",
    ])
    func brokenRulesAreNamed(_ rules: String) async throws {
        let directory = try TemporaryDirectory()
        defer { directory.remove() }
        try directory.write("registries.conf", Array(rules.utf8))
        try await withClient {
            $0.registriesConfigPaths = ["\(directory.path)/registries.conf"]
        } _: { client in
            let (outcome, error) = try await Outcome.of {
                _ = try await client.resolve(Reference(parsing: "localhost:1/a"))
            }
            #expect(outcome == .registry(.configuration))
            #expect(error?.hint?.contains("registries.conf") == true)
        }
    }
}
