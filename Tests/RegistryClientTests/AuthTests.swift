import OCI
import RegistryClient
import Synchronization
import TestSupport
import Testing

/// A registry whose door is kept by a token server, both played by one server; it notes what it was asked for.
private final class TokenDoor: Sendable {
    struct Asked: Sendable, Equatable {
        var method: String
        var scopes: [String]
        var authorization: String?
        var form: String
    }

    private let state = Mutex<(asked: [Asked], given: Int, revoked: Set<String>)>(([], 0, []))
    /// What a token answer says besides the token.
    let extra: String
    let realmPath: String

    init(extra: String = "", realmPath: String = "/token") { (self.extra, self.realmPath) = (extra, realmPath) }

    var asked: [Asked] { state.withLock { $0.asked } }
    func revoke(_ token: String) { state.withLock { _ = $0.revoked.insert(token) } }

    private static func decoded(_ text: some StringProtocol) -> String {
        String(text).replacing("%3A", with: ":").replacing("%2F", with: "/").replacing("%2C", with: ",").replacing(
            "+", with: " "
        )
        .replacing("%20", with: " ")
    }

    func reply(_ request: HTTPExchange) -> ServerReply {
        let host = request.header("Host") ?? ""
        if request.path == realmPath {
            let form = String(decoding: request.body, as: UTF8.self)
            let items = (request.method == "POST" ? form : request.query).split(separator: "&").map(Self.decoded)
            let scopes = items.filter { $0.hasPrefix("scope=") }.flatMap { $0.dropFirst(6).split(separator: " ") }
            let number = state.withLock { state in
                state.given += 1
                state.asked.append(
                    Asked(
                        method: request.method, scopes: scopes.map(String.init).sorted(),
                        authorization: request.header("Authorization"), form: form))
                return state.given
            }
            return ServerReply(200, text: #"{"token":"t\#(number)"\#(extra)}"#)
        }
        let shown = request.header("Authorization")?.dropFirst("Bearer ".count).description
        guard let shown, shown.hasPrefix("t"), !state.withLock({ $0.revoked.contains(shown) }) else {
            return ServerReply(
                401,
                headers: [
                    (
                        "WWW-Authenticate",
                        #"Bearer realm="http://\#(host)\#(realmPath)",service="door",scope="repository:\#(Self.repository(request.path)):pull""#
                    )
                ])
        }
        if request.method == "POST" { return ServerReply(201, headers: [("Location", "/")]) }
        return ServerReply(
            200, headers: [("Content-Type", "application/vnd.oci.image.index.v1+json")], text: Self.index)
    }

    static let index = #"{"schemaVersion":2,"manifests":[]}"#

    private static func repository(_ path: String) -> String {
        path.split(separator: "/").dropFirst().prefix(2).joined(separator: "/")
    }
}

@Suite struct AuthTests {
    private func pull(_ client: RegistryClient, _ server: FaultServer, _ name: String = "team/app") async throws {
        let resolved = try await client.resolve(Reference(parsing: "\(server.authority)/\(name)"))
        #expect(resolved.bytes == Array(TokenDoor.index.utf8))
    }

    @Test func oneTokenServesARepositoryUntilItExpires() async throws {
        let door = TokenDoor(extra: #","expires_in":300"#)
        let clock = TestClock()
        try await FaultServer.with(door.reply) { server in
            try await withClient(clock: clock) { client in
                // Many at once share one request for a token.
                try await withThrowingTaskGroup { group in
                    for _ in 0..<8 { group.addTask { try await pull(client, server) } }
                    try await group.waitForAll()
                }
                #expect(door.asked.map(\.scopes) == [["repository:team/app:pull"]])
                #expect(door.asked[0].authorization == nil)
                try await pull(client, server, "team/other")
                #expect(door.asked.count == 2)
                // A tenth of the time is kept back.
                clock.advance(.seconds(269))
                try await pull(client, server)
                #expect(door.asked.count == 2)
                clock.advance(.seconds(2))
                try await pull(client, server)
                #expect(door.asked.count == 3)
            }
        }
    }

    @Test func aRevokedTokenIsRenewedOnce() async throws {
        let door = TokenDoor(extra: #","expires_in":300"#)
        try await FaultServer.with(door.reply) { server in
            try await withClient { client in
                try await pull(client, server)
                door.revoke("t1")
                try await pull(client, server)
                #expect(door.asked.count == 2)
                for number in 2...20 { door.revoke("t\(number)") }
                let (outcome, error) = try await Outcome.of { try await pull(client, server) }
                #expect(outcome == .registry(.unauthorized))
                #expect(error?.hint?.contains("strata login") == true)
                #expect(door.asked.count <= 5)
            }
        }
    }

    @Test func aMountAsksForBothRepositories() async throws {
        let door = TokenDoor()
        try await FaultServer.with({
            $0.method == "HEAD" && $0.header("Authorization") != nil ? ServerReply(404) : door.reply($0)
        }) { server in
            try await withClient { client in
                let blobs = MemoryBlobs()
                let descriptor = blobs.add(sampleBytes(10))
                let other = try Reference(parsing: "\(server.authority)/team/base")
                let sink = client.sink(for: try Reference(parsing: "\(server.authority)/team/app")) { _ in [other] }
                let outcome = try await sink.push(descriptor, from: blobs) { _ in }
                #expect(outcome == .mounted(from: other))
                #expect(door.asked[0].scopes.contains("repository:team/app:pull,push"))
                #expect(
                    door.asked.last?.scopes.filter { !$0.hasSuffix("app:pull") }
                        == ["repository:team/app:pull,push", "repository:team/base:pull"])
            }
        }
    }

    struct Given: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var credential: Credential
        var method: String
        var authorization: String?
        var form: String
    }

    @Test(arguments: [
        Given(
            testDescription: "a password", credential: .basic(user: "me", secret: Secret("pass:word é")), method: "GET",
            authorization: "Basic bWU6cGFzczp3b3JkIMOp", form: ""),
        Given(
            testDescription: "an identity token", credential: .identityToken(Secret("refresh/1")), method: "POST",
            authorization: nil,
            form:
                "service=door&client_id=strata&grant_type=refresh_token&refresh_token=refresh%2F1&scope=repository%3Ateam%2Fapp%3Apull"
        ),
    ])
    func theTokenServerGetsTheCredential(_ row: Given) async throws {
        let door = TokenDoor()
        try await FaultServer.with(door.reply) { server in
            try await withClient {
                $0.credentials = [server.authority: row.credential]
            } _: { client in
                try await pull(client, server)
                #expect(
                    door.asked == [
                        .init(
                            method: row.method, scopes: ["repository:team/app:pull"], authorization: row.authorization,
                            form: row.form)
                    ])
                // The registry itself never sees it.
                for request in server.requests where request.path != "/token" {
                    #expect(request.header("Authorization") == nil || request.header("Authorization") == "Bearer t1")
                }
            }
        }
    }

    @Test func aRegistryTokenIsSentAsItIs() async throws {
        let door = TokenDoor()
        try await FaultServer.with(door.reply) { server in
            try await withClient {
                $0.credentials = [server.authority: .registryToken(Secret("tmine"))]
            } _: { client in
                try await pull(client, server)
                #expect(door.asked == [])
            }
        }
    }

    struct BadDoor: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var outcome: Outcome
        var challenge: String
        var token: ServerReply = ServerReply(200, text: #"{"token":"t"}"#)
    }

    @Test(arguments: [
        BadDoor(
            testDescription: "no URL", outcome: .registry(.invalidAnswer),
            challenge: #"Bearer realm="file:///etc/passwd""#),
        BadDoor(
            testDescription: "a user in the URL", outcome: .registry(.invalidAnswer),
            challenge: #"Bearer realm="http://a@HOST/token""#),
        BadDoor(testDescription: "no realm", outcome: .registry(.unauthorized), challenge: "Bearer"),
        BadDoor(testDescription: "unknown scheme", outcome: .registry(.unauthorized), challenge: "Negotiate"),
        BadDoor(testDescription: "garbage", outcome: .registry(.unauthorized), challenge: #"Bearer realm="x"#),
        BadDoor(
            testDescription: "basic without a credential", outcome: .registry(.unauthorized), challenge: "Basic realm=x"
        ),
        BadDoor(
            testDescription: "a refused credential", outcome: .registry(.unauthorized),
            challenge: #"Bearer realm="http://HOST/token""#,
            token: ServerReply(401, text: #"{"details":"incorrect username or password"}"#)),
        BadDoor(
            testDescription: "no token", outcome: .registry(.invalidAnswer),
            challenge: #"Bearer realm="http://HOST/token""#,
            token: ServerReply(200, text: "{}")),
        BadDoor(
            testDescription: "a token that breaks out of its header", outcome: .registry(.invalidAnswer),
            challenge: #"Bearer realm="http://HOST/token""#,
            token: ServerReply(200, text: #"{"token":"a\r\nX-Evil: 1"}"#)),
        BadDoor(
            testDescription: "a token without end", outcome: .registry(.invalidAnswer),
            challenge: #"Bearer realm="http://HOST/token""#,
            token: ServerReply(200, .endless([UInt8](repeating: 0x78, count: 64 << 10)))),
        BadDoor(
            testDescription: "a token of 100 KiB", outcome: .registry(.invalidAnswer),
            challenge: #"Bearer realm="http://HOST/token""#,
            token: ServerReply(200, text: #"{"token":"\#(String(repeating: "x", count: 100 << 10))"}"#)),
    ])
    func aBadDoorIsToldFromABadKey(_ row: BadDoor) async throws {
        let handler: FaultServer.Handler = { request in
            if request.path == "/token" { return row.token }
            let host = request.header("Host") ?? ""
            return ServerReply(401, headers: [("WWW-Authenticate", row.challenge.replacing("HOST", with: host))])
        }
        try await FaultServer.with(handler) { server in
            try await withClient { client in
                let (outcome, error) = try await Outcome.of { try await pull(client, server) }
                #expect(outcome == row.outcome, "\(error?.description ?? "")")
            }
        }
    }

    @Test func aLoginThatIsThrottledEndsAtOnceAndSaysWhenToTryAgain() async throws {
        try await FaultServer.with({ _ in ServerReply(429, headers: [("Retry-After", "7")]) }) { server in
            try await withClient { client in
                let (outcome, error) = try await Outcome.of {
                    _ = try await client.login(host: server.authority, user: "me", secret: Secret("word"))
                }
                #expect(outcome == .registry(.tooManyRequests))
                #expect(error?.hint == "try again in 7 seconds")
                // The first one only finds out how the server is to be spoken to.
                #expect(server.requests.count <= 2)
            }
        }
    }

    @Test func loginAsksForAnIdentityTokenAndStoresNothing() async throws {
        let door = TokenDoor(extra: #","refresh_token":"keep-me""#)
        try await FaultServer.with(door.reply) { server in
            try await withClient { client in
                let outcome = try await client.login(host: server.authority, user: "me", secret: Secret("word"))
                #expect(outcome.wasChecked)
                #expect(outcome.credential == .identityToken(Secret("keep-me")))
                #expect("\(outcome)".contains("keep-me") == false)
                let query = server.requests.first { $0.path == "/token" }?.query ?? ""
                #expect(query.contains("offline_token=true") && query.contains("account=me"))
            }
        }
    }

    // MARK: A real registry with passwords

    @Test func aRealRegistryTakesThePassword() async throws {
        let line = try runShell(
            #"python3 -W ignore -c 'import crypt; print("me:" + crypt.crypt("word", "$2b$05$" + "abcdefghijklmnopqrstuu"))'"#
        )
        var options = DockerRegistry.Options()
        options.htpasswdLine = String(line.split(separator: "\n")[0])
        let registry = try DockerRegistry(options)
        defer { registry.stop() }
        let name = try Reference(parsing: "\(registry.authority)/team/app:1")
        let right = Credential.basic(user: "me", secret: Secret("word"))
        let blobs = MemoryBlobs()
        let config = blobs.add(Array("{}".utf8), mediaType: .ociEmpty)
        let manifest = Array(
            #"{"schemaVersion":2,"mediaType":"\#(MediaType.ociManifest)","config":{"mediaType":"\#(MediaType.ociEmpty)","digest":"\#(config.digest)","size":2},"layers":[]}"#
                .utf8)
        try await withClient {
            $0.credentials = [registry.authority: right]
        } _: { client in
            _ = try await client.sink(for: name).push(config, from: blobs) { _ in }
            _ = try await client.putManifest(manifest, mediaType: .ociManifest, as: name)
            #expect(try await client.tags(of: name) == ["1"])
            let login = try await client.login(host: registry.authority, user: "me", secret: Secret("word"))
            #expect(login.credential == right && login.wasChecked)
            let (outcome, error) = try await Outcome.of {
                _ = try await client.login(host: registry.authority, user: "me", secret: Secret("wrong"))
            }
            #expect(outcome == .registry(.unauthorized))
            #expect(error?.hint?.contains("strata login") == false, "\(String(describing: error))")
        }
        for credential in [nil, Credential.basic(user: "me", secret: Secret("wrong"))] {
            try await withClient {
                $0.credentials = credential.map { [registry.authority: $0] } ?? [:]
            } _: { client in
                let (outcome, error) = try await Outcome.of { _ = try await client.resolve(name) }
                #expect(outcome == .registry(.unauthorized))
                #expect(error?.description.contains("wrong") == false)
            }
        }
        // As docker keeps it.
        let directory = try TemporaryDirectory()
        try directory.write(
            "config.json", Array(#"{"auths":{"\#(registry.authority)":{"auth":"bWU6d29yZA=="}},"other":[1]}"#.utf8))
        try await withClient {
            $0.dockerConfigDirectory = directory.path
        } _: { client in
            let resolved = try await client.resolve(name)
            #expect(resolved.bytes == manifest)
        }
    }
}
