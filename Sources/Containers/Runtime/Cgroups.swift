import Linux

/// The host's control groups: which hierarchies there are, and one container's files in them.
package struct Cgroups: Sendable {
    package var layout: HostFacts.CgroupLayout
    /// Controllers that a container can be limited by.
    package var controllers: Set<String>
    /// Where each v1 controller, or with the name `unified` the v2 hierarchy, is mounted.
    package var mounts: [String: String]
    /// Where hierarchies without controllers are mounted (v1's `name=systemd`): the runtime makes groups there, too.
    var named: Set<String> = []
    /// A hybrid host whose v2 hierarchy has controllers, which crun refuses.
    package var splitsControllers: Bool

    package static func probe() -> Cgroups { parse(mountInfo: HostFacts.text("/proc/self/mountinfo", limit: 16 << 20)) }

    static func parse(
        mountInfo: String, controllersOf: (String) -> String = { HostFacts.text($0 + "/cgroup.controllers") }
    ) -> Cgroups {
        var mounts: [String: String] = [:]
        var named: Set<String> = []
        let known: Set<String> = [
            "cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "hugetlb",
        ]
        for line in mountInfo.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > 6, let dash = fields.firstIndex(of: "-"), dash + 3 < fields.count else { continue }
            let point = String(fields[4])
            switch fields[dash + 1] {
            case "cgroup2": if mounts["unified"] == nil { mounts["unified"] = point }
            case "cgroup":
                for option in fields[dash + 3].split(separator: ",").map(String.init) {
                    if option.hasPrefix("name=") { named.insert(point) }
                    if known.contains(option), mounts[option] == nil { mounts[option] = point }
                }
            default: break
            }
        }
        let unified = mounts["unified"].map { Set(controllersOf($0).split(separator: " ").map(String.init)) } ?? []
        let legacy = Set(mounts.keys).subtracting(["unified"])
        if legacy.isEmpty {
            return Cgroups(
                layout: .v2, controllers: unified, mounts: mounts, named: named, splitsControllers: false)
        }
        return Cgroups(
            layout: mounts["unified"] == nil ? .v1 : .hybrid, controllers: legacy, mounts: mounts,
            named: named, splitsControllers: !unified.isEmpty)
    }

    /// A container's directory for a controller; nil where the host has no such hierarchy.
    func directory(_ controller: String, of path: String) -> String? {
        mounts[layout == .v2 ? "unified" : controller].map { $0 + path }
    }

    /// Every directory that a container's group may have.
    func directories(of path: String) -> [String] { named.union(mounts.values).sorted().map { $0 + path } }

    func text(_ file: String, _ controller: String, of path: String) -> String? {
        guard let directory = directory(controller, of: path),
            let bytes = try? readFile("\(directory)/\(file)", limit: 4 << 20)
        else { return nil }
        return String(decoding: bytes, as: UTF8.self).trimmedBlanks
    }

    func number(_ file: String, _ controller: String, of path: String) -> UInt64? {
        text(file, controller, of: path).flatMap { UInt64($0) }
    }

    /// `key value` lines.
    func table(_ file: String, _ controller: String, of path: String) -> [String: UInt64] {
        var table: [String: UInt64] = [:]
        for line in (text(file, controller, of: path) ?? "").split(separator: "\n") {
            let fields = line.split(separator: " ")
            if fields.count == 2, let value = UInt64(fields[1]) { table[String(fields[0])] = value }
        }
        return table
    }

    /// Whether the group's processes are frozen.
    func isFrozen(_ path: String) -> Bool {
        layout == .v2
            ? table("cgroup.events", "unified", of: path)["frozen"] == 1
            : text("freezer.state", "freezer", of: path).map { $0 != "THAWED" } ?? false
    }

    /// The group's processes, with those of groups below it.
    func processes(_ path: String) -> [Int32] {
        let controllers = layout == .v2 ? ["unified"] : ["pids", "memory", "devices", "freezer", "cpu"]
        guard let root = controllers.lazy.compactMap({ directory($0, of: path) }).first else { return [] }
        var found: [Int32] = []
        var directories = [root]
        while let directory = directories.popLast() {
            guard let bytes = try? readFile("\(directory)/cgroup.procs", limit: 4 << 20) else { continue }
            found += String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap { Int32($0) }
            for name in (try? names(in: directory)) ?? nil ?? [] {
                let below = "\(directory)/\(name)"
                if let status = try? FileStatus(of: below), status.kind == .directory { directories.append(below) }
            }
        }
        return found.sorted()
    }

    /// Removes a container's groups.
    ///
    /// - Returns: false where one holds processes or groups, and stays.
    func removeEmpty(_ path: String) throws -> Bool {
        var isEmpty = true
        for directory in directories(of: path) {
            do { try removeDirectory(directory) } catch {
                guard error.kind == .busy || error.kind == .notEmpty else { throw error }
                isEmpty = false
            }
        }
        return isEmpty
    }
}
