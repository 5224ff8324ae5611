import Containers
import Linux

extension Command {
    private static let driver = Flag.string("driver", "d", "Specify volume driver name (default \"local\")")
    private static let label = Flag.list("label", nil, "Set metadata for a volume")
    private static let option = Flag.list(
        "opt", "o", "Set driver specific options (default map[])", valueName: "map")
    private static let name = Flag.string("name", nil, "Specify volume name").hidden

    static let volumeCreate = Command(
        "create", "[VOLUME]", "Create a volume", flags: [driver.spec, label.spec, name.spec, option.spec],
        count: .atMost(1)
    ) { call in
        if let driver = call[driver], driver != "local" {
            throw ContainerError(
                .invalid, "create volume: error looking up volume plugin \(driver): plugin \"\(driver)\" not found",
                hint: "volumes are local directories: leave out --driver")
        }
        if !call[option].isEmpty {
            throw ContainerError(
                .invalid, "volume options are not supported",
                hint: "mount what you need, and use it with --mount type=bind")
        }
        let labels = Dictionary(call[label].map(ContainerSettings.pair).map { ($0.key, $0.value) }) { $1 }
        let wanted = call.arguments.first ?? call[name]
        let volume = try await call.session.containers().perform { try $0.createVolume(wanted, labels: labels) }
        call.console.line(volume.name)
        return 0
    }

    static let volumeInspect = Command(
        "inspect", "VOLUME [VOLUME...]", "Display detailed information on one or more volumes",
        flags: [.format("f", false)], count: .atLeast(1), completes: .volumes
    ) { call in
        try await call.inspect(call.arguments) { try await call.inspectedVolume($0) }
    }

    private static let filters = Flag.list(
        "filter", "f", "Provide filter values (e.g. \"dangling=true\")", valueName: "filter")
    private static let quiet = Flag.bool("quiet", "q", "Only display volume names")

    static let volumeList = Command(
        "ls", "", "List volumes", aliases: ["list"], flags: [filters.spec, .format(nil, true), quiet.spec]
    ) { call in
        let filter = try VolumeFilter(call[filters], keys: ["dangling", "driver", "label", "name"])
        let format = FlagValues(call).list("format").last
        let wantsSize = format?.contains(".Size") == true || format?.contains(".Links") == true
        let rows = try await call.session.containers().perform { service in
            let used = try service.volumesInUse()
            return try service.volumes.list().filter { filter.matches($0, isUsed: used.contains($0.name)) }
                .map { try VolumeText.row($0, service, withSize: wantsSize) }
        }
        call.console.write(
            try VolumeText.listing.text(rows, format: format, quiet: call[quiet] ? "Name" : nil))
        return 0
    }

    private static let all = Flag.bool("all", "a", "Remove all unused volumes, not just anonymous ones")
    private static let pruneFilters = Flag.list(
        "filter", nil, "Provide filter values (e.g. \"label=<label>\")", valueName: "filter")
    private static let unasked = Flag.bool("force", "f", "Do not prompt for confirmation")

    static let volumePrune = Command(
        "prune", "", "Remove unused local volumes", flags: [all.spec, pruneFilters.spec, unasked.spec]
    ) { call in
        let filter = try VolumeFilter(call[pruneFilters], keys: ["all", "label", "label!"])
        let takesAll = call[all] || filter.takesAll
        if !call[unasked] {
            call.console.complain(
                "WARNING! This will remove \(takesAll ? "all" : "anonymous") local volumes not used by at least one container."
            )
            guard call.console.confirm("Are you sure you want to continue?") else { return 1 }
        }
        let (removed, bytes) = try await call.session.containers().perform { service in
            try service.pruneVolumes(all: takesAll) { filter.matches($0, isUsed: false) }
        }
        var text = ""
        if !removed.isEmpty { text = "Deleted Volumes:\n" + removed.map { "\($0)\n" }.joined() + "\n" }
        call.console.write(text + "Total reclaimed space: \(Units.size(bytes, digits: 4))\n")
        return 0
    }

    private static let force = Flag.bool("force", "f", "Force the removal of one or more volumes")

    static let volumeRemove = Command(
        "rm", "VOLUME [VOLUME...]", "Remove one or more volumes",
        details: "You cannot remove a volume that is in use by a container.", aliases: ["remove"],
        flags: [force.spec], count: .atLeast(1), completes: .volumes
    ) { call in
        let service = try call.session.containers()
        let isForced = call[force]
        return await call.inParallel(call.arguments) { name in
            try await service.perform { try $0.removeVolume(name, force: isForced) }
            return name
        }
    }
}

/// `--filter` of `volume ls` and `volume prune`.
private struct VolumeFilter: Sendable {
    private var values: [String: [String]] = [:]

    init(_ texts: [String], keys: Set<String>) throws {
        for text in texts {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2 else {
                throw ContainerError(
                    .invalid,
                    "invalid argument \"\(text)\" for \"-f, --filter\" flag: bad format of filter (expected name=value)"
                )
            }
            guard keys.contains(parts[0]) else { throw ContainerError(.invalid, "invalid filter '\(parts[0])'") }
            if ["dangling", "all"].contains(parts[0]), Self.boolean(parts[1]) == nil {
                throw ContainerError(.invalid, "invalid value for filter '\(parts[0])': \"\(parts[1])\"")
            }
            values[parts[0], default: []].append(parts[1])
        }
    }

    private static func boolean(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "1", "true", "t": true
        case "0", "false", "f": false
        default: nil
        }
    }

    var takesAll: Bool { values["all"]?.last.flatMap(Self.boolean) ?? false }

    func matches(_ volume: Volume, isUsed: Bool) -> Bool {
        func has(_ text: String) -> Bool {
            let (key, value) = ContainerSettings.pair(text)
            guard let there = volume.labels[key] else { return false }
            return !text.contains("=") || there == value
        }
        if let wanted = values["dangling"]?.last.flatMap(Self.boolean), wanted == isUsed { return false }
        return (values["label"] ?? []).allSatisfy(has) && !(values["label!"] ?? []).contains(where: has)
            && values["name"].map { $0.contains { volume.name.contains($0) } } ?? true
            && values["driver"].map { $0.contains("local") } ?? true
    }
}

extension Call {
    /// A volume as `inspect` shows it.
    func inspectedVolume(_ name: String) async throws -> Value {
        try await session.containers().perform { service in
            guard let volume = try service.volumes.volume(name) else {
                throw ContainerError(.notFound, "get \(name): no such volume")
            }
            return VolumeText.inspection(volume, service)
        }
    }
}

private enum VolumeText {
    static let listing = Listing(
        [
            ("Driver", "DRIVER"), ("Name", "VOLUME NAME"), ("Scope", "SCOPE"), ("Mountpoint", "MOUNTPOINT"),
            ("Labels", "LABELS"), ("Links", "LINKS"), ("Size", "SIZE"), ("Availability", "AVAILABILITY"),
            ("Group", "GROUP"), ("Status", "STATUS"),
        ], standard: "{{.Driver}}\t{{.Name}}")

    static func row(_ volume: Volume, _ service: ContainerService, withSize: Bool) throws -> Value {
        let labels = volume.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
        let path = service.volumes.dataPath(volume.name)
        return .record(
            "*formatter.volumeContext", escapesHTML: true,
            [
                .always("Availability", .string("N/A")), .always("Driver", .string("local")),
                .always("Group", .string("N/A")), .always("Labels", .string(labels)),
                .always(
                    "Links", .string(withSize ? "\(try service.usersOfVolume(volume.name).count)" : "N/A")),
                .always("Mountpoint", .string(path)), .always("Name", .string(volume.name)),
                .always("Scope", .string("local")),
                .always("Size", .string(withSize ? Units.size(try allocatedBytes(of: path)) : "N/A")),
                .always("Status", .string("N/A")),
            ])
    }

    static func inspection(_ volume: Volume, _ service: ContainerService) -> Value {
        .record(
            "volume.Volume",
            [
                .always("CreatedAt", .string(Timestamp.text(volume.created / 1_000_000_000 * 1_000_000_000))),
                .always("Driver", .string("local")),
                .always("Labels", volume.labels.isEmpty ? .nilMap : .strings(volume.labels)),
                .always("Mountpoint", .string(service.volumes.dataPath(volume.name))),
                .always("Name", .string(volume.name)), .always("Options", .nilMap), .always("Scope", .string("local")),
            ])
    }
}
