import Linux
import OCI
import TestSupport
import Testing

/// The served registry under more than the usual load.
struct RegistryLoadTests {
    private let environment = ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SWIFT_BACKTRACE": "enable=no"]

    /// - Parameter descriptors: the soft limit that it is started with.
    private func serve(_ directory: TemporaryDirectory, _ port: Int, descriptors: Int = 256) async throws
        -> RunningProcess
    {
        let server = try RunningProcess(
            [
                "/bin/sh", "-c", "ulimit -Sn \(descriptors); exec \"$0\" \"$@\"", StrataProcess.binary, "registry",
                "serve", "--root", directory.path + "/registry", "--listen", "127.0.0.1:\(port)",
            ], environment: environment, directory: directory.path)
        try await server.waits(for: "http", "the registry does not serve")
        return server
    }

    @Test func hundredsOfIdleConnectionsKeepNobodyOut() async throws {
        let directory = try TemporaryDirectory()
        let port = try freePort()
        // Fewer descriptors than connections: the server must have raised its limit.
        let server = try await serve(directory, port)
        let sessions = try (0..<600).map { _ in
            let session = WireSession(port: port)
            try session.connect()
            return session
        }
        for session in sessions.reversed() { #expect(try session.send("GET", "/v2/").status == 200) }
        for session in sessions { session.close() }
        server.signal(15)
        #expect(try server.finish().status == 0)
    }

    @Test func requestsUnderWayEndBeforeTheServerDoes() async throws {
        let directory = try TemporaryDirectory()
        let port = try freePort()
        let server = try await serve(directory, port)
        let uploads = try (0..<16).map { number in
            let bytes = [UInt8](repeating: UInt8(number), count: 300_000)
            let session = WireSession(port: port)
            let target = "/v2/app/blobs/uploads/?digest=\(Digest.sha256(of: bytes))"
            let head = "POST \(target) HTTP/1.1\r\nHost: a\r\nContent-Length: \(bytes.count)\r\n\r\n"
            try session.write(Array(head.utf8) + bytes[..<150_000])
            return (session: session, bytes: bytes)
        }
        // All of them are seen, and one connection is idle.
        let idle = WireSession(port: port)
        let end = ContinuousClock.now + .seconds(60)
        while try !idle.send("GET", "/metrics").text.contains("requests_under_way 17") {
            if ContinuousClock.now > end { throw StrataProcess.Failure(description: "the uploads did not begin") }
            try await Task.sleep(for: .milliseconds(20))
        }
        server.signal(15)
        #expect(try idle.readToEnd() == 0, "an idle connection is closed at once")
        #expect(throws: WireClient.Failure.self) { try WireSession(port: port).connect() }
        for upload in uploads {
            try upload.session.write(Array(upload.bytes[150_000...]))
            #expect(try upload.session.answer().status == 201)
        }
        let result = try server.finish()
        #expect(result.status == 0 && result.errorOutput.contains("stopped"), "\(result)")
        // What was acknowledged while it stopped is there.
        let again = try await serve(directory, port)
        for upload in uploads {
            let answer = try WireSession(port: port).send(
                "GET", "/v2/app/blobs/\(Digest.sha256(of: upload.bytes))")
            #expect(answer.status == 200 && answer.body == upload.bytes)
        }
        again.signal(15)
        #expect(try again.finish().status == 0)
    }
}
