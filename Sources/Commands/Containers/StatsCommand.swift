import Containers
import Linux

extension Command {
    private static let all = Flag.bool("all", "a", "Show all containers (default shows just running)")
    private static let noStream = Flag.bool(
        "no-stream", nil, "Disable streaming stats and only pull the first result")
    private static let noTruncation = Flag.bool("no-trunc", nil, "Do not truncate output")

    static let containerStats = Command(
        "stats", "[CONTAINER...]", "Display a live stream of container(s) resource usage statistics",
        shortForms: ["stats"], flags: [all.spec, .format(nil, true), noStream.spec, noTruncation.spec], count: .any,
        completes: .runningContainers
    ) { call in
        let containers = try call.session.containers()
        let (names, showsAll, truncates) = (call.arguments, call[all], !call[noTruncation])
        let format = FlagValues(call).list("format").last
        // Names are found once: one that is not there is an error, one that goes later is not.
        let fixed = try await containers.perform { service in try names.map { try service.find($0) } }
        let isLive = !call[noStream]
        var before: [ContainerID: ContainerStats] = [:]
        while true {
            let earlier = before
            let samples = try await containers.perform { service in
                try service.list().filter { info in
                    fixed.isEmpty ? showsAll || info.status.isActive : fixed.contains(info.record.id)
                }.compactMap { info in (info, try? service.stats(info.record.id)) }
            }
            let isFirst = earlier.isEmpty
            before = Dictionary(
                uniqueKeysWithValues: samples.compactMap { info, stats in
                    stats.map { (info.record.id, $0) }
                })
            // What a processor does needs two looks, a second apart.
            if !isFirst || samples.isEmpty {
                let rows = samples.map { info, stats in
                    StatsRow(
                        info: info, stats: stats, earlier: earlier[info.record.id], truncates: truncates
                    ).value
                }
                let text = try StatsRow.listing.text(rows, format: format)
                // From the top left corner, each line to its end, and nothing below.
                let isDrawn = isLive && call.console.isRich && (format ?? "table").hasPrefix("table")
                call.console.write(
                    isDrawn ? "\u{1b}[H\(text.replacing("\n", with: "\u{1b}[K\n"))\u{1b}[J" : text)
                if !isLive { return 0 }
            }
            try await Task.sleep(for: .seconds(1))
        }
    }
}

/// A row of `stats`: docker's fields.
private struct StatsRow {
    var info: ContainerInfo
    var stats: ContainerStats?
    var earlier: ContainerStats?
    var truncates: Bool

    static let listing = Listing(
        [
            ("ID", "CONTAINER ID"), ("Container", "CONTAINER"), ("Name", "NAME"), ("CPUPerc", "CPU %"),
            ("MemUsage", "MEM USAGE / LIMIT"), ("MemPerc", "MEM %"), ("NetIO", "NET I/O"), ("BlockIO", "BLOCK I/O"),
            ("PIDs", "PIDS"),
        ],
        standard: "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}")

    var value: Value {
        func percent(_ value: Double) -> String { GoFormat.format("%.2f%%", [.double(value)]) }
        func pair(_ one: UInt64, _ other: UInt64) -> String {
            "\(Units.size(Int64(clamping: one))) / \(Units.size(Int64(clamping: other)))"
        }
        let id = info.record.id
        let now = stats ?? ContainerStats()
        let used = earlier.map { now.processorPercent(since: $0) } ?? 0
        let hasNumbers = stats != nil
        func shown(_ text: String, _ missing: String = "--") -> Value { .string(hasNumbers ? text : missing) }
        return .record(
            "*formatter.statsContext", escapesHTML: true,
            [
                .always("BlockIO", shown(pair(now.bytesRead, now.bytesWritten))),
                .always("CPUPerc", shown(percent(used))), .always("Container", .string(id.short)),
                .always("ID", .string(truncates ? id.short : id.hex)),
                .always("MemPerc", shown(percent(now.memoryPercent))),
                .always(
                    "MemUsage",
                    shown("\(Self.binary(now.memory)) / \(Self.binary(now.memoryLimit))", "-- / --")),
                .always("Name", .string(info.record.name)),
                .always("NetIO", shown(pair(now.bytesReceived, now.bytesSent))),
                .always("PIDs", shown("\(now.processes)")),
            ])
    }

    /// `1.5MiB`: docker counts memory in powers of 1024.
    private static func binary(_ bytes: UInt64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
        var value = Double(bytes)
        var unit = 0
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return GoFormat.format("%.4g", [.double(value)]) + units[unit]
    }
}
