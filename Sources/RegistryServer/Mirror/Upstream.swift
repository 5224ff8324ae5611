import OCI

/// Another registry whose repositories this one hands on and keeps, below a folder of their own: `docker.io/library/alpine`.
package struct Upstream: Sendable, Hashable {
    /// What clients call it: `docker.io`, `localhost:5001`.
    package let host: String
    /// The first component of its repositories' names here.
    package let folder: String
    /// Where it is: a host with its port, and a path where its repositories lie below one.
    package let location: String
    /// Whether it speaks HTTP without TLS.
    package let isPlain: Bool
    /// A user of the upstream's and the file that holds his password; nil for nobody.
    package var user: String?
    package var passwordFile: String?

    /// - Parameter text: `HOST`, or `HOST=URL` where it is to be had elsewhere: `docker.io=https://hub.example/proxy`.
    package init(parsing text: String) throws(RegistryConfigurationError) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        host = parts[0].lowercased()
        // A name of a repository has no colon: the port goes behind an underscore.
        folder = host.replacing(":", with: "_")
        var rest = parts.count == 2 ? parts[1][...] : host[...]
        isPlain = rest.hasPrefix("http://")
        for scheme in ["https://", "http://"] where rest.hasPrefix(scheme) { rest = rest.dropFirst(scheme.count) }
        while rest.hasSuffix("/") { rest = rest.dropLast() }
        let authority = rest.prefix { $0 != "/" }
        let path = rest.dropFirst(authority.count)
        // A host of one word would be read as a folder of Docker Hub's; with its port it cannot.
        let isHost = authority.contains(".") || authority.contains(":") || authority == "localhost"
        location = isHost ? String(rest) : "\(authority):\(isPlain ? 80 : 443)\(path)"
        guard !host.contains("/"), (try? RepositoryName(parsing: "\(folder)/a")) != nil,
            (try? Reference(parsing: "\(location)/a"))?.domain == String(location.prefix { $0 != "/" }),
            !rest.contains("@"), !rest.contains("?")
        else {
            throw RegistryConfigurationError(
                "`\(text)` is no registry to mirror: want HOST or HOST=URL, as in docker.io or "
                    + "docker.io=https://hub.example")
        }
    }

    /// The authority that credentials and the kind of connection belong to.
    var registry: String { String(location.prefix { $0 != "/" }) }

    /// A repository's name here, as its own registry writes it: Docker Hub's `alpine` is `library/alpine`.
    func name(of repository: some StringProtocol) throws(RegistryFailure) -> RepositoryName {
        let isOfficial = host == Reference.defaultDomain && !repository.contains("/")
        return try RepositoryName(parsing: "\(folder)/\(isOfficial ? "library/" : "")\(repository)")
    }
}

/// What a registry mirrors, and for how long it keeps it.
package struct MirrorPolicy: Sendable, Hashable {
    package var upstreams: [Upstream] = []
    /// The host whose repositories answer to names that are not here: what docker's `registry-mirrors` needs.
    package var root: String?
    /// How long a tag counts as what it was when its registry was asked.
    package var freshness: Duration = .seconds(300)
    /// How long what nobody pulls is kept.
    package var keep: Duration = .seconds(30 * 86_400)
    /// The most bytes that mirrored blobs may take; nil for no bound.
    package var limit: Int64?
    /// The directory of a docker `config.json` with credentials for the upstreams.
    package var credentialsDirectory: String?

    package init() {}

    func check() throws(RegistryConfigurationError) {
        if Set(upstreams.map(\.folder)).count < upstreams.count {
            throw RegistryConfigurationError("a registry is mirrored twice: name each once")
        }
        if let root, !upstreams.contains(where: { $0.host == root }) {
            throw RegistryConfigurationError("`\(root)` is not mirrored: the root mirror must be one of the mirrors")
        }
    }
}
