import OCI
import RegistryServer
import TestSupport
import Testing

/// Events over the API, and their way to a receiver that is not always there.
struct WebhookDeliveryTests {
    private func push(_ number: Int, to name: String, _ registry: TestRegistry) async throws {
        let config: [UInt8] = Array("\(number)".utf8)
        let digest = Digest.sha256(of: config)
        let blob = try await registry.client.send("POST", "/v2/\(name)/blobs/uploads/?digest=\(digest)", body: config)
        #expect(blob.status == 201)
        let manifest = Array(
            """
            {"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":\
            "application/vnd.test","digest":"\(digest)","size":\(config.count)},"layers":[]}
            """.utf8)
        let put = try await registry.client.send(
            "PUT", "/v2/\(name)/manifests/v\(number)",
            headers: ["Content-Type": "application/vnd.oci.image.manifest.v1+json"], body: manifest)
        #expect(put.status == 201)
    }

    private func until(_ seconds: Int, _ condition: () async throws -> Bool) async throws -> Bool {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < deadline {
            if try await condition() { return true }
            try await Task.sleep(for: .milliseconds(20))
        }
        return try await condition()
    }

    private func add(_ hook: Webhook, _ registry: TestRegistry) async throws {
        try hook.check()
        try await registry.registry.database.write { try $0.addWebhook(hook) }
    }

    @Test func eventsAreReadFromAnyCursor() async throws {
        try await TestRegistry.run { registry in
            try await push(1, to: "a", registry)
            try await push(2, to: "b", registry)
            let all = try await registry.client.send("GET", "/api/v1/events")
            #expect(
                all.status == 200 && all.text.contains(#""kind":"tag.created""#) && all.text.contains(#""tag":"v2""#))
            let last = try await registry.registry.database.read { try $0.lastEvent() }
            let none = try await registry.client.send("GET", "/api/v1/events?since=\(last)")
            #expect(none.text == #"{"events":[],"next":\#(last)}"#)
            let b = try await registry.client.send("GET", "/api/v1/events?repository=b&limit=1")
            #expect(b.text.contains(#""repository":"b""#) && !b.text.contains(#""repository":"a""#))
            // Who waits is told as soon as something happens.
            async let waiting = registry.client.send("GET", "/api/v1/events?since=\(last)&wait=30")
            try await push(3, to: "a", registry)
            #expect(try await waiting.text.contains(#""repository":"a""#))
            #expect(try await registry.client.send("GET", "/api/v1/events?since=x").status == 400)
        }
    }

    /// Down at first, then failing, then there: everything arrives, signed, in the order of each repository.
    @Test func everyEventIsDeliveredInOrder() async throws {
        let port = try freePort()
        try await TestRegistry.run { registry in
            let hook = Webhook(
                name: "deploy", url: "http://127.0.0.1:\(port)/hook", pattern: try RepositoryPattern("team/*"),
                kinds: ["tag.created"], secret: "secret")
            try await add(hook, registry)
            for number in 1...3 { try await push(number, to: "team/a", registry) }
            try await push(9, to: "elsewhere", registry)
            let tried = try await until(20) {
                try await registry.registry.database.read { try $0.deliveries(of: "deploy", limit: 9) }
                    .contains { $0.attempts > 0 && $0.state == .waiting }
            }
            #expect(tried)
            let receiver = try WebhookReceiver(port: port, statuses: [503])
            defer { receiver.close() }
            // The next attempt is ten seconds away; a person need not wait for it.
            try await registry.registry.database.write { try $0.setWebhook("deploy", isDisabled: false) }
            #expect(try await until(20) { receiver.requests.count >= 1 })
            // Again and again: the refusal is noted a moment after it was given.
            #expect(
                try await until(20) {
                    try await registry.registry.database.write { try $0.setWebhook("deploy", isDisabled: false) }
                    return receiver.requests.count >= 4
                })
            let bodies = receiver.requests.map { String(decoding: $0.body, as: UTF8.self) }
            #expect(bodies.count == 4 && bodies[0] == bodies[1])
            for (body, tag) in zip(bodies.dropFirst(), ["v1", "v2", "v3"]) {
                #expect(
                    body.contains(#""tag":"\#(tag)""#) && body.contains(#""type":"dev.strata.registry.tag.created""#))
            }
            let last = try #require(receiver.requests.last)
            #expect(last.headers["content-type"] == "application/cloudevents+json")
            let now = registry.registry.now() / 1000
            #expect(
                WebhookSignature.verify(
                    last.headers["strata-signature"] ?? "", of: last.body, secret: Array("secret".utf8), now: now))
            #expect(
                !WebhookSignature.verify(
                    last.headers["strata-signature"] ?? "", of: last.body + [0], secret: Array("secret".utf8), now: now)
            )
            #expect(
                try await until(10) {
                    try await registry.registry.database.read { try $0.deliveries(of: "deploy", limit: 9) }
                        .allSatisfy { $0.state == .delivered && $0.status == 200 && $0.answer == "ok" }
                })
            // By hand, once more.
            let id = try #require(
                try await registry.registry.database.read { try $0.deliveries(of: "deploy", limit: 1) }.first?.id)
            let again = try await registry.client.send("POST", "/api/v1/webhooks/deploy/deliveries/\(id)", body: [])
            #expect(again.status == 202)
            #expect(try await until(20) { receiver.requests.count == 5 })
            #expect(receiver.requests.last?.body == last.body)
        }
    }

    /// The server ends with deliveries under way: the next one makes them.
    @Test func deliveriesSurviveTheServer() async throws {
        let port = try freePort()
        let directory = try TemporaryDirectory()
        var configuration = RegistryServerConfiguration(root: directory.path + "/registry")
        configuration.listen.port = 0
        let logger = TestRegistry.silent
        let first = try await RegistryService.open(configuration, logger: logger)
        let server = try await first.serve()
        let registry = TestRegistry(service: first, server: server, directory: directory)
        let hook = Webhook(
            name: "deploy", url: "http://127.0.0.1:\(port)/", pattern: try RepositoryPattern("**"), kinds: [])
        try await add(hook, registry)
        try await push(1, to: "a", registry)
        try await first.stop()
        let receiver = try WebhookReceiver(port: port)
        defer { receiver.close() }
        let second = try await RegistryService.open(configuration, logger: logger)
        try await second.registry.database.write { try $0.setWebhook("deploy", isDisabled: false) }
        _ = try await second.serve()
        #expect(try await until(20) { receiver.requests.count >= 2 })
        let bodies = receiver.requests.map { String(decoding: $0.body, as: UTF8.self) }
        #expect(bodies.contains { $0.contains("manifest.pushed") } && bodies.contains { $0.contains("tag.created") })
        try await second.stop()
    }

    @Test(arguments: ["", "ftp://x/", "http://", "http://a@b/", "http://a b/", "//x", "http://x/\n"])
    func addressesThatAreNone(_ url: String) throws {
        let pattern = try RepositoryPattern("**")
        #expect(throws: AccountError.self) {
            try Webhook(name: "x", url: url, pattern: pattern, kinds: []).check()
        }
    }
}
