import Containers
import Images
import Linux
import OCI
import Snapshots

extension Command {
    static let systemInfo = Command(
        "info", "", "Display system-wide information", shortForms: ["info"], flags: [ImageFlags.inspectFormat.spec]
    ) { call in
        let value = try await SystemInfo.value(call.session)
        call.console.write(try one(value, call[ImageFlags.inspectFormat]) ?? SystemInfo.text(value))
        return 0
    }

    static let version = Command(
        "version", "", "Show the Strata version information", flags: [ImageFlags.inspectFormat.spec]
    ) { call in
        let fields: [(String, String)] = [
            ("Version", Version.current), ("Os", "linux"), ("Arch", Platform.current.architecture),
            ("KernelVersion", kernelRelease().text),
        ]
        let client = Value.record("strata.Version", fields.map { .always($0.0, .string($0.1)) })
        let value = Value.record("strata.VersionResponse", [.always("Client", client)])
        let width = 1 + (fields.map(\.0.count).max() ?? 0)
        let text = fields.map { " \($0.0):\(String(repeating: " ", count: width - $0.0.count)) \($0.1)\n" }.joined()
        call.console.write(try one(value, call[ImageFlags.inspectFormat]) ?? "Client: Strata\n" + text)
        return 0
    }
}

/// A single value by a template or as JSON; nil where no format is asked for.
private func one(_ value: Value, _ format: String?) throws -> String? {
    guard let format else { return nil }
    return try format == "json" ? JSONText.compact(value) + "\n" : Template.inspected([value], format: format)
}

/// `strata info`.
enum SystemInfo {
    static func value(_ session: Session) async throws -> Value {
        let images = try await session.images().list(ImageFilter(), all: true)
        let settings = session.settings
        let choice = try SnapshotDrivers.decide(root: settings.root, named: settings.driver)
        let service = try session.containers()
        let containers = try await service.perform { try $0.list() }
        let runtime = try? service.runtimeChoice()
        return .record(
            "strata.Info",
            [
                .always("Containers", .int(Int64(containers.count))),
                .always("ContainersRunning", .int(Int64(containers.count { $0.status == .running }))),
                .always("ContainersPaused", .int(Int64(containers.count { $0.status == .paused }))),
                .always("ContainersStopped", .int(Int64(containers.count { !$0.status.isActive }))),
                .always("Images", .int(Int64(images.count))),
                .always("ServerVersion", .string(Version.current)),
                .always("Driver", .string(choice.kind.rawValue)),
                .always("DriverReason", .string(choice.reason)),
                .always("DefaultRuntime", .string(runtime?.name ?? "none")),
                .always("RuntimePath", .string(runtime?.path ?? "")),
                .always("RuntimeReason", .string(runtime?.reason ?? "neither crun nor runc works here")),
                .always("KernelVersion", .string(kernelRelease().text)),
                .always("OSType", .string("linux")),
                .always("Architecture", .string(Platform.current.architecture)),
                .always("DockerRootDir", .string(settings.root)),
                .always("RunDir", .string(settings.runDirectory)),
                .always("Rootless", .bool(service.host.isRootless)),
            ])
    }

    static func text(_ value: Value) -> String {
        guard case .object(let info) = value else { return "" }
        func field(_ name: String) -> String { info.field(name).map { GoFormat.plain($0) } ?? "" }
        return """
            Version: \(field("ServerVersion"))
            Store: \(field("DockerRootDir"))
            Run directory: \(field("RunDir"))
            Images: \(field("Images"))
            Containers: \(field("Containers"))
             Running: \(field("ContainersRunning"))
             Paused: \(field("ContainersPaused"))
             Stopped: \(field("ContainersStopped"))
            Snapshot driver: \(field("Driver")) (\(field("DriverReason")))
            Runtime: \(field("DefaultRuntime")) (\(field("RuntimeReason")))
            Rootless: \(field("Rootless"))
            Kernel: \(field("KernelVersion"))
            Platform: \(field("OSType"))/\(field("Architecture"))

            """
    }
}
