import OCI

/// What docker's `daemon.json` says about registries.
struct DockerDaemonConfig: Sendable {
    var insecure: [String] = []
    var mirrors: [RegistriesConf.Mirror] = []

    private struct Shape: Decodable, Sendable {
        var insecure: [String]?
        var mirrors: [String]?

        private enum CodingKeys: String, CodingKey {
            case insecure = "insecure-registries"
            case mirrors = "registry-mirrors"
        }
    }

    /// Reads the file; one that does not exist says nothing.
    static func load(_ path: String) throws -> DockerDaemonConfig {
        var result = DockerDaemonConfig()
        do {
            guard let bytes = try HostFile.contents(of: path, limit: 1 << 20), !bytes.isEmpty else { return result }
            let shape = try Document<Shape>(parsing: bytes, kind: "`\(path)`", limit: 1 << 20).value
            result.insecure = shape.insecure ?? []
            for text in shape.mirrors ?? [] {
                guard let address = WebAddress(parsing: text), address.query == nil else {
                    throw RegistryError(.configuration, "`\(RegistryError.clean(text, limit: 200))` is no mirror's URL")
                }
                let path = address.path.split(separator: "/").map { "/\($0)" }.joined()
                result.mirrors.append(
                    RegistriesConf.Mirror(
                        location: address.origin.authority + path, isInsecure: address.origin.scheme == .http))
            }
        } catch {
            throw RegistryError(
                .configuration, "cannot use docker's daemon configuration: \(error)", hint: "mend `\(path)`")
        }
        return result
    }
}
