import Hummingbird
import OCI

/// distribution-spec "Listing Tags", "Listing Referrers", and docker's catalog.
struct DiscoveryRoutes {
    let registry: Registry
    let access: AccessControl

    private struct Catalog: Encodable { var repositories: [String] }

    /// A page is larger than any listing that people look at, and small enough to be made at once.
    private static let largestPage = 10_000

    func tags(_ exchange: Exchange, _ name: RepositoryName) async throws -> Reply {
        let (count, last) = try tagPage(exchange)
        return Self.list(name, try await registry.tags(of: name, after: last, count: count), count)
    }

    /// The same of tags that are known.
    func tags(_ exchange: Exchange, _ name: RepositoryName, _ all: [String]) throws -> Reply {
        let (count, last) = try tagPage(exchange)
        // They come from elsewhere: what is no tag must not reach the JSON.
        let tags = all.filter { TagName(parsing: $0) != nil }.map { ($0.lowercased(), $0) }.sorted(by: <)
        let rest = tags.drop { $0 <= (last.lowercased(), last) }.map(\.1)
        return Self.list(name, TagPage(name, rest.prefix(count), hasMore: rest.count > count), count)
    }

    private func tagPage(_ exchange: Exchange) throws -> (count: Int, last: String) {
        try exchange.allow(.get, .head)
        let page = try exchange.page(default: Self.largestPage, limit: Self.largestPage)
        if !page.last.isEmpty, TagName(parsing: page.last) == nil { throw RegistryFailure.tagInvalid(page.last) }
        return page
    }

    private static func list(_ name: RepositoryName, _ page: TagPage, _ count: Int) -> Reply {
        var reply = Reply(200).with(.contentType, "application/json")
            .linking(to: "/v2/\(name)/tags/list", count, after: page.next)
        reply.body = .bytes(page.body)
        return reply
    }

    func catalog(_ exchange: Exchange, _ challenge: Challenge) async throws -> Reply {
        try exchange.allow(.get, .head)
        let (count, last) = try exchange.page(default: 100, limit: 1000)
        if !last.isEmpty { _ = try RepositoryName(parsing: last) }
        if try await !access.isOpen() {
            let isGranted = exchange.caller.token?.contains { $0.type == "registry" && $0.name == "catalog" } ?? true
            if !exchange.caller.isKnown || !isGranted {
                throw challenge.on(
                    RegistryFailure(.unauthorized, status: 401, "log in to list the repositories"),
                    error: exchange.caller.isKnown ? "insufficient_scope" : nil)
            }
        }
        // Everybody sees what he may pull.
        let maySee = try await access.reader(exchange.caller.principal)
        let names = try await registry.database.read {
            try $0.repositories(after: last, limit: count + 1, where: maySee)
        }
        let page = Array(names.prefix(count))
        return try Reply(200).with(json: Catalog(repositories: page))
            .linking(to: "/v2/_catalog", count, after: names.count > count ? page.last : nil)
    }

    private static let referrersPage = 1000

    func referrers(_ exchange: Exchange, _ name: RepositoryName, _ subject: Digest) async throws -> Reply {
        try exchange.allow(.get, .head)
        let type = exchange.target["artifactType"]
        // The specification has no `n` here; a client that asks for fewer gets them, and the `Link` to the rest.
        let (limit, last) = try exchange.page(default: Self.referrersPage, limit: Self.referrersPage)
        if !last.isEmpty { _ = try Digest(fromRequest: last) }
        let found = try await registry.database.read {
            try $0.referrers(of: subject, in: name, artifactType: type, after: last, limit: limit + 1)
        }
        let page = Array(found.prefix(limit))
        var reply = Reply(200).with(
            body: try JSONText.bytes(Index(manifests: page)), type: MediaType.ociIndex.rawValue)
        if type != nil { reply = reply.with(.ociFiltersApplied, "artifactType") }
        if found.count > limit, let last = page.last {
            let filter = type.map { "&artifactType=\($0.percentEncoded)" } ?? ""
            let next = "n=\(limit)&last=\(last.digest.description.percentEncoded)"
            reply = reply.with(.link, "</v2/\(name)/referrers/\(subject)?\(next)\(filter)>; rel=\"next\"")
        }
        return reply
    }
}

extension Reply {
    /// Adds the address of the next page (RFC 8288), where there is one.
    fileprivate func linking(to path: String, _ count: Int, after last: String?) -> Reply {
        guard let last else { return self }
        return with(.link, "<\(path)?n=\(count)&last=\(last.percentEncoded)>; rel=\"next\"")
    }
}
