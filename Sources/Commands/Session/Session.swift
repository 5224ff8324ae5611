package import Containers
package import Images
import Linux
package import RegistryClient
package import Snapshots
import Synchronization

/// What commands work with: the services over one store, each opened when it is first needed.
package final class Session: Sendable {
    package let settings: Settings
    package let console: Console
    /// The program's own path, for what runs it again: conmon's exit command.
    package let executable: String

    private struct Opened {
        var client: RegistryClient?
        var driver: (any SnapshotDriver)?
        var images: ImageService?
        var containers: ContainerService?
    }
    private let opened = Mutex(Opened())

    package init(settings: Settings, console: Console, executable: String) {
        self.settings = settings
        self.console = console
        self.executable = executable
    }

    /// The registry client, with docker's and podman's configuration of this user.
    package func client() -> RegistryClient {
        opened.withLock { Self.client(&$0, settings) }
    }

    private static func client(_ opened: inout Opened, _ settings: Settings) -> RegistryClient {
        if let client = opened.client { return client }
        var configuration = RegistryConfiguration.fromEnvironment(settings.environment)
        configuration.userAgent = "strata/\(Version.current)"
        let client = RegistryClient(configuration: configuration)
        opened.client = client
        return client
    }

    /// The snapshot driver that serves this store.
    package func driver() throws -> any SnapshotDriver { try opened.withLock { try Self.driver(&$0, settings) } }

    private static func driver(_ opened: inout Opened, _ settings: Settings) throws -> any SnapshotDriver {
        if let driver = opened.driver { return driver }
        let driver = try ImageService.explaining {
            try SnapshotDrivers.choose(
                root: settings.root, runDirectory: settings.runDirectory, named: settings.driver)
        }
        opened.driver = driver
        return driver
    }

    /// The images of the store.
    package func images() throws -> ImageService {
        try opened.withLock { opened in
            if let images = opened.images { return images }
            shareFreedMemory()
            let driver = try Self.driver(&opened, settings)
            let options = StoreOptions(root: settings.root, runDirectory: settings.runDirectory)
            let client = Self.client(&opened, settings)
            let images = try ImageService.explaining {
                try ImageService(options: options, client: client, driver: driver) { [weak self] in
                    try self?.imageUsers() ?? []
                }
            }
            opened.images = images
            return images
        }
    }

    /// The containers of the store.
    package func containers() throws -> ContainerService {
        try opened.withLock { opened in
            if let containers = opened.containers { return containers }
            var options = ContainerService.Options(root: settings.root, runDirectory: settings.runDirectory)
            // conmon runs it in a bare environment: all that finds this store again must stand in the words.
            options.exitCommand = [executable, "--root", settings.root, "--run-dir", settings.runDirectory]
            if let driver = settings.driver { options.exitCommand += ["--driver", driver] }
            options.exitCommand += ["container", "cleanup"]
            let containers = try ContainerService(options, driver: try Self.driver(&opened, settings))
            opened.containers = containers
            return containers
        }
    }

    /// The containers that use images. A store that never had a container is not touched for it.
    private func imageUsers() throws -> [ImageUser] {
        guard let names = try names(in: settings.root + "/containers"), !names.isEmpty else { return [] }
        return try containers().imageUsers().map {
            ImageUser(containerID: $0.id.hex, imageID: $0.image, isRunning: $0.isRunning)
        }
    }

    /// Closes connections.
    package func close() async {
        let client = opened.withLock { $0.client.take() }
        await client?.shutdown()
    }
}
