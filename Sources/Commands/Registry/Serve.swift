import Linux
import OCI
import RegistryServer

private let listen = Flag.parsed(
    "listen", "l", "Address to listen on (default: 127.0.0.1:5000)", valueName: "host:port"
) {
    try RegistryServerConfiguration.Address(parsing: $0)
}
private let config = Flag.string("config", "c", "Configuration file (JSON); flags go before it", valueName: "file")
private let certificate = Flag.string("tls-cert", nil, "Certificate chain (PEM): serve HTTPS", valueName: "file")
private let key = Flag.string("tls-key", nil, "The certificate's private key (PEM)", valueName: "file")
private let clientAuthority = Flag.string(
    "tls-client-ca", nil, "Demand client certificates of this authority (PEM)", valueName: "file")
private let auth = Flag.parsed(
    "auth", nil, "How clients log in: auto (nobody needs to until there is an account), token, basic, none",
    choices: RegistryServerConfiguration.Authentication.allCases.map(\.rawValue)
) { text in
    guard let mode = RegistryServerConfiguration.Authentication(rawValue: text) else {
        throw FlagProblem("want auto, token, basic or none")
    }
    return mode
}
private let anonymousPull = Flag.parsedList(
    "anonymous-pull", nil, "Repositories that may be pulled without an account: `public/*`, `**`", valueName: "pattern"
) { try RepositoryPattern($0) }
private let externalURL = Flag.string(
    "external-url", nil, "The address that clients see, where it is another one (behind a proxy)", valueName: "url")
private let trustedProxy = Flag.list(
    "trusted-proxy", nil, "The address of a proxy that tells in X-Forwarded-For whom it speaks for",
    valueName: "address")
private let deletes = Flag.bool("deletes", nil, "Take deletes over the API", default: true)
private let untagged = Flag.bool("remove-untagged", nil, "Let garbage collection remove manifests without a tag")
private let sparse = Flag.parsed(
    "sparse", nil,
    "What may be pushed without all it refers to: none (default), indexes (platforms may lack), images (layers too)",
    choices: RegistryPolicy.Sparse.allCases.map(\.rawValue)
) { text in
    guard let policy = RegistryPolicy.Sparse(rawValue: text) else { throw FlagProblem("want none, indexes or images") }
    return policy
}
private let grace = Flag.parsed(
    "grace", nil, "How long what was deleted can be brought back (default: 24h)", valueName: "duration"
) { try RegistryWords.duration($0) }
private let interval = Flag.parsed(
    "gc-interval", nil, "How often garbage is collected and retention applied (default: 1h)", valueName: "duration"
) { try RegistryWords.duration($0) }
private let mirror = Flag.parsedList(
    "mirror", nil, "Hand on and keep another registry's repositories: `docker.io`, `HOST=URL`", valueName: "host"
) { try Upstream(parsing: $0) }
private let mirrorRoot = Flag.string(
    "mirror-root", nil, "The mirrored registry that names mean which are not here (for docker's registry-mirrors)",
    valueName: "host")
private let mirrorCredentials = Flag.string(
    "mirror-credentials", nil, "The directory of a docker config.json with credentials for the mirrored registries",
    valueName: "dir")
private let mirrorFresh = Flag.parsed(
    "mirror-fresh", nil, "How long a mirrored tag is not asked for again (default: 5m)", valueName: "duration"
) { try RegistryWords.duration($0) }
private let mirrorKeep = Flag.parsed(
    "mirror-keep", nil, "How long mirrored content is kept that nobody pulls (default: 30d)", valueName: "duration"
) { try RegistryWords.duration($0) }
private let mirrorSize = Flag.parsed(
    "mirror-size", nil, "The most that mirrored content may take; what was pulled longest ago goes first",
    valueName: "size"
) { try RegistryWords.bytes($0) }
private let logFormat = Flag.parsed(
    "log-format", nil, "Form of the log on standard error: text or json", choices: ["text", "json"]
) { text in
    guard let format = LineLogHandler.Format(rawValue: text) else { throw FlagProblem("want text or json") }
    return format
}

extension Command {
    static let registryServe = Command(
        "serve", "", "Serve a registry",
        details:
            "Needs no configuration: `strata registry serve` is a registry of this machine on 127.0.0.1:5000 that docker, "
            + "podman, skopeo and crane use as any other. Make an account (`strata registry user add`) before it listens on "
            + "another address. SIGTERM ends it once the requests under way are answered.",
        flags: [
            RegistryFlags.root.spec, listen.spec, config.spec, certificate.spec, key.spec, clientAuthority.spec,
            auth.spec,
            anonymousPull.spec, externalURL.spec, trustedProxy.spec, deletes.spec, untagged.spec, sparse.spec,
            grace.spec, interval.spec,
            mirror.spec, mirrorRoot.spec, mirrorCredentials.spec, mirrorFresh.spec, mirrorKeep.spec, mirrorSize.spec,
            logFormat.spec,
        ]
    ) { call in
        var configuration = RegistryServerConfiguration(root: call.registryRoot)
        if let path = call[config] { try configuration.read(file: path) }
        if let address = call[listen] { configuration.listen = address }
        switch (call[certificate], call[key]) {
        case (let certificate?, let key?):
            configuration.certificates = .init(
                certificate: certificate, key: key, clientAuthority: call[clientAuthority])
        case (nil, nil): break
        default: throw UsageWords(description: "--tls-cert and --tls-key go together")
        }
        if let mode = call[auth] { configuration.authentication = mode }
        if call.isSet(anonymousPull) { configuration.anonymousPull = call[anonymousPull] }
        if let url = call[externalURL] { configuration.externalAddress = url }
        if call.isSet(trustedProxy) { configuration.trustedProxies = Set(call[trustedProxy]) }
        if call.isSet(deletes) { configuration.policy.deletes = call[deletes] }
        if call.isSet(untagged) { configuration.policy.removesUntagged = call[untagged] }
        if let policy = call[sparse] { configuration.policy.sparse = policy }
        if let time = call[grace] { configuration.policy.grace = time }
        if let time = call[interval] { configuration.collectionInterval = time }
        if call.isSet(mirror) { configuration.mirrors.upstreams = call[mirror] }
        if let host = call[mirrorRoot] { configuration.mirrors.root = host }
        if let directory = call[mirrorCredentials] { configuration.mirrors.credentialsDirectory = directory }
        if let time = call[mirrorFresh] { configuration.mirrors.freshness = time }
        if let time = call[mirrorKeep] { configuration.mirrors.keep = time }
        if let bytes = call[mirrorSize] { configuration.mirrors.limit = bytes }
        try await RegistryServer.run(
            configuration, logFormat: call[logFormat] ?? .text, verbose: call.session.settings.debug
        ) { call.console.line($0) }
        return 0
    }

    static let registryCheck = Command(
        "check", "", "Verify every blob, manifest, reference and history",
        details: "May run while the registry serves. Ends with 1 where something is wrong.",
        flags: RegistryFlags.listing
    ) { call in
        let problems = try await call.withRegistry { try await $0.registry.check() }
        if !problems.isEmpty || call.format != nil {
            try call.show(
                [("Subject", "SUBJECT"), ("Problem", "PROBLEM")],
                problems.map { [.string($0.subject), .string($0.message)] })
        } else {
            call.console.line("Everything is as it must be")
        }
        return problems.isEmpty ? 0 : 1
    }

    static let registryCollect = Command(
        "gc", "", "Remove what nothing references, while the registry serves",
        flags: RegistryFlags.listing + [RegistryFlags.plan.spec, untagged.spec, grace.spec]
    ) { call in
        var policy = RegistryPolicy()
        policy.removesUntagged = call[untagged]
        if let time = call[grace] { policy.grace = time }
        let registry = try Registry(root: call.registryRoot, policy: policy)
        let items = try await call[RegistryFlags.plan] ? registry.garbage() : registry.collectGarbage()
        try registry.database.close()
        try call.show(
            [
                ("Kind", "KIND"), ("Repository", "REPOSITORY"), ("Digest", "DIGEST"), ("Bytes", "SIZE"),
                ("Reason", "REASON"),
            ],
            items.map {
                [
                    .string($0.kind.rawValue), .string($0.repository), .string($0.digest.description),
                    call.size($0.bytes), .string($0.reason),
                ]
            })
        if call.format == nil {
            let total = Units.size(items.reduce(0) { $0 + $1.bytes })
            call.console.line(call[RegistryFlags.plan] ? "Would free \(total)" : "Freed \(total)")
        }
        return 0
    }
}
