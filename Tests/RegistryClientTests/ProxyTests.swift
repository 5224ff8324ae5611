import OCI
import TestSupport
import Testing

@testable import RegistryClient

/// Proxies of HTTPS_PROXY, HTTP_PROXY and NO_PROXY.
@Suite struct ProxyTests {
    @Test(
        arguments: [
            ("http://p.test:3128", "http p.test:3128 "), ("p.test:3128", "http p.test:3128 "),
            ("p.test", "http p.test:80 "),
            ("http://p.test/", "http p.test:80 "), ("http://me:w%40rd@p.test:1", "http p.test:1 me:w@rd"),
            ("http://me@p.test", "http p.test:80 me:"), ("socks5://p.test", "socks5 p.test:1080 "),
            ("socks5://p.test:80", "socks5 p.test:80 "), ("HTTP://[::1]:8", "http [::1]:8 "), ("https://p.test", nil),
            ("ftp://p.test", nil), ("", nil), ("http://", nil), ("http://p.test:x", nil), ("http://a:%zz@p.test", nil),
            ("socks5://a:b@p.test", nil), ("p q", nil),
        ] as [(String, String?)])
    func servers(_ text: String, _ read: String?) {
        let server = ProxyRules.parse(text)
        let login = server?.user.map { "\($0):\(server?.password?.reveal() ?? "")" } ?? ""
        #expect(server.map { "\($0.kind) \($0.authority) \(login)" } == read)
    }

    @Test(arguments: [
        ("", "a.test", true), ("*", "a.test", false), ("a.test", "a.test", false), ("a.test", "sub.a.test", false),
        ("a.test", "ba.test", true), (".a.test", "a.test", true), (".a.test", "sub.a.test", false),
        ("*.a.test", "sub.a.test", false), ("b.test, A.test", "a.test", false), ("a.test:443", "a.test", false),
        ("a.test:444", "a.test", true), ("10.0.0.0/8", "10.1.2.3", false), ("10.0.0.0/8", "11.1.2.3", true),
        ("10.1.2.3", "10.1.2.3", false), (",,", "a.test", true), ("", "localhost", false), ("", "127.0.0.1", false),
        ("", "[::1]", false),
    ])
    func exceptions(_ exceptions: String, _ host: String, _ isProxied: Bool) throws {
        let rules = ProxyRules(ProxySettings(environment: ["https_proxy": "p.test:1", "NO_PROXY": exceptions]))
        let proxy = try rules.proxy(for: .init(scheme: .https, host: host, port: 443))
        #expect((proxy != nil) == isProxied)
        #expect(try rules.proxy(for: .init(scheme: .http, host: host, port: 443)) == nil)
    }

    @Test func capitalsGoFirst() {
        let settings = ProxySettings(environment: [
            "HTTP_PROXY": "a", "http_proxy": "b", "HTTPS_PROXY": "", "https_proxy": "c",
        ])
        #expect(settings.http == "a" && settings.https == "c" && settings.exceptions == nil)
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var outcome: Outcome
        /// What the proxy answers to CONNECT.
        var status: Int?
        var login = ""
        var check: @Sendable (RegistryError) -> Bool = { _ in true }
    }

    @Test(arguments: [
        Case(
            testDescription: "wants a password", outcome: .registry(.configuration), status: 407,
            check: { $0.hint?.contains("USER:PASSWORD") == true }),
        Case(testDescription: "forbids", outcome: .registry(.unavailable), status: 403, login: "me:word@"),
        Case(testDescription: "is gone", outcome: .registry(.unreachable), status: nil),
    ])
    func aProxyThatFailsIsNamed(_ row: Case) async throws {
        let proxy = try await FaultServer { _ in ServerReply(row.status ?? 200) }
        if row.status == nil { await proxy.stop() }
        try await withClient {
            $0.proxies.https = "http://\(row.login)\(proxy.authority)"
        } _: { client in
            let (outcome, error) = try await Outcome.of {
                _ = try await client.resolve(Reference(parsing: "registry.test/a"))
            }
            #expect(outcome == row.outcome, "\(error?.description ?? "")")
            #expect(error?.message.contains("the proxy `\(proxy.authority)`") == true)
            if let error { #expect(row.check(error)) }
            for request in proxy.requests {
                #expect(request.method == "CONNECT" && request.path == "registry.test:443")
                #expect(request.header("Proxy-Authorization") == (row.login.isEmpty ? nil : "Basic bWU6d29yZA=="))
            }
            #expect(proxy.requests.isEmpty == (row.status == nil))
        }
        await proxy.stop()
    }

    /// nginx's certificate is for 127.0.0.1: the name that the proxy is asked for leads there.
    @Test func tlsGoesThroughATunnel() async throws {
        let nginx = try NginxServer(
            locations: "location / { default_type text/plain; return 200 '{\"schemaVersion\":2,\"manifests\":[]}'; }")
        defer { nginx.stop() }
        let tunnel = try Tunnel(to: nginx.authority(.good))
        defer { tunnel.stop() }
        try await withClient {
            $0.proxies.https = tunnel.authority
            $0.insecureRegistries = ["registry.test"]
        } _: { client in
            let resolved = try await client.resolve(Reference(parsing: "registry.test/a"))
            #expect(resolved.bytes == Array(#"{"schemaVersion":2,"manifests":[]}"#.utf8))
        }
        // One connection, with the registry's name.
        #expect(Set(tunnel.log.split(separator: "\n")) == ["CONNECT registry.test:443 HTTP/1.1"])
    }

    @Test func aVariableThatNamesNoneIsTold() async throws {
        try await withClient {
            $0.proxies.https = "https://p.test"
        } _: { client in
            let (outcome, error) = try await Outcome.of {
                _ = try await client.resolve(Reference(parsing: "registry.test/a"))
            }
            #expect(outcome == .registry(.configuration))
            #expect(error?.message.contains("HTTPS_PROXY") == true)
        }
    }
}
