import NIOSSL
import Synchronization

/// Which certificates are trusted, and shown, for which registry.
final class TrustStore: Sendable {
    private let directories: [String]
    private let rules: RegistryRules
    private let cache = Mutex<[String: TLSConfiguration]>([:])

    init(directories: [String], rules: RegistryRules) {
        self.directories = directories
        self.rules = rules
    }

    /// The TLS settings for `host` or `host:port`, read once from the certs.d directories.
    func tls(for authority: String) throws -> TLSConfiguration {
        if let known = cache.withLock({ $0[authority] }) { return known }
        let made = try make(authority)
        cache.withLock { $0[authority] = made }
        return made
    }

    private func make(_ authority: String) throws -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        tls.applicationProtocols = ["http/1.1"]
        var found = false
        for directory in directories {
            let path = "\(directory)/\(authority)"
            for name in HostFile.names(in: path) {
                let file = "\(path)/\(name)"
                do {
                    if name.hasSuffix(".crt") {
                        tls.additionalTrustRoots.append(.certificates(try NIOSSLCertificate.fromPEMFile(file)))
                        found = true
                    } else if name.hasSuffix(".cert"), !found || tls.certificateChain.isEmpty {
                        tls.certificateChain = try NIOSSLCertificate.fromPEMFile(file).map { .certificate($0) }
                        let key = "\(path)/\(name.dropLast(5)).key"
                        tls.privateKey = .privateKey(try NIOSSLPrivateKey(file: key, format: .pem))
                    }
                } catch {
                    throw RegistryError(
                        .configuration, "cannot use `\(file)`: \(error)",
                        hint: "certificates are PEM files; a NAME.cert needs a NAME.key beside it")
                }
            }
        }
        if !found, try rules.isInsecure(authority) {
            tls.certificateVerification = .none
            tls.trustRoots = .certificates([])  // nothing to verify: spares loading the system's authorities
        }
        return tls
    }
}
