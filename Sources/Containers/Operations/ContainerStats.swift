import Linux

/// What a container uses at a moment.
package struct ContainerStats: Sendable, Equatable {
    /// Nanoseconds since 1970.
    package var time: Int64 = 0
    /// Nanoseconds of processor time since the container began, and of the whole host since it booted.
    package var processorTime: UInt64 = 0
    package var systemTime: UInt64 = 0
    package var processors = 1
    /// Bytes, without cache that the kernel can drop at once.
    package var memory: UInt64 = 0
    package var memoryLimit: UInt64 = 0
    package var processes: UInt64 = 0
    package var bytesRead: UInt64 = 0
    package var bytesWritten: UInt64 = 0
    package var bytesReceived: UInt64 = 0
    package var bytesSent: UInt64 = 0

    package init() {}

    /// Percent of one processor used since an earlier moment, as docker counts.
    package func processorPercent(since earlier: ContainerStats) -> Double {
        let used = Double(processorTime) - Double(earlier.processorTime)
        let system = Double(systemTime) - Double(earlier.systemTime)
        return used > 0 && system > 0 ? used / system * Double(processors) * 100 : 0
    }

    package var memoryPercent: Double { memoryLimit == 0 ? 0 : Double(memory) / Double(memoryLimit) * 100 }
}

extension ContainerService {
    /// What a container uses now; zeros for one that does not run.
    package func stats(_ id: ContainerID) throws -> ContainerStats {
        let info = try info(id)
        var stats = ContainerStats()
        guard info.status.isActive, let process = info.state.process else { return stats }
        stats.time = wallClockNanoseconds()
        stats.processors = host.processors
        stats.systemTime = Self.systemTime(HostFacts.text("/proc/stat"))
        let memoryTotal = Self.memoryTotal(HostFacts.text("/proc/meminfo"))
        guard let group = info.state.cgroup else {
            // Only what the processes themselves tell.
            stats.processes = UInt64(try processes(info).count)
            stats.memoryLimit = memoryTotal
            return stats
        }
        switch cgroups.layout {
        case .v2:
            stats.processorTime = (cgroups.table("cpu.stat", "cpu", of: group)["usage_usec"] ?? 0) * 1000
            let used = cgroups.number("memory.current", "memory", of: group) ?? 0
            let cache = cgroups.table("memory.stat", "memory", of: group)["inactive_file"] ?? 0
            stats.memory = used > cache ? used - cache : used
            stats.memoryLimit = cgroups.number("memory.max", "memory", of: group) ?? memoryTotal
            (stats.bytesRead, stats.bytesWritten) = Self.throughput(cgroups.text("io.stat", "io", of: group) ?? "")
        case .v1, .hybrid:
            stats.processorTime = cgroups.number("cpuacct.usage", "cpuacct", of: group) ?? 0
            let used = cgroups.number("memory.usage_in_bytes", "memory", of: group) ?? 0
            let cache = cgroups.table("memory.stat", "memory", of: group)["total_inactive_file"] ?? 0
            stats.memory = used > cache ? used - cache : used
            stats.memoryLimit = cgroups.number("memory.limit_in_bytes", "memory", of: group) ?? memoryTotal
            (stats.bytesRead, stats.bytesWritten) = Self.throughput(
                cgroups.text("blkio.throttle.io_service_bytes", "blkio", of: group) ?? "")
        }
        stats.memoryLimit = min(stats.memoryLimit, memoryTotal)
        stats.processes = cgroups.number("pids.current", "pids", of: group) ?? UInt64(cgroups.processes(group).count)
        if info.record.hostConfig.network != "host" {
            (stats.bytesReceived, stats.bytesSent) = Self.traffic(HostFacts.text("/proc/\(process.processID)/net/dev"))
        }
        return stats
    }

    /// Nanoseconds of all processors together: the first line of `/proc/stat`, in ticks of 10 ms.
    static func systemTime(_ stat: String) -> UInt64 {
        let fields = stat.prefix { $0 != "\n" }.split(separator: " ").dropFirst().prefix(7)
        return fields.reduce(0) { $0 + (UInt64($1) ?? 0) } * 10_000_000
    }

    static func memoryTotal(_ info: String) -> UInt64 {
        let line = info.split(separator: "\n").first { $0.hasPrefix("MemTotal:") }
        return line?.split(separator: " ").dropFirst().first.flatMap { UInt64($0) }.map { $0 * 1024 } ?? 0
    }

    /// Bytes read and written of `io.stat` (`8:0 rbytes=1 wbytes=2 …`) or of v1's `8:0 Read 1` lines.
    static func throughput(_ text: String) -> (read: UInt64, written: UInt64) {
        var result: (read: UInt64, written: UInt64) = (0, 0)
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: " ")
            for field in fields {
                if field.hasPrefix("rbytes=") { result.read += UInt64(field.dropFirst(7)) ?? 0 }
                if field.hasPrefix("wbytes=") { result.written += UInt64(field.dropFirst(7)) ?? 0 }
            }
            guard fields.count == 3, let value = UInt64(fields[2]) else { continue }
            if fields[1] == "Read" { result.read += value }
            if fields[1] == "Write" { result.written += value }
        }
        return result
    }

    /// Bytes received and sent by the interfaces of `/proc/PID/net/dev`, loopback left out.
    static func traffic(_ text: String) -> (received: UInt64, sent: UInt64) {
        var result: (received: UInt64, sent: UInt64) = (0, 0)
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, String(parts[0]).trimmedBlanks != "lo" else { continue }
            let numbers = parts[1].split(separator: " ").map { UInt64($0) ?? 0 }
            guard numbers.count > 8 else { continue }
            result.received += numbers[0]
            result.sent += numbers[8]
        }
        return result
    }
}
