import NIOHTTP1
public import OCI

extension RegistryClient {
    private static let tagPages = 1000
    private static let tagLimit = 100_000

    private struct TagList: Decodable, Sendable {
        var tags: [String]?
    }

    /// A repository's tags, all pages of them, in the registry's order (distribution-spec "Listing Tags").
    ///
    /// - Returns: at most 100,000 tags, those left out that are no valid tags.
    /// - Throws: `RegistryError`, with the code `nameUnknown` where there is no such repository.
    public func tags(of repository: Reference) async throws -> [String] {
        try await first(of: endpoints(for: repository.untagged)) { endpoint in
            var target = Requester.Call.Target.path("tags/list", query: [("n", "1000")])
            var found: [String] = []
            for _ in 0..<Self.tagPages {
                let page = target
                let (tags, next) = try await Retry.run(configuration) { try await self.tagPage(page, at: endpoint) }
                found += tags.filter { (try? repository.with(tag: $0)) != nil }
                guard let next, found.count < Self.tagLimit else { break }
                target = .address(next)
            }
            return Array(found.prefix(Self.tagLimit))
        }
    }

    private func tagPage(
        _ target: Requester.Call.Target, at endpoint: Endpoint
    ) async throws -> (tags: [String], next: WebAddress?) {
        let answer = try await requester.send(Requester.Call(method: .GET, target: target), to: endpoint)
        guard answer.status == 200 else { throw try await answer.failure(.repository) }
        let bytes = try await answer.bytes(limit: Answer.jsonLimit)
        let list: TagList
        do {
            list = try Document<TagList>(parsing: bytes, kind: "list of tags", limit: Answer.jsonLimit).value
        } catch { throw answer.invalid("\(error)") }
        return (list.tags ?? [], try nextPage(of: answer))
    }

    /// The address of a listing's next page; nil after the last.
    func nextPage(of answer: Answer) throws -> WebAddress? {
        guard let link = answer.headers["Link"].lazy.compactMap(Self.nextLink).first else { return nil }
        guard let next = answer.address.resolving(link) else { throw answer.invalid("the next page's link is no URL") }
        // Only the path and query are followed: a page of a registry's answer lies at that registry.
        let here = WebAddress(origin: answer.address.origin, path: next.path, query: next.query)
        if here == answer.address { throw answer.invalid("the next page's link goes in a circle") }
        return here
    }

    /// The target of `<URL>; rel="next"` (RFC 8288).
    static func nextLink(_ header: String) -> String? {
        guard header.utf8.count <= WebAddress.limit, let open = header.firstIndex(of: "<"),
            let close = header[open...].firstIndex(of: ">")
        else { return nil }
        let parameters = header[header.index(after: close)...].split(separator: ";").map {
            $0.filter { $0 != " " && $0 != "\"" }.lowercased()
        }
        return parameters.contains("rel=next") ? String(header[header.index(after: open)..<close]) : nil
    }
}
