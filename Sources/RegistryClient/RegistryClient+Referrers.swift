import NIOHTTP1
public import OCI

extension RegistryClient {
    private static let referrerPages = 100

    /// The manifests that refer to a manifest, all pages of them (distribution-spec "Listing Referrers").
    ///
    /// - Returns: none where the registry does not know the request: its clients look for the fallback tag.
    /// - Throws: `RegistryError`; `DocumentError` where an answer is no index.
    public func referrers(of subject: Digest, in repository: Reference) async throws -> [Descriptor] {
        try await first(of: endpoints(for: repository.untagged)) { endpoint in
            var target = Requester.Call.Target.path("referrers/\(subject)")
            var found: [Descriptor] = []
            for _ in 0..<Self.referrerPages {
                let page = target
                let (manifests, next) = try await Retry.run(configuration) {
                    try await self.referrerPage(page, at: endpoint)
                }
                found += manifests
                guard let next else { break }
                target = .address(next)
            }
            return found
        }
    }

    private func referrerPage(
        _ target: Requester.Call.Target, at endpoint: Endpoint
    ) async throws -> (manifests: [Descriptor], next: WebAddress?) {
        let call = Requester.Call(method: .GET, target: target, headers: ["Accept": MediaType.ociIndex.rawValue])
        let answer = try await requester.send(call, to: endpoint)
        if answer.status == 404 {
            try await answer.drain()
            return ([], nil)
        }
        guard answer.status == 200 else { throw try await answer.failure(.manifest) }
        let bytes = try await answer.bytes(limit: Limits.manifestBytes)
        guard case .index(let index) = try ManifestDocument(parsing: bytes, mediaType: .ociIndex) else {
            throw answer.invalid("the registry gave a manifest in place of the list of referrers")
        }
        return (index.value.manifests, try nextPage(of: answer))
    }
}
