import OCI

/// A client of OCI registries (distribution-spec v1.1): pull, push, tags, login.
///
/// One client serves any number of registries and tasks. `shutdown()` must be called before it is dropped.
public final class RegistryClient: Sendable {
    let requester: Requester
    let configuration: RegistryConfiguration

    /// Makes a client; nothing is opened until it is used.
    public init(configuration: RegistryConfiguration) {
        self.configuration = configuration
        requester = Requester(configuration: configuration)
    }

    /// Closes all connections; requests under way fail.
    public func shutdown() async { await requester.transport.shutdown() }

    /// Where a repository can be had, mirrors first.
    func endpoints(for repository: Reference, push: Bool = false) throws -> [Endpoint] {
        let authority = repository.domain == Reference.defaultDomain ? DockerHub.host : repository.domain.lowercased()
        let insecure = Endpoint.isLoopback(authority) || configuration.insecureRegistries.contains(authority)
        return [
            Endpoint(
                authority: authority, repository: repository.path, registry: repository.domain, isInsecure: insecure)
        ]
    }

    /// Asks each endpoint in turn until one succeeds.
    func first<Value: Sendable>(
        of endpoints: [Endpoint], _ body: (Endpoint) async throws -> Value
    ) async throws -> Value {
        var last: any Error = RegistryError(.configuration, "no endpoint")
        for endpoint in endpoints {
            do { return try await body(endpoint) } catch {
                if error is CancellationError { throw error }
                last = error
            }
        }
        throw last
    }
}
