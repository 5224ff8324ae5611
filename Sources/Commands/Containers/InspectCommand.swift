import Containers
import Images

extension Command {
    private static let size = Flag.bool("size", "s", "Display total file sizes")

    static let containerInspect = Command(
        "inspect", "CONTAINER [CONTAINER...]", "Display detailed information on one or more containers",
        flags: [.format("f", false), size.spec], count: .atLeast(1), completes: .containers
    ) { call in
        let wantsSize = call[size]
        return try await call.inspect(call.arguments) { name in
            try await call.inspectedContainer(name, withSize: wantsSize)
        }
    }
}

extension Call {
    /// A container as `inspect` shows it.
    func inspectedContainer(_ name: String, withSize: Bool) async throws -> Value {
        let images = try session.images()
        return try await session.containers().perform { service in
            let info = try service.info(try service.find(name))
            return ContainerInspection(
                info: info, service: service, sizes: withSize ? try service.sizes(of: info, images) : nil
            ).value
        }
    }

    /// Shows what was found of several names; what was not is told, as docker does it.
    func inspect(_ names: [String], _ find: (String) async throws -> Value) async throws -> Int32 {
        var found: [Value] = []
        var failures: [any Error] = []
        for name in names {
            do { found.append(try await find(name)) } catch { failures.append(error) }
        }
        let format = FlagValues(self).list("format").last
        if format == nil || format == "json" || !found.isEmpty {
            console.write(try Template.inspected(found, format: format))
        }
        for error in failures { console.report(error) }
        return failures.isEmpty ? 0 : 1
    }
}

extension Command {
    private static let kind = Flag.string(
        "type", nil, "Only inspect objects of the given type", choices: ["container", "image", "volume"])

    /// `strata inspect`: whatever has the name.
    static let inspect = Command(
        "inspect", "NAME|ID [NAME|ID...]", "Return low-level information on Strata objects",
        flags: [.format("f", false), size.spec, kind.spec], count: .atLeast(1), completes: .containers
    ) { call in
        let (wanted, wantsSize) = (call[kind], call[size])
        if let wanted, !["container", "image", "volume"].contains(wanted) {
            throw UsageWords(description: "unknown type: \(wanted), want container, image or volume")
        }
        return try await call.inspect(call.arguments) { name in
            if wanted ?? "container" == "container" {
                do { return try await call.inspectedContainer(name, withSize: wantsSize) } catch let error
                    as ContainerError
                {
                    if wanted != nil || error.code != .notFound { throw error }
                }
            }
            if wanted ?? "image" == "image" {
                do {
                    return ImageInspection.value(try await call.session.images().inspect(name, platform: nil))
                } catch let error as ImageError {
                    if wanted != nil || error.code != .notFound && error.code != .invalid { throw error }
                }
            }
            do { return try await call.inspectedVolume(name) } catch let error as ContainerError {
                if wanted != nil || error.code != .notFound { throw error }
                throw ContainerError(.notFound, "No such object: \(name)")
            }
        }
    }
}
