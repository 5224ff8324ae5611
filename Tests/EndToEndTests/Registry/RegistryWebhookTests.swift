import OCI
import TestSupport
import Testing

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Webhooks of the registry that people start: the receiver is down for a while, and the server is killed meanwhile.
struct RegistryWebhookTests {
    private struct Event: Decodable {
        struct Content: Decodable { var repository: String }
        var id: String
        var data: Content
    }

    private struct Log: Decodable {
        struct Entry: Decodable {
            var id: Int64
            var repository: String
        }
        var events: [Entry]
    }

    private func push(_ number: Int, to name: String, _ client: WireClient) async throws {
        let config = Array("\(name) \(number)".utf8)
        let digest = Digest.sha256(of: config)
        _ = try await client.send("POST", "/v2/\(name)/blobs/uploads/?digest=\(digest)", body: config)
        let manifest = Array(
            """
            {"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":\
            "application/vnd.test","digest":"\(digest)","size":\(config.count)},"layers":[]}
            """.utf8)
        let put = try await client.send(
            "PUT", "/v2/\(name)/manifests/live",
            headers: ["Content-Type": "application/vnd.oci.image.manifest.v1+json"], body: manifest)
        #expect(put.status == 201, "\(put)")
    }

    private func until(_ what: String, _ condition: () throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while try !condition() {
            try #require(ContinuousClock.now < deadline, "\(what)")
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// What came of each repository, each event once, in the order of its first arrival.
    private func arrived(_ receiver: WebhookReceiver) throws -> [String: [Int64]] {
        var found: [String: [Int64]] = [:]
        for request in receiver.requests {
            let event = try JSONDecoder().decode(Event.self, from: Data(request.body))
            let id = try #require(Int64(event.id))
            if found[event.data.repository]?.contains(id) != true {
                found[event.data.repository, default: []].append(id)
            }
        }
        return found
    }

    @Test func everyEventComesInOrderThoughTheReceiverIsDownAndTheServerIsKilled() async throws {
        let strata = try StrataProcess()
        let (port, hookPort) = (try freePort(), try freePort())
        try strata.succeed("registry", "webhook", "add", "deploy", "http://127.0.0.1:\(hookPort)/hook")
        let repositories = ["team/a", "team/b", "other"]
        func pushAll(_ numbers: ClosedRange<Int>, _ client: WireClient) async throws {
            for number in numbers { for name in repositories { try await push(number, to: name, client) } }
        }
        // Down: the first attempts fail. Killed with everything still to be sent.
        var served = try await ServedRegistry.start(strata, port: port)
        try await pushAll(1...4, served.client)
        try await until("no attempt was made") {
            try strata.succeed("registry", "webhook", "deliveries", "deploy", "--format", "{{.State}} {{.Attempts}}")
                .split(separator: "\n").contains { $0.hasPrefix("waiting ") && $0 != "waiting 0" }
        }
        served.process.signal(9)
        _ = try served.process.finish()
        // There again, but it fails first; and the server is killed in the midst of its deliveries.
        let receiver = try WebhookReceiver(port: hookPort, statuses: [503, 500])
        defer { receiver.close() }
        served = try await ServedRegistry.start(strata, port: port)
        try strata.succeed("registry", "webhook", "enable", "deploy")
        try await pushAll(5...6, served.client)
        try await until("nothing was delivered") { receiver.requests.count >= 5 }
        served.process.signal(9)
        _ = try served.process.finish()
        served = try await ServedRegistry.start(strata, port: port)
        try await pushAll(7...7, served.client)
        let log = try JSONDecoder().decode(
            Log.self, from: Data(try await served.client.send("GET", "/api/v1/events?limit=1000").body))
        var expected: [String: [Int64]] = [:]
        for event in log.events { expected[event.repository, default: []].append(event.id) }
        #expect(expected.values.allSatisfy { $0.count == 14 }, "a manifest and a tag each time: \(expected)")
        try await until("not every event was delivered") {
            // What was refused waits ten seconds otherwise; a person who repaired the receiver does not.
            try strata.succeed("registry", "webhook", "enable", "deploy")
            return try arrived(receiver).values.reduce(0) { $0 + $1.count } >= log.events.count
        }
        #expect(try arrived(receiver) == expected)
        // The log of deliveries outlived the kills.
        try await until("a delivery is not settled") {
            try strata.succeed("registry", "webhook", "deliveries", "deploy", "--format", "{{.State}}")
                .split(separator: "\n").allSatisfy { $0 == "delivered" }
        }
        let deliveries = try strata.succeed("registry", "webhook", "deliveries", "deploy", "--format", "{{.Event}}")
        #expect(deliveries.split(separator: "\n").count == log.events.count)
        try served.stop()
        #expect(try strata.run("registry", "check").status == 0)
    }
}
