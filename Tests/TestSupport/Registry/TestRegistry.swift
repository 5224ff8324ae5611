package import Logging
package import RegistryServer

/// Our own registry in this process, on a free loopback port, with a directory of its own.
///
///     try await TestRegistry.run { registry in
///         let answer = try await registry.client.send("GET", "/v2/")
///     }
package struct TestRegistry: Sendable {
    package let server: RegistryServer
    package let directory: TemporaryDirectory

    package var registry: Registry { server.registry }
    /// `127.0.0.1:PORT`.
    package var authority: String { "127.0.0.1:\(server.port)" }
    package var client: WireClient { WireClient(port: server.port) }

    /// Starts a registry, runs a closure, stops it.
    package static func run<Result>(
        policy: RegistryPolicy = RegistryPolicy(), options: RegistryServer.Options = RegistryServer.Options(),
        logger: Logger = Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() },
        _ body: (TestRegistry) async throws -> Result
    ) async throws -> Result {
        let directory = try TemporaryDirectory()
        var options = options
        options.port = 0
        let registry = try Registry(root: directory.path + "/registry", policy: policy)
        let server = try await RegistryServer.start(registry, options, logger: logger)
        let result: Result
        do { result = try await body(TestRegistry(server: server, directory: directory)) } catch {
            try? await server.stop()
            throw error
        }
        try await server.stop()
        try registry.database.close()
        return result
    }
}
