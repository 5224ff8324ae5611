/// The credentials that `docker login` and `strata login` keep: docker's `config.json` and credential helpers.
public struct CredentialStore: Sendable {
    /// The directory of `config.json`.
    public let directory: String

    /// Uses the store in a directory, `~/.docker` for most.
    public init(directory: String) { self.directory = directory }

    /// The credential kept for a registry; nil where there is none.
    ///
    /// - Parameter registry: `docker.io`, `host`, `host:port`.
    public func credential(for registry: String) async throws -> Credential? { nil }
}
