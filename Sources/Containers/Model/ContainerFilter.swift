package import OCI

/// `--filter` of `ps` and `container prune`: conditions of one key are alternatives, of different keys all must hold.
package struct ContainerFilter: Sendable {
    /// Values by key, as written.
    private var values: [String: [String]] = [:]
    /// Which images an `ancestor` means; the front end finds them.
    package var ancestors: Set<Digest> = []

    package init() {}

    private static let listKeys: Set<String> = [
        "ancestor", "before", "exited", "expose", "health", "id", "is-task", "label", "name", "network", "publish",
        "since",
        "status", "volume",
    ]
    private static let pruneKeys: Set<String> = ["label", "label!", "until"]

    /// Adds a condition `key=value`.
    package mutating func add(_ text: String, pruning: Bool = false) throws(ContainerError) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2 else {
            throw ContainerError(
                .invalid,
                "invalid argument \"\(text)\" for \"-f, --filter\" flag: bad format of filter (expected name=value)")
        }
        let key = parts[0].trimmedBlanks.lowercased()
        let value = parts[1].trimmedBlanks
        guard (pruning ? Self.pruneKeys : Self.listKeys).contains(key) else {
            throw ContainerError(.invalid, "invalid filter '\(key)'")
        }
        if key == "status", ContainerStatus(rawValue: value) == nil {
            throw ContainerError(.invalid, "invalid filter 'status=\(value)'")
        }
        if key == "exited", Int32(value) == nil { throw ContainerError(.invalid, "invalid filter 'exited=\(value)'") }
        values[key, default: []].append(value)
    }

    package var ancestorNames: [String] { values["ancestor"] ?? [] }
    package var untilText: String? { values["until"]?.last }
    /// Whether containers that do not run are asked for, which `ps` otherwise leaves out.
    package var asksForAll: Bool { values["status"] != nil || values["exited"] != nil }

    /// The containers of a list, newest first, that satisfy every condition.
    package func select(_ list: [ContainerInfo]) throws(ContainerError) -> [ContainerInfo] {
        var list = list
        for (key, keepsOlder) in [("before", true), ("since", false)] {
            for name in values[key] ?? [] {
                guard let bound = list.first(where: { Self.names($0, name) }) else {
                    throw ContainerError(.notFound, "No such container: \(name)")
                }
                list = list.filter {
                    keepsOlder ? $0.record.created < bound.record.created : $0.record.created > bound.record.created
                }
            }
        }
        return list.filter(matches)
    }

    private static func names(_ info: ContainerInfo, _ text: String) -> Bool {
        info.record.name == text || info.record.id.hex.hasPrefix(text)
    }

    /// Whether a container satisfies every condition that looks at it alone.
    package func matches(_ info: ContainerInfo) -> Bool {
        let record = info.record
        func any(_ key: String, _ test: (String) -> Bool) -> Bool {
            values[key].map { $0.contains(where: test) } ?? true
        }
        func all(_ key: String, _ test: (String) -> Bool) -> Bool { values[key].map { $0.allSatisfy(test) } ?? true }
        func hasLabel(_ text: String) -> Bool {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard let value = record.config.labels?[parts[0]] else { return false }
            return parts.count == 1 || value == parts[1]
        }
        func isPublished(_ text: String) -> Bool {
            (info.state.network?.ports ?? record.hostConfig.portBindings).contains { Self.port($0.container, in: text) }
        }
        func isExposed(_ text: String) -> Bool {
            (record.config.exposedPorts ?? [:]).keys.compactMap { ContainerPort($0) }.contains {
                Self.port($0, in: text)
            }
        }
        return any("id") { record.id.hex.hasPrefix($0) || record.id.hex.contains($0) }
            && any("name") { Self.matches(record.name, pattern: $0) }
            && all("label", hasLabel) && all("label!") { !hasLabel($0) }
            && any("status") { $0 == info.status.rawValue }
            && any("exited") { info.status == .exited && Int32($0) == info.state.exitCode }
            && any("volume") { text in
                record.mounts.contains { $0.name == text || $0.destination == text || $0.source == text }
            }
            && any("network") { $0 == record.hostConfig.network }
            && any("health") { $0 == "none" } && any("is-task") { $0 == "false" }
            && any("publish", isPublished) && any("expose", isExposed)
            && any("ancestor") { name in
                ancestors.contains(record.imageID) || record.image == name || record.imageID.hex.hasPrefix(name)
            }
    }

    /// docker matches names as regular expressions; what people write of those is anchors and plain text.
    private static func matches(_ name: String, pattern: String) -> Bool {
        var pattern = pattern[...]
        let atStart = pattern.hasPrefix("^")
        if atStart { pattern = pattern.dropFirst() }
        let atEnd = pattern.hasSuffix("$")
        if atEnd { pattern = pattern.dropLast() }
        if pattern.hasPrefix("/") { pattern = pattern.dropFirst() }
        if let expression = try? Regex(String(pattern)) {
            return name.ranges(of: expression).contains {
                (!atStart || $0.lowerBound == name.startIndex) && (!atEnd || $0.upperBound == name.endIndex)
            }
        }
        return atStart ? name.hasPrefix(pattern) : atEnd ? name.hasSuffix(pattern) : name.contains(pattern)
    }

    /// `80`, `80/udp`, `80-90/tcp`.
    private static func port(_ port: ContainerPort, in text: String) -> Bool {
        let parts = text.split(separator: "/").map(String.init)
        if parts.count == 2, parts[1] != port.transport.rawValue { return false }
        let ends = (parts.first ?? "").split(separator: "-").compactMap { UInt16($0) }
        guard let first = ends.first, let last = ends.last else { return false }
        return first <= port.number && port.number <= last
    }
}
