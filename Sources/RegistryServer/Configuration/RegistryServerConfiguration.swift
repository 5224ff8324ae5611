/// All that somebody decides about a registry. The defaults need nothing: a private registry of this machine.
package struct RegistryServerConfiguration: Sendable, Hashable {
    /// Where it listens.
    package struct Address: Sendable, Hashable, CustomStringConvertible {
        package var host: String
        /// 0 for any that is free.
        package var port: Int

        package init(host: String, port: Int) {
            self.host = host
            self.port = port
        }

        /// `HOST:PORT`, `:PORT` for every address, `HOST`, `[IPv6]:PORT`.
        package init(parsing text: String) throws(RegistryConfigurationError) {
            var host = text[...]
            var port = 5000
            if let colon = text.lastIndex(of: ":"), text[colon...].firstIndex(of: "]") == nil {
                guard let number = Int(text[text.index(after: colon)...]), (0...65535).contains(number) else {
                    throw .init("`\(text)` is no address to listen on: want HOST:PORT, as in 127.0.0.1:5000")
                }
                port = number
                host = text[..<colon]
            }
            if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
            self.init(host: host.isEmpty ? "0.0.0.0" : String(host), port: port)
        }

        package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

        /// Whether only this machine can reach it.
        package var isLoopback: Bool { host.hasPrefix("127.") || host == "::1" || host == "localhost" }
    }

    /// How clients show who they are.
    package enum Authentication: String, Sendable, Hashable, CaseIterable {
        /// Everybody may do everything until the first account is made; from then on as `token`.
        case automatic = "auto"
        /// Bearer tokens from the registry's own token endpoint; Basic is taken too.
        case token
        /// Basic only, for clients and proxies that know nothing else.
        case basic
        /// Everybody may do everything.
        case none
    }

    /// PEM files.
    package struct Certificates: Sendable, Hashable {
        package var certificate: String
        package var key: String
        /// Whose client certificates are demanded; nil where none are.
        package var clientAuthority: String?

        package init(certificate: String, key: String, clientAuthority: String? = nil) {
            self.certificate = certificate
            self.key = key
            self.clientAuthority = clientAuthority
        }
    }

    /// The directory of blobs and database.
    package var root: String
    package var listen = Address(host: "127.0.0.1", port: 5000)
    package var certificates: Certificates?
    package var authentication = Authentication.automatic
    /// Repositories that may be pulled without an account.
    package var anonymousPull: [RepositoryPattern] = []
    /// `https://registry.example`, where clients see another address than the one listened on (behind a proxy).
    package var externalAddress: String?
    /// The addresses of proxies that tell, in `X-Forwarded-For`, whom they speak for.
    package var trustedProxies: Set<String> = []
    package var policy = RegistryPolicy()
    package var mirrors = MirrorPolicy()
    package var limits = RegistryServer.Limits()
    /// Between two garbage collections.
    package var collectionInterval = Duration.seconds(3600)

    package init(root: String) { self.root = root }

    /// Refuses what nobody can have meant: a registry of the whole network in which everybody may delete everything.
    ///
    /// - Parameter hasAccounts: whether there is an account already.
    package func check(hasAccounts: Bool) throws(RegistryConfigurationError) {
        if !listen.isLoopback, authentication == .automatic, !hasAccounts {
            throw RegistryConfigurationError(
                "the registry would listen on \(listen) and let everybody in: make an account first "
                    + "(`strata registry user add NAME --admin`), or say `--auth none`")
        }
        try mirrors.check()
        if let externalAddress, !externalAddress.hasPrefix("https://"), !externalAddress.hasPrefix("http://") {
            throw RegistryConfigurationError(
                "the external address `\(externalAddress)` must begin with https:// or http://")
        }
    }
}

/// A configuration that cannot be.
package struct RegistryConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
    package var description: String

    package init(_ description: String) { self.description = description }
}
