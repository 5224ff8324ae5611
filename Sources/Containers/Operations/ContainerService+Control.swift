import Linux

extension ContainerService {
    /// Freezes every process of a container.
    package func pause(_ id: ContainerID) throws {
        let lock = try store.lock(id)
        defer { withExtendedLifetime(lock) {} }
        let info = try observed(try store.record(id), try store.state(id))
        switch info.status {
        case .running:
            if info.state.cgroup == nil {
                throw ContainerError(
                    .unavailable,
                    "cannot pause container \(id): freezing needs a control group, which only root can make")
            }
            try runtime(for: info.record).pause(id)
        case .paused: throw ContainerError(.conflict, "Container \(id) is already paused")
        default: throw ContainerError(.notRunning, "Container \(id) is not running")
        }
    }

    package func unpause(_ id: ContainerID) throws {
        let lock = try store.lock(id)
        defer { withExtendedLifetime(lock) {} }
        let info = try observed(try store.record(id), try store.state(id))
        guard info.status == .paused else { throw ContainerError(.conflict, "Container \(id) is not paused") }
        try runtime(for: info.record).resume(id)
    }

    package func rename(_ id: ContainerID, to name: String) throws {
        let name = try ContainerName.parse(name)
        let lock = try store.lock(id)
        defer { withExtendedLifetime(lock) {} }
        try store.rename(try store.record(id), to: name)
    }

    /// Changes limits, of a running container at once.
    ///
    /// - Parameter change: sets what the person asked for.
    /// - Returns: warnings.
    package func update(_ id: ContainerID, _ change: (inout HostConfig) throws -> Void) throws -> [String] {
        let lock = try store.lock(id)
        defer { withExtendedLifetime(lock) {} }
        try settle(id)
        var record = try store.record(id)
        let before = record.hostConfig.resources
        try change(&record.hostConfig)
        if record.hostConfig.autoRemove, record.hostConfig.restartPolicy.name != "no" {
            throw ContainerError(
                .invalid, "Restart policy cannot be updated because AutoRemove is enabled for the container")
        }
        let after = record.hostConfig.resources
        if after.memory > before.memory, after.memorySwap == before.memorySwap, after.memorySwap > 0,
            after.memory > after.memorySwap
        {
            throw ContainerError(
                .invalid,
                "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time"
            )
        }
        var warnings: [String] = []
        let limits = try SpecBuilder.limits(after, host: host, &warnings)
        if after != before, try observed(record, try store.state(id)).status.isActive {
            try runtime(for: record).update(id, limits)
        }
        try store.save(record)
        return warnings
    }

    /// Sets the size of a running container's terminal.
    package func resize(_ id: ContainerID, columns: Int, rows: Int) throws {
        try Attachment.resize(store.runDirectory(id), columns: columns, rows: rows)
    }

    /// A line to a running container's streams.
    package func attach(_ id: ContainerID) throws -> Attachment {
        let info = try info(id)
        if info.status == .paused {
            throw ContainerError(.conflict, "You cannot attach to a paused container, unpause it first")
        }
        guard info.status == .running else {
            throw ContainerError(.notRunning, "You cannot attach to a stopped container, start it first")
        }
        return try Attachment(directory: store.runDirectory(id))
    }

    /// The processes of a container as the host's `ps` shows them: titles and rows.
    ///
    /// - Parameter arguments: of `ps`; `-ef` where there are none.
    package func top(_ id: ContainerID, arguments: [String] = []) throws -> (titles: [String], rows: [[String]]) {
        let info = try info(id)
        guard info.status.isActive else {
            throw ContainerError(.notRunning, "container \(id) is not running")
        }
        guard let program = RuntimeChoice.find("ps") else {
            throw ContainerError(.unavailable, "ps is not installed", hint: "apt-get install procps")
        }
        let result = try runProgram(
            program, arguments.isEmpty ? ["-ef"] : arguments, environment: Runtime.environment, limit: 16 << 20)
        if result.code != 0 { throw ContainerError(.failed, "ps: \(result.message)") }
        return try Self.processes(
            String(decoding: result.output, as: UTF8.self), of: Set(try processes(info)))
    }

    /// A running container's processes, by the host's numbers.
    func processes(_ info: ContainerInfo) throws -> [Int32] {
        if let group = info.state.cgroup { return cgroups.processes(group) }
        // Without a group they are those of its PID namespace.
        guard let first = info.state.process?.processID, let namespace = try? readLink("/proc/\(first)/ns/pid") else {
            return []
        }
        return try (names(in: "/proc") ?? []).compactMap { Int32($0) }
            .filter { (try? readLink("/proc/\($0)/ns/pid")) == namespace }.sorted()
    }

    /// The lines of `ps` that are about given processes, cut into columns.
    static func processes(_ output: String, of wanted: Set<Int32>) throws(ContainerError) -> (
        titles: [String], rows: [[String]]
    ) {
        var lines = output.split(separator: "\n")
        guard !lines.isEmpty else { throw ContainerError(.failed, "ps gave nothing") }
        let titles = lines.removeFirst().split(separator: " ").map(String.init)
        guard let column = titles.firstIndex(of: "PID") else {
            throw ContainerError(.invalid, "Couldn't find PID field in ps output")
        }
        let rows = lines.compactMap { line -> [String]? in
            // The last column is the command, blanks and all.
            let fields = line.split(separator: " ", maxSplits: titles.count - 1).map { String($0).trimmedBlanks }
            guard fields.count == titles.count, let process = Int32(fields[column]), wanted.contains(process) else {
                return nil
            }
            return fields
        }
        return (titles, rows)
    }

    /// Removes containers that do not run.
    ///
    /// - Parameter selects: which of them.
    /// - Returns: their IDs, and the bytes that the disk gets back.
    package func prune(_ selects: (ContainerInfo) -> Bool = { _ in true }) throws -> (
        removed: [ContainerID], bytes: Int64
    ) {
        var removed: [ContainerID] = []
        var bytes: Int64 = 0
        for info in try list() where !info.status.isActive && info.status != .removing && selects(info) {
            let size = try writtenBytes(info.record.id)
            do { try remove(info.record.id) } catch let error as ContainerError {
                // Started, or removed, since we looked.
                if error.code == .conflict || error.code == .notFound { continue }
                throw error
            }
            removed.append(info.record.id)
            bytes += size
        }
        try store.removeLeftovers()
        return (removed, bytes)
    }

    /// Bytes that a container's own layer takes.
    package func writtenBytes(_ id: ContainerID) throws -> Int64 {
        try allocatedBytes(of: store.directory(id) + "/upper")
    }
}
