import OCI

/// The credentials that `docker login` and `strata login` keep: docker's `config.json` and credential helpers.
public struct CredentialStore: Sendable {
    /// The directory of `config.json`.
    public let directory: String
    /// Where helpers are looked for, separated by colons; nil: `PATH`.
    public var helperSearchPath: String?

    /// Where a credential was put.
    public enum Place: Sendable, Hashable {
        /// A credential helper of this name keeps it.
        case helper(String)
        /// It stands in a file, unencrypted.
        case file(String)
    }

    /// Uses the store in a directory, `~/.docker` for most.
    public init(directory: String) { self.directory = directory }

    /// The credential kept for a registry; nil where there is none.
    ///
    /// - Parameter registry: `docker.io`, `host`, `host:port`.
    /// - Throws: `RegistryError` with the code `configuration` where the file or the helper is broken.
    public func credential(for registry: String) async throws -> Credential? {
        let file = try DockerConfigFile(directory: directory)
        guard let helper = try helper(of: file, for: registry) else { return try file.credential(for: registry) }
        return try await helper.get(DockerConfigFile.storageKey(for: registry))
    }

    /// Keeps a credential, with the helper where the configuration names one.
    ///
    /// - Returns: where it went: who gets `file` should be told that it stands there unencrypted.
    public func save(_ credential: Credential, for registry: String) async throws -> Place {
        let helper = try helper(of: try DockerConfigFile(directory: directory), for: registry)
        try await helper?.store(credential, server: DockerConfigFile.storageKey(for: registry))
        return try change { file in
            file.set(helper == nil ? credential : nil, for: registry)
            return helper.map { .helper($0.name) } ?? .file(file.path)
        }
    }

    /// Forgets a registry's credential, in the helper and in the file.
    ///
    /// - Returns: whether the file had an entry: otherwise nobody was logged in.
    public func erase(_ registry: String) async throws -> Bool {
        let file = try DockerConfigFile(directory: directory)
        let helper = try helper(of: file, for: registry)
        try await helper?.erase(DockerConfigFile.storageKey(for: registry))
        if file.servers.isEmpty { return false }
        return try change { $0.remove(registry) }
    }

    /// The registries with a kept credential, with the user's name where it is known.
    public func registries() async throws -> [String: String] {
        let file = try DockerConfigFile(directory: directory)
        var found = file.servers.mapValues { $0 ?? "" }
        var helpers = Set((file.root["credHelpers"]?.object ?? [:]).values.compactMap(\.string))
        if let name = file.root["credsStore"]?.string { helpers.insert(name) }
        for name in helpers.sorted() where !name.isEmpty {
            found.merge(try await checked(name, file: file).list()) { $1 }
        }
        return found
    }

    /// Reads, changes and replaces the file while no other process of ours does.
    private func change<Value>(_ body: (inout DockerConfigFile) throws -> Value) throws -> Value {
        do {
            return try HostFile.whileLocking(directory) {
                var file = try DockerConfigFile(directory: directory)
                let value = try body(&file)
                try file.write()
                return value
            }
        } catch let error as HostFile.Failure {
            throw RegistryError(.configuration, "cannot write docker's configuration: \(error)")
        }
    }

    private func helper(of file: DockerConfigFile, for registry: String) throws -> CredentialHelper? {
        try file.helperName(for: registry).map { try checked($0, file: file) }
    }

    private func checked(_ name: String, file: DockerConfigFile) throws -> CredentialHelper {
        guard let helper = CredentialHelper(name, searchPath: helperSearchPath) else {
            throw RegistryError(
                .configuration, "`\(file.path)` names an invalid credential helper", hint: "mend `credsStore`")
        }
        return helper
    }
}
