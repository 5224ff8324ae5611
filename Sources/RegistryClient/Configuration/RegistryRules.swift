import OCI
import Synchronization

/// What this machine says about registries: mirrors, other locations, which are insecure or blocked. Read at first use.
final class RegistryRules: Sendable {
    private struct Loaded: Sendable {
        var rules: [RegistriesConf.Rule]
        var insecure: InsecureRegistries
        /// Mirrors of docker.io from docker's daemon.json, as `host[:port][/path]`.
        var hubMirrors: [RegistriesConf.Mirror]
    }

    private let configuration: RegistryConfiguration
    private let loaded = Mutex<Loaded?>(nil)

    init(configuration: RegistryConfiguration) { self.configuration = configuration }

    /// Whether a host may be spoken to without verified TLS.
    func isInsecure(_ authority: String) throws -> Bool {
        if configuration.trustsLoopback, Endpoint.isLoopback(authority) { return true }
        if configuration.insecureRegistries.contains(authority) { return true }
        return try load().insecure.contains(authority)
    }

    /// Where a repository can be had: its mirrors in the configured order, then the registry.
    func endpoints(for reference: Reference) throws -> [Endpoint] {
        let loaded = try load()
        let own = try endpoint(for: reference, loaded)
        let rule = RegistriesConf.match(reference.repository, in: loaded.rules)
        var mirrors = rule?.mirrors ?? []
        if mirrors.isEmpty, reference.domain == Reference.defaultDomain { mirrors = loaded.hubMirrors }
        let served = mirrors.filter { mirror in
            switch mirror.pulls {
            case .all: true
            case .digestOnly: reference.digest != nil
            case .tagOnly: reference.digest == nil
            }
        }
        let prefix = rule?.prefix ?? Reference.defaultDomain
        return try served.map { mirror in
            var endpoint = try endpoint(
                at: RegistriesConf.rewrite(reference.repository, prefix: prefix, location: mirror.location))
            endpoint.isMirror = true
            return endpoint
        } + [own]
    }

    /// Where a repository is written.
    func pushEndpoint(for reference: Reference) throws -> Endpoint { try endpoint(for: reference, try load()) }

    /// A registry itself, for `/v2/`.
    func endpoint(ofRegistry host: String) throws -> Endpoint {
        let authority = host == Reference.defaultDomain ? DockerHub.host : host.lowercased()
        guard WebAddress.origin(.https, authority: authority) != nil else {
            throw RegistryError(.configuration, "`\(RegistryError.clean(host, limit: 255))` is no registry's host name")
        }
        return Endpoint(authority: authority, repository: "", registry: host, isInsecure: try isInsecure(authority))
    }

    private func endpoint(for reference: Reference, _ loaded: Loaded) throws -> Endpoint {
        guard let rule = RegistriesConf.match(reference.repository, in: loaded.rules) else {
            return try endpoint(at: reference.repository)
        }
        if rule.isBlocked {
            throw RegistryError(
                .blocked, "registry `\(rule.prefix)` is blocked", hint: "`\(rule.file)` says `blocked = true` for it")
        }
        return try endpoint(
            at: RegistriesConf.rewrite(reference.repository, prefix: rule.prefix, location: rule.location))
    }

    private func endpoint(at name: String) throws -> Endpoint {
        guard let slash = name.firstIndex(of: "/"), let reference = try? Reference(parsing: name), reference.tag == nil
        else {
            throw RegistryError(
                .configuration, "`\(name)` is no repository", hint: "mend the `location` in registries.conf")
        }
        let host = String(name[..<slash])
        let registry = host == DockerHub.host ? Reference.defaultDomain : host
        let authority = registry == Reference.defaultDomain ? DockerHub.host : host.lowercased()
        return Endpoint(
            authority: authority, repository: String(name[name.index(after: slash)...]), registry: registry,
            isInsecure: try isInsecure(authority))
    }

    private func load() throws -> Loaded {
        if let known = loaded.withLock({ $0 }) { return known }
        var rules: [RegistriesConf.Rule] = []
        for path in configuration.registriesConfigPaths {
            rules = RegistriesConf.merge(rules, try RegistriesConf.load(path))
            for name in HostFile.names(in: "\(path).d") where name.hasSuffix(".conf") {
                rules = RegistriesConf.merge(rules, try RegistriesConf.load("\(path).d/\(name)"))
            }
        }
        let daemon = try configuration.dockerDaemonConfigPath.map(DockerDaemonConfig.load) ?? DockerDaemonConfig()
        var insecure = InsecureRegistries(daemon.insecure)
        for rule in rules {
            if rule.isInsecure { insecure.insert(hostOf: rule.location) }
            for mirror in rule.mirrors where mirror.isInsecure { insecure.insert(hostOf: mirror.location) }
        }
        for mirror in daemon.mirrors where mirror.isInsecure { insecure.insert(hostOf: mirror.location) }
        let made = Loaded(rules: rules, insecure: insecure, hubMirrors: daemon.mirrors)
        loaded.withLock { $0 = made }
        return made
    }
}
