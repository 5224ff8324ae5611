import OCI

/// What a request's path names: distribution-spec "Endpoints".
enum RegistryRoute: Sendable, Hashable {
    /// end-1
    case support
    case catalog
    /// end-8
    case tags(RepositoryName)
    /// end-3, 7, 9
    case manifest(RepositoryName, ManifestReference)
    /// end-2, 10
    case blob(RepositoryName, Digest)
    /// end-4, 11
    case uploads(RepositoryName)
    /// end-5, 6, 13, 14
    case upload(RepositoryName, UploadID)
    /// end-12
    case referrers(RepositoryName, Digest)
    /// Where tokens are given out.
    case token
    /// The registry's own API: what follows `/api/v1`.
    case api([String])
    /// A page for people: what follows `/-`, or `/` itself.
    case page([String])
    case metrics
    case health
    case readiness

    /// A repository's name may hold any component, so a path is read from its end.
    init(_ target: RequestTarget) throws(RegistryFailure) {
        let parts = target.components
        switch parts {
        case ["metrics"]: self = .metrics
        case ["healthz"]: self = .health
        case ["readyz"]: self = .readiness
        case ["token"]: self = .token
        case ["v2"], ["v2", ""]: self = .support
        case ["v2", "_catalog"]: self = .catalog
        case [], [""]: self = .page([])
        case _ where parts[0] == "-": self = .page(Array(parts.dropFirst()))
        case _ where parts.count > 2 && parts[0] == "api" && parts[1] == "v1": self = .api(Array(parts[2...]))
        default:
            guard parts.count >= 4, parts[0] == "v2" else { throw Self.unknown }
            let last = parts[parts.count - 1]
            func name(dropping count: Int) throws(RegistryFailure) -> RepositoryName {
                try RepositoryName(parsing: parts[1...].dropLast(count).joined(separator: "/"))
            }
            switch (parts[parts.count - 2], last) {
            case ("tags", "list"): self = .tags(try name(dropping: 2))
            case ("manifests", _):
                self = .manifest(try name(dropping: 2), try ManifestReference(parsing: last))
            case ("blobs", "uploads"): self = .uploads(try name(dropping: 2))
            case ("blobs", _): self = .blob(try name(dropping: 2), try Digest(fromRequest: last))
            case ("referrers", _): self = .referrers(try name(dropping: 2), try Digest(fromRequest: last))
            case ("uploads", _) where parts.count >= 5 && parts[parts.count - 3] == "blobs":
                let name = try name(dropping: 3)
                if last.isEmpty {
                    self = .uploads(name)
                } else if let id = UploadID(parsing: last) {
                    self = .upload(name, id)
                } else {
                    throw .uploadUnknown(last)
                }
            default: throw Self.unknown
            }
        }
    }

    private static var unknown: RegistryFailure {
        RegistryFailure(.unsupported, status: 404, "there is nothing at this path")
    }

    var isOwnAPI: Bool {
        switch self {
        case .api, .metrics: true
        default: false
        }
    }

    /// Whether it matters who asks, before the route itself looks.
    var asksWho: Bool {
        switch self {
        case .token, .health, .readiness: false
        default: true
        }
    }

    /// The repository it is about.
    var repository: RepositoryName? {
        switch self {
        case .tags(let name), .manifest(let name, _), .blob(let name, _), .uploads(let name), .upload(let name, _),
            .referrers(let name, _):
            name
        case .support, .catalog, .token, .api, .page, .metrics, .health, .readiness: nil
        }
    }
}
