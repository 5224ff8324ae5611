/// A real registry that holds the real Alpine images of the shared material: `alpine` with the tags 3.14, 3.15, 3.20 and
/// latest, each an index of several platforms, and `alpine-docker:3.15`, the same as docker schema 2.
package final class AlpineRegistry: Sendable {
    package let registry: DockerRegistry
    /// `127.0.0.1:PORT`.
    package var authority: String { registry.authority }
    /// `127.0.0.1:PORT/alpine`.
    package var alpine: String { authority + "/alpine" }
    /// Digests of the indexes by name and tag, `alpine:3.15`.
    package let digests: [String: String]

    package init(_ options: DockerRegistry.Options = .init()) throws {
        registry = try DockerRegistry(options)
        let printed = try runShell(
            "'\(SharedMaterial.path)/scripts/push-alpine' \(registry.authority) '\(SharedMaterial.path)/images/alpine'")
        var digests: [String: String] = [:]
        for line in printed.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            if words.count >= 2 { digests[words[0]] = words[1] }
        }
        self.digests = digests
    }
}
