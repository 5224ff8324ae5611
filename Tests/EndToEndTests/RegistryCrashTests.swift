import OCI
import Synchronization
import TestSupport
import Testing

/// Killed at random points while clients push, delete and garbage is collected: nothing acknowledged is lost.
struct RegistryCrashTests {
    /// What the registry said yes to, and what was deleted since.
    private final class Ledger: Sendable {
        private struct State {
            var tags: [String: [UInt8]] = [:]
            /// Deletes that were sent and perhaps not answered: such a tag may be there or not.
            var doubtful: Set<String> = []
            var pushes = 0
        }

        private let state = Mutex(State())

        func pushed(_ tag: String, _ manifest: [UInt8]) {
            state.withLock {
                $0.tags[tag] = manifest
                $0.pushes += 1
            }
        }
        func deletes(_ tag: String) { state.withLock { _ = $0.doubtful.insert(tag) } }
        func deleted(_ tag: String) { state.withLock { $0.tags[tag] = nil } }
        var certain: [String: [UInt8]] {
            state.withLock { state in state.tags.filter { !state.doubtful.contains($0.key) } }
        }
        var pushes: Int { state.withLock { $0.pushes } }
        func victim() -> String? { state.withLock { state in state.tags.keys.first { !state.doubtful.contains($0) } } }
    }

    private static func push(_ client: WireClient, _ tag: String) async throws -> [UInt8]? {
        var parts: [String] = []
        for (kind, count) in [("config", 40), ("layer", 30_000)] {
            let bytes =
                (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ tag.hashValue) }
                + Array("\(kind) of \(tag)".utf8)
            let digest = Digest.sha256(of: bytes)
            // In chunks and in one: both die in their own ways.
            let start = try await client.send("POST", "/v2/app/blobs/uploads/", body: [])
            guard start.status == 202, let location = start["Location"] else { return nil }
            guard try await client.send("PATCH", location, body: Array(bytes.prefix(count / 2))).status == 202 else {
                return nil
            }
            let end = try await client.send(
                "PUT", "\(location)?digest=\(digest)", body: Array(bytes.dropFirst(count / 2)))
            guard end.status == 201 else { return nil }
            parts.append(
                #"{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"\#(digest)","size":\#(bytes.count)}"#)
        }
        let manifest = Array(
            """
            {"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":\(parts[0]),\
            "layers":[\(parts[1])]}
            """.utf8)
        let put = try await client.send(
            "PUT", "/v2/app/manifests/\(tag)",
            headers: ["Content-Type": "application/vnd.oci.image.manifest.v1+json"], body: manifest)
        return put.status == 201 ? manifest : nil
    }

    @Test func whatWasAcknowledgedOutlivesEveryKill() async throws {
        let strata = try StrataProcess()
        let ledger = Ledger()
        let port = try freePort()
        func start() async throws -> RunningProcess {
            // No grace: whatever garbage collection may take, it takes at once, in the middle of the pushes.
            let server = try strata.start([
                "registry", "serve", "--listen", "127.0.0.1:\(port)", "--gc-interval", "1s", "--grace", "2s",
                "--remove-untagged",
            ])
            let deadline = ContinuousClock.now + .seconds(60)
            while !server.output.contains("http") {
                if ContinuousClock.now > deadline {
                    throw StrataProcess.Failure(description: "the registry does not serve: \(server.errorOutput)")
                }
                try await Task.sleep(for: .milliseconds(10))
            }
            return server
        }
        let client = WireClient(port: port)
        for round in 0..<12 {
            let server = try await start()
            await withTaskGroup(of: Void.self) { group in
                for worker in 0..<4 {
                    group.addTask {
                        for number in 0..<1000 {
                            let tag = "t\(round)-\(worker)-\(number)"
                            do {
                                guard let manifest = try await Self.push(client, tag) else { return }
                                ledger.pushed(tag, manifest)
                                if number % 3 == 2, let victim = ledger.victim() {
                                    ledger.deletes(victim)
                                    if try await client.send("DELETE", "/v2/app/manifests/\(victim)").status == 202 {
                                        ledger.deleted(victim)
                                    }
                                }
                            } catch {
                                // The server is gone.
                                return
                            }
                        }
                    }
                }
                group.addTask {
                    try? await Task.sleep(for: .milliseconds(Int.random(in: 100...900)))
                    server.signal(9)
                }
            }
            _ = try server.finish()
        }
        let server = try await start()
        for (tag, manifest) in ledger.certain {
            let answer = try await client.send("GET", "/v2/app/manifests/\(tag)")
            #expect(answer.status == 200 && answer.body == manifest, "\(tag): \(answer)")
        }
        #expect(ledger.pushes > 0, "no push was acknowledged")
        let check = try strata.run("registry", "check")
        #expect(check.status == 0 && check.output.contains("Everything is as it must be"), "\(check)")
        server.signal(15)
        #expect(try server.finish().status == 0)
    }
}
