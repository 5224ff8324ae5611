import OCI

/// A client of OCI registries (distribution-spec v1.1): pull, push, tags, login.
///
/// One client serves any number of registries and tasks. Call `shutdown()` at the end: a client that is dropped closes its
/// connections later.
public final class RegistryClient: Sendable {
    let requester: Requester
    let configuration: RegistryConfiguration
    /// Transfers of large blobs under way, each direction by itself: a copy between registries holds one of both.
    let downloads: Gate
    let uploads: Gate

    /// Makes a client; nothing is opened until it is used.
    public init(configuration: RegistryConfiguration) {
        self.configuration = configuration
        requester = Requester(configuration: configuration)
        downloads = Gate(configuration.maxConcurrency)
        uploads = Gate(configuration.maxConcurrency)
    }

    /// Closes all connections; requests under way fail.
    public func shutdown() async { await requester.transport.shutdown() }

    var authenticator: Authenticator { requester.authenticator }

    /// Where a repository can be had, mirrors first.
    func endpoints(for reference: Reference) throws -> [Endpoint] { try requester.rules.endpoints(for: reference) }

    /// Where a repository is written: never a mirror.
    func pushEndpoint(for reference: Reference) throws -> Endpoint { try requester.rules.pushEndpoint(for: reference) }

    /// Asks each endpoint in turn until one succeeds.
    func first<Value: Sendable>(
        of endpoints: [Endpoint], _ body: (Endpoint) async throws -> Value
    ) async throws -> Value {
        var last: any Error = RegistryError(.configuration, "there is no place to ask")
        for endpoint in endpoints {
            do { return try await body(endpoint) } catch {
                if error is CancellationError { throw error }
                last = error
            }
        }
        throw last
    }
}
