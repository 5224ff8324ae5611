import OCI
import RegistryClient
import TestSupport
import Testing

/// TLS with a real server: whom we trust, and whom we show ourselves to.
@Suite struct TLSTests {
    private static let index = #"{"schemaVersion":2,"manifests":[]}"#
    private static let locations = """
        location / { default_type application/vnd.oci.image.index.v1+json; return 200 '\(index)'; }
        location /v2/team/down/ { return 307 http://127.0.0.1:1/; }
        location /v2/team/door/ {
            add_header WWW-Authenticate 'Bearer realm="http://127.0.0.1:1/token"' always;
            return 401;
        }
        """

    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var door: NginxServer.Door
        /// What lies in the registry's directory of certs.d: a name and where it comes from.
        var files: [(name: String, source: String)] = [("ca.crt", "ca.crt")]
        var outcome: Outcome
        var path = "team/app"
        var isInsecure = false
        var check: @Sendable (RegistryError) -> Bool = { _ in true }
    }

    private static let pair = [("ca.crt", "ca.crt"), ("me.cert", "client.cert"), ("me.key", "client.key")]

    static let cases: [Case] = [
        Case(
            testDescription: "an unknown authority", door: .good, files: [], outcome: .registry(.tlsFailure),
            check: { $0.message.contains("unknown authority") && $0.hint?.contains("/ca.crt") == true }),
        Case(testDescription: "an authority in certs.d", door: .good, outcome: .fine),
        Case(testDescription: "insecure", door: .good, files: [], outcome: .fine, isInsecure: true),
        Case(
            testDescription: "no client certificate", door: .client, outcome: .registry(.rejected),
            check: { $0.status == 400 }),
        Case(testDescription: "a client certificate", door: .client, files: pair, outcome: .fine),
        Case(
            testDescription: "a client certificate without its key", door: .client,
            files: [("ca.crt", "ca.crt"), ("me.cert", "client.cert")], outcome: .registry(.configuration),
            check: { $0.hint?.contains("NAME.key") == true }),
        Case(
            testDescription: "another host's certificate", door: .foreign, outcome: .registry(.tlsFailure),
            check: { $0.message.contains("not for") || $0.message.contains("verify") }),
        Case(
            testDescription: "an expired certificate", door: .expired, outcome: .registry(.tlsFailure),
            check: { $0.message.contains("expired") }),
        Case(
            testDescription: "an authority that is none", door: .good, files: [("ca.crt", "locations")],
            outcome: .registry(.configuration)),
        Case(
            testDescription: "down to http", door: .good, outcome: .registry(.badRedirect), path: "team/down",
            check: { $0.message.contains("from https to http") }),
        Case(
            testDescription: "a token over http", door: .good, outcome: .registry(.invalidAnswer), path: "team/door",
            check: { $0.message.contains("over http") }),
    ]

    @Test func whomWeTrust() async throws {
        let nginx = try NginxServer(locations: Self.locations)
        defer { nginx.stop() }
        for row in Self.cases {
            let certs = try TemporaryDirectory()
            defer { certs.remove() }
            let authority = nginx.authority(row.door)
            _ = try runShell("mkdir -p '\(certs.path)/\(authority)'")
            for file in row.files {
                _ = try runShell(
                    "cp '\(nginx.directory.path)/\(file.source)' '\(certs.path)/\(authority)/\(file.name)'")
            }
            let clock = TestClock()
            try await withClient(clock: clock) {
                $0.certsDirectories = ["/nowhere", certs.path]
                $0.trustsLoopback = false
                if row.isInsecure { $0.insecureRegistries = [authority] }
            } _: { client in
                let (outcome, error) = try await Outcome.of {
                    let resolved = try await client.resolve(Reference(parsing: "\(authority)/\(row.path)"))
                    #expect(resolved.bytes == Array(Self.index.utf8))
                }
                #expect(outcome == row.outcome, "\(row.testDescription): \(error?.description ?? "")")
                if let error { #expect(row.check(error), "\(row.testDescription): \(error), \(error.hint ?? "")") }
                // What is wrong with a certificate stays wrong.
                #expect(clock.sleeps == [], "\(row.testDescription)")
            }
        }
    }

    /// A port of this machine that speaks http only, whatever it says at the API's root: what no registry says there is no
    /// reason to stay with http before https was tried.
    @Test(arguments: [(200, 1), (401, 1), (429, 1), (404, 2), (400, 2)]) func httpOnThisMachine(
        _ status: Int, _ pings: Int
    )
        async throws
    {
        try await FaultServer.with({ exchange in
            exchange.path == "/v2/"
                ? ServerReply(status)
                : ServerReply(
                    200, headers: [("Content-Type", "application/vnd.oci.image.index.v1+json")], text: Self.index)
        }) { server in
            try await withClient { client in
                for _ in 0..<2 {
                    let resolved = try await client.resolve(Reference(parsing: "\(server.authority)/team/app"))
                    #expect(resolved.bytes == Array(Self.index.utf8))
                }
                #expect(server.requests.filter { $0.path == "/v2/" }.count == pings)
            }
        }
    }

    @Test func httpWhereHttpsIsWanted() async throws {
        try await FaultServer.with({ _ in ServerReply(200) }) { server in
            try await withClient {
                $0.trustsLoopback = false
            } _: { client in
                let (outcome, error) = try await Outcome.of {
                    _ = try await client.resolve(Reference(parsing: "\(server.authority)/team/app"))
                }
                #expect(outcome == .registry(.tlsFailure) || outcome == .registry(.unavailable), "\(outcome)")
                #expect(error?.description.contains("https://") == true)
                #expect(server.requests.isEmpty)
            }
        }
    }
}
