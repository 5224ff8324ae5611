import Containers
import Linux
import Snapshots

extension Command {
    static let containerDiff = Command(
        "diff", "CONTAINER", "Inspect changes to files or directories on a container's filesystem",
        shortForms: ["diff"], count: .exactly(1), completes: .containers
    ) { call in
        let name = call.arguments[0]
        let lines = try await call.session.containers().perform { service in
            try service.diff(try service.find(name)).map { change in
                Array("\(change.kind.rawValue) /".utf8) + change.path + [UInt8(ascii: "\n")]
            }
        }
        // Names are bytes, not always text.
        try writeAll(lines.flatMap { $0 }, to: 1, "standard output")
        return 0
    }

    private static let output = Flag.string("output", "o", "Write to a file, instead of STDOUT")

    static let containerExport = Command(
        "export", "CONTAINER", "Export a container's filesystem as a tar archive", shortForms: ["export"],
        flags: [output.spec], count: .exactly(1), completes: .containers
    ) { call in
        let (name, path) = (call.arguments[0], call[output])
        if path == nil, call.console.isTerminal {
            throw UsageWords(description: "cowardly refusing to save to a terminal. Use the -o flag or redirect")
        }
        try await call.session.containers().perform { service in
            let id = try service.find(name)
            guard let path else {
                return try unsafe service.export(id) { try unsafe writeAll($0, to: 1, "standard output") }
            }
            // A file that is there is replaced when the new one is whole.
            let staged = "\(path).\(uniqueSuffix())"
            do {
                let file = try open(staged, .createNew)
                let target = file.raw
                try unsafe service.export(id) { try unsafe writeAll($0, to: target, path) }
                try file.close(path)
                try rename(staged, to: path)
            } catch {
                try? removeFile(staged)
                throw error
            }
        }
        return 0
    }

    static let containerTop = Command(
        "top", "CONTAINER [ps OPTIONS]", "Display the running processes of a container", shortForms: ["top"],
        count: .atLeast(1), completes: .runningContainers, endsFlagsAtFirstArgument: true
    ) { call in
        let (name, arguments) = (call.arguments[0], Array(call.arguments.dropFirst()))
        let table = try await call.session.containers().perform { service in
            let (titles, rows) = try service.top(try service.find(name), arguments: arguments)
            return [titles] + rows
        }
        call.console.write(table.map { Self.line($0) + "\n" }.joined())
        return 0
    }

    /// docker's `top` has columns of 20 at least, three blanks between.
    private static func line(_ cells: [String]) -> String {
        cells.dropLast().map { cell in
            cell + String(repeating: " ", count: max(20 - cell.count, 3))
        }.joined() + (cells.last ?? "")
    }

    static let containerPort = Command(
        "port", "CONTAINER [PRIVATE_PORT[/PROTO]]", "List port mappings or a specific mapping for the container",
        shortForms: ["port"], count: .between(1, 2), completes: .runningContainers
    ) { call in
        let name = call.arguments[0]
        let ports = try await call.session.containers().perform { service in
            let info = try service.info(try service.find(name))
            return info.status.isActive ? info.state.network?.ports ?? [] : []
        }.sorted { ($0.container, $0.hostAddress, $0.hostPort) < ($1.container, $1.hostAddress, $1.hostPort) }
        func address(_ port: PortMapping) -> String {
            let host = port.hostAddress.isEmpty ? "0.0.0.0" : port.hostAddress
            return "\(host.contains(":") ? "[\(host)]" : host):\(port.hostPort)"
        }
        guard let text = call.arguments.dropFirst().first else {
            call.console.write(ports.map { "\($0.container) -> \(address($0))\n" }.joined())
            return 0
        }
        guard let wanted = ContainerPort(text) else {
            throw ContainerError(.invalid, "invalid port: \(text)", hint: "want a port such as 80 or 53/udp")
        }
        let found = ports.filter { $0.container == wanted }
        if found.isEmpty {
            throw ContainerError(.notFound, "no public port '\(wanted)' published for \(name)")
        }
        call.console.write(found.map { address($0) + "\n" }.joined())
        return 0
    }

    static let containerUpdate = Command(
        "update", "CONTAINER [CONTAINER...]", "Update configuration of one or more containers",
        shortForms: ["update"],
        flags: [
            .int(
                "blkio-weight", nil, "Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)",
                "uint16"),
            .int("cpu-period", nil, "Limit CPU CFS (Completely Fair Scheduler) period"),
            .int("cpu-quota", nil, "Limit CPU CFS (Completely Fair Scheduler) quota"),
            .int("cpu-rt-period", nil, "Limit the CPU real-time period in microseconds"),
            .int("cpu-rt-runtime", nil, "Limit the CPU real-time runtime in microseconds"),
            .int("cpu-shares", "c", "CPU shares (relative weight)"),
            .string("cpus", nil, "Number of CPUs", "decimal"),
            .string("cpuset-cpus", nil, "CPUs in which to allow execution (0-3, 0,1)"),
            .string("cpuset-mems", nil, "MEMs in which to allow execution (0-3, 0,1)"),
            .bytes("memory", "m", "Memory limit"), .bytes("memory-reservation", nil, "Memory soft limit"),
            .bytes("memory-swap", nil, "Swap limit equal to memory plus swap: -1 to enable unlimited swap"),
            .int("pids-limit", nil, "Tune container pids limit (set -1 for unlimited)"),
            .string("restart", nil, "Restart policy to apply when a container exits"),
        ],
        count: .atLeast(1), completes: .containers
    ) { call in
        let flags = FlagValues(call)
        if flags.isEmpty {
            throw UsageError("you must provide one or more flags when using this command")
        }
        let console = call.console
        return try await call.forEachContainer(call.arguments) { service, id in
            let warnings = try service.update(id) { host in
                try LimitFlags.read(flags, into: &host.resources)
                if flags.isSet("restart") { host.restartPolicy = try .init(parsing: flags.text("restart")) }
            }
            for warning in warnings { console.warn(warning) }
            return nil
        }
    }
}
