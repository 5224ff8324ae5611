import RegistryServer
import Testing

/// How a registry to be mirrored is named.
struct UpstreamTests {
    @Test(arguments: [
        ("docker.io", "docker.io", "docker.io"), ("localhost:5001", "localhost_5001", "localhost:5001"),
        ("hub=https://hub.example/proxy/", "hub", "hub.example/proxy"),
        ("a.test=http://upstream", "a.test", "upstream:80"),
    ])
    func upstreamsAreRead(_ text: String, _ folder: String, _ location: String) throws {
        let upstream = try Upstream(parsing: text)
        #expect(upstream.folder == folder && upstream.location == location)
    }

    @Test(arguments: ["", "a b", "UP//x", "x=ftp://y", "x=https://user@host", "a/b", "x=", "x=https://h.test/a?b"])
    func whatIsNoUpstreamIsRefused(_ text: String) {
        #expect(throws: RegistryConfigurationError.self) { _ = try Upstream(parsing: text) }
    }
}
