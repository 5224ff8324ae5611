package import Logging
package import RegistryServer
import Synchronization

/// Our own registry in this process, on a free loopback port, with a directory of its own.
///
///     try await TestRegistry.run { registry in
///         let answer = try await registry.client.send("GET", "/v2/")
///     }
package struct TestRegistry: Sendable {
    package let service: RegistryService
    package let server: RegistryServer
    package let directory: TemporaryDirectory

    package var registry: Registry { service.registry }
    package var access: AccessControl { service.access }
    /// `127.0.0.1:PORT`.
    package var authority: String { "127.0.0.1:\(server.port)" }
    package var client: WireClient { WireClient(port: server.port) }

    /// A client with Basic credentials.
    package func client(_ name: String, _ password: String) -> WireClient {
        var client = client
        client.headers["Authorization"] = basic(name, password)
        return client
    }

    package init(service: RegistryService, server: RegistryServer, directory: TemporaryDirectory) {
        self.service = service
        self.server = server
        self.directory = directory
    }

    package static var silent: Logger { Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() } }

    /// Starts a registry, runs a closure, stops it.
    ///
    /// - Parameters:
    ///   - clock: the time as the registry sees it; nil for that of this machine.
    ///   - configure: changes the configuration: a registry of this machine that lets everybody in.
    package static func run<Result>(
        policy: RegistryPolicy = RegistryPolicy(),
        logger: Logger = TestRegistry.silent,
        clock: TestClock? = nil,
        configure: (inout RegistryServerConfiguration) throws -> Void = { _ in },
        _ body: (TestRegistry) async throws -> Result
    ) async throws -> Result {
        let directory = try TemporaryDirectory()
        var configuration = RegistryServerConfiguration(root: directory.path + "/registry")
        configuration.listen.port = 0
        configuration.policy = policy
        try configure(&configuration)
        var now = Registry.systemTime
        if let clock { now = { clock.now } }
        let service = try await RegistryService.open(configuration, logger: logger, now: now)
        let result: Result
        do {
            let server = try await service.serve()
            result = try await body(TestRegistry(service: service, server: server, directory: directory))
        } catch {
            try? await service.stop()
            throw error
        }
        try await service.stop()
        return result
    }
}

/// A clock that stands still until a test moves it.
package final class TestClock: Sendable {
    private let value = Mutex(Registry.systemTime())

    package init() {}

    /// Milliseconds since 1970.
    package var now: Int64 { value.withLock { $0 } }

    package func advance(_ milliseconds: Int64) { value.withLock { $0 += milliseconds } }
}

/// The value of an `Authorization` with Basic credentials.
package func basic(_ name: String, _ password: String) -> String {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    let bytes = Array("\(name):\(password)".utf8)
    var text = ""
    for start in stride(from: 0, to: bytes.count, by: 3) {
        let group = bytes[start..<min(start + 3, bytes.count)]
        let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
        for place in 0..<4 {
            text.append(place <= group.count ? digits[bits >> (18 - 6 * place) & 63] : "=")
        }
    }
    return "Basic \(text)"
}
