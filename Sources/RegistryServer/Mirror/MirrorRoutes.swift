import Hummingbird
import OCI
import Synchronization

/// Requests about repositories of other registries.
struct MirrorRoutes {
    let registry: Registry
    let access: AccessControl
    let mirrors: Mirrors

    func respond(to exchange: Exchange, _ route: RegistryRoute, _ place: Mirrors.Place) async throws -> Reply {
        let isReading = exchange.method == .get || exchange.method == .head
        if !isReading, exchange.method != .delete {
            throw RegistryFailure(
                .unsupported, status: 405,
                "`\(place.name)` mirrors `\(place.repository.repository)`: push it there, or here under another name"
            ).with(header: "Allow", "GET, HEAD, DELETE")
        }
        switch route {
        case .manifest(_, let reference):
            let isStale = isReading ? try await mirrors.refresh(reference, place) : false
            return try await ManifestRoutes(registry: registry).respond(to: exchange, place.name, reference)
                .warning(isStale)
        case .blob(_, let digest): return try await blob(exchange, digest, place)
        case .tags:
            let (tags, isStale) = try await mirrors.tags(place)
            return try DiscoveryRoutes(registry: registry, access: access).tags(exchange, place.name, tags).warning(
                isStale)
        case .referrers(_, let digest):
            if let found = try await mirrors.referrers(of: digest, place) { return try list(found, exchange) }
            return try await DiscoveryRoutes(registry: registry, access: access).referrers(exchange, place.name, digest)
                .warning(true)
        default: throw RegistryFailure.nameUnknown(place.name)
        }
    }

    private func list(_ referrers: [Descriptor], _ exchange: Exchange) throws -> Reply {
        let type = exchange.target["artifactType"]
        let shown = referrers.filter { type == nil || $0.artifactType?.rawValue == type }
        let reply = Reply(200).with(
            body: try JSONText.bytes(Index(manifests: shown)), type: MediaType.ociIndex.rawValue)
        return type == nil ? reply : reply.with(.ociFiltersApplied, "artifactType")
    }

    private func blob(_ exchange: Exchange, _ digest: Digest, _ place: Mirrors.Place) async throws -> Reply {
        let routes = BlobRoutes(registry: registry)
        let isHere = try await registry.database.read { try $0.blob(digest, in: place.name) } != nil
        if isHere || exchange.method == .delete {
            if isHere { mirrors.counts.withLock { $0.here += 1 } }
            return try await routes.respond(to: exchange, place.name, digest)
        }
        // Who only asks need not wait for bytes.
        if exchange.method == .head {
            return BlobRoutes.head(exchange, digest, size: try await mirrors.size(of: digest, place).bytes)
        }
        guard let download = try await mirrors.download(digest, place) else {
            return try await routes.respond(to: exchange, place.name, digest)
        }
        return try BlobRoutes.get(exchange, digest, .arriving(download))
    }
}

extension Reply {
    /// Says that the answer may be out of date (RFC 7234 §5.5.1).
    fileprivate func warning(_ isStale: Bool) -> Reply {
        !isStale ? self : with(.named("Warning"), "110 - \"Response is Stale\"")
    }
}

extension RegistryRoute {
    /// The same request about another repository.
    func renamed(_ name: RepositoryName) -> RegistryRoute {
        switch self {
        case .tags: .tags(name)
        case .manifest(_, let reference): .manifest(name, reference)
        case .blob(_, let digest): .blob(name, digest)
        case .uploads: .uploads(name)
        case .upload(_, let id): .upload(name, id)
        case .referrers(_, let digest): .referrers(name, digest)
        case .support, .catalog, .token, .api, .page, .metrics, .health, .readiness: self
        }
    }
}
