import OCI
import RegistryServer
import TestSupport
import Testing

/// Who may do what, over the wire.
struct AccessWireTests {
    private let root = AccessControl.Manager(name: "root")

    /// A registry with an administrator `ann`, a user `bob` who may push to `team/**`, and public repositories `public/*`.
    private func run<Result>(
        clock: TestClock? = nil,
        _ configure: (inout RegistryServerConfiguration) -> Void = { _ in },
        _ body: (TestRegistry) async throws -> Result
    ) async throws -> Result {
        try await TestRegistry.run(clock: clock) { configuration in
            configuration.anonymousPull = [try RepositoryPattern("public/*")]
            configure(&configuration)
        } _: { registry in
            try await registry.access.addUser("ann", password: "ann's secret", isAdministrator: true, by: root)
            try await registry.access.addUser("bob", password: "bob's secret", isAdministrator: false, by: root)
            let rule = AccessRule(
                subject: .user("bob"), pattern: try RepositoryPattern("team/**"), actions: [.push])
            try await registry.access.grant(rule, by: root)
            return try await body(registry)
        }
    }

    private func upload(_ client: WireClient, to name: String) async throws -> WireClient.Answer {
        let digest = Digest.sha256(of: [1, 2, 3])
        return try await client.send("POST", "/v2/\(name)/blobs/uploads/?digest=\(digest)", body: [1, 2, 3])
    }

    private func token(_ answer: WireClient.Answer) throws -> String {
        let start = try #require(answer.text.firstRange(of: #""token":""#)).upperBound
        return String(answer.text[start...].prefix { $0 != "\"" })
    }

    @Test func withoutAccountsEverybodyMayDoEverything() async throws {
        try await TestRegistry.run { registry in
            #expect(try await registry.client.send("GET", "/v2/").status == 200)
            #expect(try await upload(registry.client, to: "a").status == 201)
            // The first account closes it.
            try await registry.access.addUser("ann", password: "x", isAdministrator: true, by: root)
            #expect(try await registry.client.send("GET", "/v2/").status == 401)
            #expect(try await upload(registry.client, to: "a").status == 401)
            #expect(try await upload(registry.client("ann", "x"), to: "a").status == 201)
        }
    }

    @Test func aRegistryOfTheNetworkDoesNotLetEverybodyIn() async throws {
        await #expect(throws: RegistryConfigurationError.self) {
            try await TestRegistry.run {
                $0.listen = .init(host: "0.0.0.0", port: 0)
            } _: { _ in
            }
        }
        try await TestRegistry.run {
            $0.listen = .init(host: "0.0.0.0", port: 0)
            $0.authentication = .none
        } _: { (registry: TestRegistry) async throws -> Void in
            #expect(try await registry.client.send("GET", "/v2/").status == 200)
        }
    }

    @Test func theChallengeNamesTheTokenEndpointAndTheScope() async throws {
        try await run { registry in
            let ping = try await registry.client.send("GET", "/v2/")
            #expect(ping.status == 401 && ping.text.contains("UNAUTHORIZED"))
            #expect(
                ping["WWW-Authenticate"] == #"Bearer realm="http://\#(registry.authority)/token",service="strata""#)
            let pull = try await registry.client.send("GET", "/v2/team/app/tags/list")
            #expect(pull.status == 401)
            #expect(try #require(pull["WWW-Authenticate"]).hasSuffix(#"scope="repository:team/app:pull""#))
            let push = try await upload(registry.client, to: "team/app")
            #expect(try #require(push["WWW-Authenticate"]).hasSuffix(#"scope="repository:team/app:pull,push""#))
            let evil = try await registry.client.send("GET", "/v2/", headers: ["Host": "a\"b"])
            #expect(evil["WWW-Authenticate"]?.contains(#"a"b"#) != true)
        }
    }

    @Test func basicCredentials() async throws {
        try await run { registry in
            #expect(try await registry.client("ann", "ann's secret").send("GET", "/v2/").status == 200)
            let wrong = try await registry.client("ann", "nonsense").send("GET", "/v2/")
            #expect(wrong.status == 401 && wrong.text.contains("wrong user name or password"))
            let unknown = try await registry.client("eve", "nonsense").send("GET", "/v2/")
            #expect(unknown.status == 401 && unknown.text == wrong.text)
            let bob = registry.client("bob", "bob's secret")
            #expect(try await upload(bob, to: "team/x/app").status == 201)
            let refused = try await upload(bob, to: "other/app")
            #expect(refused.status == 403 && refused.text.contains("`bob` may not push `other/app`"))
            let delete = try await bob.send("DELETE", "/v2/team/x/app/blobs/\(Digest.sha256(of: [1, 2, 3]))")
            #expect(delete.status == 403 && delete.text.contains("DENIED"))
        }
    }

    @Test func tokensCarryWhatWasAskedAndIsAllowed() async throws {
        try await run { registry in
            let bob = registry.client("bob", "bob's secret")
            let answer = try await bob.send(
                "GET",
                "/token?service=strata&scope=repository:team/app:pull,push,delete&scope=repository:other:pull&offline_token=true"
            )
            #expect(answer.status == 200, "\(answer)")
            var bearer = registry.client
            bearer.headers["Authorization"] = "Bearer \(try token(answer))"
            #expect(try await upload(bearer, to: "team/app").status == 201)
            // He has the right there, but the token is not for it.
            let other = try await upload(bearer, to: "team/other")
            #expect(other.status == 401)
            #expect(try #require(other["WWW-Authenticate"]).contains(#"error="insufficient_scope""#))
            #expect(try await upload(bearer, to: "elsewhere").status == 403)
            // A right that is taken away is gone at once, whatever the token says.
            try await registry.access.revoke(.user("bob"), on: RepositoryPattern("team/**"), by: root)
            #expect(try await upload(bearer, to: "team/app").status == 403)
            try await registry.access.setUser("bob", isAdministrator: nil, isDisabled: true, by: root)
            #expect(try await upload(bearer, to: "team/app").status == 401)
        }
    }

    @Test func refreshTokensOutliveThePasswordsUseAndEndWithIt() async throws {
        try await run { registry in
            let form =
                "grant_type=password&service=strata&client_id=docker&access_type=offline"
                + "&username=bob&password=bob%27s+secret&scope=repository%3Ateam%2Fapp%3Apull"
            let answer = try await registry.client.send("POST", "/token", body: Array(form.utf8))
            #expect(answer.status == 200, "\(answer)")
            let start = try #require(answer.text.firstRange(of: #""refresh_token":""#)).upperBound
            let refresh = String(answer.text[start...].prefix { $0 != "\"" })
            let renew = Array(
                "grant_type=refresh_token&service=strata&client_id=docker&refresh_token=\(refresh)&scope=repository:team/app:push"
                    .utf8)
            let renewed = try await registry.client.send("POST", "/token", body: renew)
            #expect(renewed.status == 200)
            var bearer = registry.client
            bearer.headers["Authorization"] = "Bearer \(try token(renewed))"
            #expect(try await upload(bearer, to: "team/app").status == 201)
            try await registry.access.setPassword("bob", to: "another", by: root)
            #expect(try await registry.client.send("POST", "/token", body: renew).status == 401)
            for bad in ["grant_type=x", "grant_type=password&service=elsewhere", "grant_type=%zz"] {
                #expect(try await registry.client.send("POST", "/token", body: Array(bad.utf8)).status == 400)
            }
        }
    }

    @Test(arguments: [
        "Bearer", "Bearer x.y.z", "Bearer eyJhbGciOiJub25lIn0.e30.", "Basic !!!", "Digest a",
        "Basic \(String(repeating: "A", count: 8000))",
    ])
    func malformedCredentialsAreRefused(_ header: String) async throws {
        try await run { registry in
            let answer = try await registry.client.send("GET", "/v2/", headers: ["Authorization": header])
            #expect(answer.status == 401 && answer["WWW-Authenticate"] != nil, "\(answer)")
        }
    }

    @Test func anonymousPullIsAPolicy() async throws {
        try await run { registry in
            #expect(try await upload(registry.client("ann", "ann's secret"), to: "public/app").status == 201)
            let digest = Digest.sha256(of: [1, 2, 3])
            #expect(try await registry.client.send("GET", "/v2/public/app/blobs/\(digest)").status == 200)
            #expect(try await upload(registry.client, to: "public/app").status == 401)
            // The same by an anonymous token, as podman and docker pull.
            let answer = try await registry.client.send(
                "GET", "/token?service=strata&scope=repository:public/app:pull,push&scope=repository:team/app:pull")
            var bearer = registry.client
            bearer.headers["Authorization"] = "Bearer \(try token(answer))"
            #expect(try await bearer.send("GET", "/v2/").status == 200)
            #expect(try await bearer.send("GET", "/v2/public/app/blobs/\(digest)").status == 200)
            #expect(try await upload(bearer, to: "public/app").status == 401)
            #expect(try await bearer.send("GET", "/v2/team/app/tags/list").status == 401)
        }
    }

    @Test func theCatalogShowsWhatOneMaySee() async throws {
        try await run { registry in
            let ann = registry.client("ann", "ann's secret")
            for name in ["team/a", "public/b", "secret/c"] { #expect(try await upload(ann, to: name).status == 201) }
            #expect(try await registry.client.send("GET", "/v2/_catalog").status == 401)
            #expect(
                try await ann.send("GET", "/v2/_catalog").text
                    == #"{"repositories":["public/b","secret/c","team/a"]}"#)
            let bob = registry.client("bob", "bob's secret")
            let page = try await bob.send("GET", "/v2/_catalog?n=1")
            #expect(page.text == #"{"repositories":["public/b"]}"# && page["Link"] != nil)
            let rest = try await bob.send("GET", "/v2/_catalog?n=1&last=public/b")
            #expect(rest.text == #"{"repositories":["team/a"]}"# && rest["Link"] == nil)
        }
    }

    /// A mount gives no blob that a pull would not.
    @Test func mountsNeedTheRightToPullTheSource() async throws {
        try await run { registry in
            #expect(try await upload(registry.client("ann", "ann's secret"), to: "secret/c").status == 201)
            let digest = Digest.sha256(of: [1, 2, 3])
            let bob = registry.client("bob", "bob's secret")
            for query in ["mount=\(digest)&from=secret/c", "mount=\(digest)"] {
                #expect(try await bob.send("POST", "/v2/team/app/blobs/uploads/?\(query)", body: []).status == 202)
            }
            #expect(try await upload(bob, to: "team/a").status == 201)
            let mounted = try await bob.send("POST", "/v2/team/app/blobs/uploads/?mount=\(digest)", body: [])
            #expect(mounted.status == 201)
        }
    }

    @Test func guessingIsSlowedDown() async throws {
        // Guesses wear off with time: none passes here.
        try await run(clock: TestClock()) { registry in
            var statuses: [Int] = []
            for number in 0..<7 {
                statuses.append(try await registry.client("bob", "guess \(number)").send("GET", "/v2/").status)
            }
            #expect(statuses.prefix(5).allSatisfy { $0 == 401 } && statuses.suffix(2).allSatisfy { $0 == 429 })
            let locked = try await registry.client("bob", "bob's secret").send("GET", "/v2/")
            #expect(locked.status == 429 && locked["Retry-After"] != nil)
            // Another account from the same place is not locked out.
            #expect(try await registry.client("ann", "ann's secret").send("GET", "/v2/").status == 200)
            let actions = try await registry.registry.database.read { try $0.auditEntries(limit: 100) }.map(\.action)
            #expect(actions.filter { $0 == "login.failed" }.count == 5)
            #expect(actions.contains("user.add") && actions.contains("access.grant"))
        }
    }

    /// What a proxy of ours appended counts; what a client wrote before it does not, however long it is.
    @Test(arguments: [
        ("203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7, 127.0.0.1", "203.0.113.7"),
        ("2001:db8::7", "2001:db8::7"),
        (String(repeating: "198.51.100.1, ", count: 400) + "203.0.113.7", "203.0.113.7"),
        ("somebody", "127.0.0.1"),
        (String(repeating: "a", count: 5000), "127.0.0.1"),
    ])
    func aTrustedProxySaysWhoAsks(_ told: String, _ address: String) async throws {
        func heard(_ registry: TestRegistry) async throws -> [String] {
            var client = registry.client("bob", "a guess")
            client.headers["X-Forwarded-For"] = told
            #expect(try await client.send("GET", "/v2/").status == 401)
            let entries = try await registry.registry.database.read { try $0.auditEntries(limit: 100) }
            return entries.filter { $0.action == "login.failed" }.map(\.address)
        }
        #expect(try await run({ _ in }, heard) == ["127.0.0.1"])
        #expect(try await run({ $0.trustedProxies = ["127.0.0.1"] }, heard) == [address])
    }

    @Test func robotsAndTheirSecretsExpire() async throws {
        try await run { registry in
            let secret = try await registry.access.addRobot("ci", lifetime: .seconds(3600), by: root)
            try await registry.access.addGroup("builders", by: root)
            try await registry.access.setMember("ci", of: "builders", isMember: true, by: root)
            try await registry.access.grant(
                AccessRule(subject: .group("builders"), pattern: RepositoryPattern("ci/*"), actions: [.push]), by: root)
            #expect(try await upload(registry.client("ci", secret), to: "ci/app").status == 201)
            let next = try await registry.access.renewRobot("ci", lifetime: .seconds(-1), by: root)
            #expect(try await upload(registry.client("ci", secret), to: "ci/app").status == 401)
            let expired = try await upload(registry.client("ci", next), to: "ci/app")
            #expect(expired.status == 401 && expired.text.contains("expired"))
            await #expect(throws: AccountError.self) {
                try await registry.access.removeAccount("ann", kind: .user, by: root)
            }
        }
    }

    @Test func metricsAreForAdministrators() async throws {
        try await run { registry in
            #expect(try await registry.client.send("GET", "/metrics").status == 401)
            #expect(try await registry.client("bob", "bob's secret").send("GET", "/metrics").status == 403)
            let ann = registry.client("ann", "ann's secret")
            #expect(try await upload(ann, to: "a").status == 201)
            let text = try await ann.send("GET", "/metrics").text
            #expect(text.contains(#"strata_registry_requests_total{method="POST",status="201"} 1"#), "\(text)")
            #expect(
                text.contains("strata_registry_blob_bytes 3\n")
                    && text.contains("strata_registry_received_bytes_total 3\n"))
        }
    }

    @Test func deletesCanBeForbidden() async throws {
        try await run({ $0.policy.deletes = false }) { (registry: TestRegistry) async throws -> Void in
            let ann = registry.client("ann", "ann's secret")
            #expect(try await upload(ann, to: "a").status == 201)
            #expect(try await ann.send("DELETE", "/v2/a/blobs/\(Digest.sha256(of: [1, 2, 3]))").status == 405)
        }
    }
}
