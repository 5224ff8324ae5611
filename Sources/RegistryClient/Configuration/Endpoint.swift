import OCI

/// Docker's public registry has three names: one for users, one for requests, one for stored credentials.
enum DockerHub {
    static let host = "registry-1.docker.io"
    static let credentialKey = "https://index.docker.io/v1/"
}

/// One place where a repository can be had: the registry itself or a mirror of it.
struct Endpoint: Sendable, Hashable {
    /// Where requests go: `host` or `host:port`.
    var authority: String
    /// The repository's path there.
    var repository: String
    /// The name that credentials are stored under: `docker.io`, `host:port`.
    var registry: String
    /// Whether TLS may be unverified or missing.
    var isInsecure: Bool
    var isMirror = false

    init(authority: String, repository: String, registry: String, isInsecure: Bool, isMirror: Bool = false) {
        self.authority = authority
        self.repository = repository
        self.registry = registry
        self.isInsecure = isInsecure
        self.isMirror = isMirror
    }

    /// Whether it is a port of this machine: without one, http and https are two of them.
    var isLocalPort: Bool {
        Self.isLoopback(authority)
            && WebAddress.origin(.http, authority: authority)?.port
                == WebAddress.origin(.https, authority: authority)?.port
    }

    /// 127.0.0.0/8, ::1 and localhost: docker takes them as insecure without being told.
    static func isLoopback(_ authority: String) -> Bool {
        guard let origin = WebAddress.origin(.http, authority: authority) else { return false }
        if origin.host == "localhost" || origin.host == "[::1]" { return true }
        let parts = origin.host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
}
