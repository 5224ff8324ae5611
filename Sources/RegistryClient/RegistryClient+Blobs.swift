import NIOHTTP1
public import OCI

extension RegistryClient {
    /// The size of a blob of a repository, by HEAD (distribution-spec "Checking if content exists in the registry").
    ///
    /// - Returns: nil where the repository does not have it, or the registry does not tell its size.
    /// - Throws: `RegistryError`.
    public func size(of digest: Digest, in repository: Reference) async throws -> Int64? {
        try await first(of: endpoints(for: repository.untagged)) { endpoint in
            try await Retry.run(configuration) {
                let call = Requester.Call(method: .HEAD, target: .path("blobs/\(digest)"))
                let answer = try await self.requester.send(call, to: endpoint)
                switch answer.status {
                case 200: return answer.contentLength
                case 404: return nil
                default: throw try await answer.failure(.blob)
                }
            }
        }
    }
}
