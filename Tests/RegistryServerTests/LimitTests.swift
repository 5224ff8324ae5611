import Glibc
import Linux
import OCI
import RegistryServer
import TestSupport
import Testing

/// What one client may take of the server, so that others get theirs.
struct LimitTests {
    private static let deadline = Duration.seconds(60)

    /// Waits until something holds.
    private func eventually(_ what: String, _ condition: () async throws -> Bool) async throws {
        let end = ContinuousClock.now + Self.deadline
        while try await !condition() {
            if ContinuousClock.now > end {
                Issue.record("not within \(Self.deadline): \(what)")
                return
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Sends a byte again and again until the server has cut the connection.
    ///
    /// - Returns: false where it did not within the deadline.
    private static func drips(_ session: WireSession, _ byte: UInt8) -> Bool {
        let end = ContinuousClock.now + deadline
        while ContinuousClock.now < end {
            do { try session.write([byte]) } catch { return true }
            usleep(50_000)
        }
        return false
    }

    /// Waits for a client's answers on a thread of its own.
    private func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await onThread(named: "client", body)
    }

    private func underWay(_ registry: TestRegistry) async throws -> Int {
        let text = try await registry.client.send("GET", "/metrics").text
        let line = text.split(separator: "\n").first { $0.hasPrefix("strata_registry_requests_under_way ") }
        // The question itself is one.
        return (line.flatMap { Int($0.split(separator: " ")[1]) } ?? 0) - 1
    }

    private func push(_ bytes: [UInt8], _ registry: TestRegistry) async throws -> Digest {
        let digest = Digest.sha256(of: bytes)
        let answer = try await registry.client.send("POST", "/v2/app/blobs/uploads/?digest=\(digest)", body: bytes)
        #expect(answer.status == 201, "\(answer)")
        return digest
    }

    @Test func aHeadThatComesByteByByteIsCutOffWhileOthersAreServed() async throws {
        try await TestRegistry.run {
            $0.limits.idleTime = .seconds(3)
        } _: { registry in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<16 {
                    group.addTask { [port = registry.server.port] in
                        try await onThread(named: "slow") {
                            let session = WireSession(port: port)
                            try session.write(Array("GET /v2/ HTTP/1.1\r\nHost: slow\r\nX-Slow: ".utf8))
                            return Self.drips(session, UInt8(ascii: "a"))
                        }
                    }
                }
                #expect(try await registry.client.send("GET", "/v2/").status == 200)
                for try await wasCut in group { #expect(wasCut) }
            }
        }
    }

    @Test func aBodyThatNeverEndsIsCutOffAndTheUploadGoesOnLater() async throws {
        try await TestRegistry.run {
            // Long enough for every honest request of this test, on whatever machine.
            $0.limits.requestTime = .seconds(15)
        } _: { registry in
            let start = try await registry.client.send("POST", "/v2/app/blobs/uploads/", body: [])
            let location = try #require(start["Location"])
            let wasCut = try await onThread(named: "slow") { [port = registry.server.port] in
                let session = WireSession(port: port)
                try session.write(
                    Array("PATCH \(location) HTTP/1.1\r\nHost: slow\r\nContent-Length: 100000000\r\n\r\n".utf8))
                return Self.drips(session, 7)
            }
            #expect(wasCut)
            // What came is kept; the rest may come from another connection.
            var count = 0
            try await eventually("the upload is free again") {
                let state = try await registry.client.send("GET", location)
                guard state.status == 204, let range = state["Range"] else { return false }
                count = (Int(range.dropFirst(2)) ?? -1) + 1
                return true
            }
            #expect(count > 0)
            let bytes = [UInt8](repeating: 7, count: count) + Array("the rest".utf8)
            let end = try await registry.client.send(
                "PUT", "\(location)?digest=\(Digest.sha256(of: bytes))", body: Array("the rest".utf8))
            #expect(end.status == 201, "\(end)")
        }
    }

    @Test func whoeverTakesNothingIsCutOff() async throws {
        try await TestRegistry.run {
            $0.limits.idleTime = .seconds(3)
        } _: { registry in
            // More than the kernel holds for a reader that does not read.
            let digest = try await push([UInt8](repeating: 9, count: 64 << 20), registry)
            let session = WireSession(port: registry.server.port)
            try session.write(Array("GET /v2/app/blobs/\(digest) HTTP/1.1\r\nHost: slow\r\n\r\n".utf8))
            try await eventually("the transfer began") { try await underWay(registry) == 1 }
            try await eventually("the transfer was given up") { try await underWay(registry) == 0 }
            #expect(try await blocking { try session.readToEnd() } < 64 << 20)
        }
    }

    @Test func aStopEndsWhatDoesNotEnd() async throws {
        try await TestRegistry.run {
            $0.limits.shutdownTime = .seconds(1)
        } _: { registry in
            let digest = try await push([UInt8](repeating: 9, count: 64 << 20), registry)
            let reader = WireSession(port: registry.server.port)
            try reader.write(Array("GET /v2/app/blobs/\(digest) HTTP/1.1\r\nHost: slow\r\n\r\n".utf8))
            let writer = WireSession(port: registry.server.port)
            try writer.write(
                Array("PUT /v2/app/manifests/v1 HTTP/1.1\r\nHost: slow\r\nContent-Length: 1000\r\n\r\n{".utf8))
            try await eventually("both are under way") { try await underWay(registry) == 2 }
            try await registry.service.stop()
            // The whole blob did not come, and both are at their end.
            #expect(try await blocking { try reader.readToEnd() } < 64 << 20)
            // What the writer reads is at most that the server stops.
            #expect(try await blocking { try writer.readToEnd() } < 1000)
        }
    }

    /// The deadline may close the server while it is being told to end.
    @Test func aStopWithoutPatienceIsNoFailure() async throws {
        for _ in 0..<20 {
            try await TestRegistry.run {
                $0.limits.shutdownTime = .zero
            } _: { registry in
                let answer = try await registry.client.send("GET", "/v2/")
                #expect(answer.status == 200)
            }
        }
    }

    @Test func uploadsBeyondTheLimitAreToldToComeBack() async throws {
        var policy = RegistryPolicy()
        policy.concurrentUploads = 2
        try await TestRegistry.run(policy: policy) { registry in
            let bytes = [UInt8](repeating: 3, count: 1000)
            let digest = Digest.sha256(of: bytes)
            let sessions = (0..<2).map { _ in WireSession(port: registry.server.port) }
            for session in sessions {
                let head =
                    "POST /v2/app/blobs/uploads/?digest=\(digest) HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
                try session.write(Array(head.utf8) + bytes[..<500])
            }
            let path = "/v2/app/blobs/uploads/?digest=\(digest)"
            // A third one that came before the second would take its place.
            try await eventually("both are under way") { try registry.registry.storage.uploads().count == 2 }
            let third = try await registry.client.send("POST", path, body: bytes)
            #expect(third.status == 429 && third.text.contains("TOOMANYREQUESTS") && third["Retry-After"] != nil)
            for session in sessions {
                let status = try await blocking {
                    try session.write(Array(bytes[500...]))
                    return try session.answer().status
                }
                #expect(status == 201)
            }
            #expect(try await registry.client.send("POST", path, body: bytes).status == 201)
        }
    }

    @Test func bodiesBeyondTheLimitsAreRefused() async throws {
        var policy = RegistryPolicy()
        policy.largestBlob = 10_000
        try await TestRegistry.run(policy: policy) { registry in
            let client = registry.client
            let large = [UInt8](repeating: 3, count: 10_001)
            let path = "/v2/app/blobs/uploads/"
            let announced = try await client.send("POST", "\(path)?digest=\(Digest.sha256(of: large))", body: large)
            #expect(announced.status == 413 && announced.text.contains("SIZE_INVALID"))
            // Without a length, in two chunks, and by what was sent before: the sum counts.
            let start = try #require(try await client.send("POST", path, body: [])["Location"])
            let chunk = Array("1388\r\n".utf8) + large[..<5000] + Array("\r\n".utf8)
            let unannounced = try await client.send(
                "PATCH", start, headers: ["Transfer-Encoding": "chunked"],
                body: chunk + chunk + chunk + Array("0\r\n\r\n".utf8))
            #expect(unannounced.status == 413, "\(unannounced)")
            let second = try #require(try await client.send("POST", path, body: [])["Location"])
            #expect(try await client.send("PATCH", second, body: Array(large[..<6000])).status == 202)
            #expect(try await client.send("PATCH", second, body: Array(large[..<6000])).status == 413)
            let fits = Array(large[..<10_000])
            #expect(
                try await client.send("POST", "\(path)?digest=\(Digest.sha256(of: fits))", body: fits).status == 201)
            let manifest = try await client.send(
                "PUT", "/v2/app/manifests/v1", body: [UInt8](repeating: 32, count: Limits.manifestBytes + 1))
            #expect(manifest.status == 413, "\(manifest)")
        }
    }

    @Test func connectionsBeyondTheLimitWaitUntilOneIsFree() async throws {
        try await TestRegistry.run {
            $0.limits.connections = 4
        } _: { registry in
            let port = registry.server.port
            let sessions = (0..<4).map { _ in WireSession(port: port) }
            for session in sessions {
                #expect(try await blocking { try session.send("GET", "/v2/").status } == 200)
            }
            let fifth = WireSession(port: port)
            try fifth.write(Array("GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n".utf8))
            // It is where the kernel keeps what nobody accepts: first in the queue of the listening socket.
            try await eventually("the fifth one waits") {
                try await blocking {
                    try runShell("ss -Hltn 'sport = :\(port)' | awk '{print $2}'", in: "/").hasPrefix("1")
                }
            }
            sessions[0].close()
            #expect(try await blocking { try fifth.answer().status } == 200)
        }
    }
}
