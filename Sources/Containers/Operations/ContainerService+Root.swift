import Archive
import Linux
package import Snapshots

extension ContainerService {
    /// What a container changed of its image, sorted by path.
    package func diff(_ id: ContainerID) throws -> [UpperChange] {
        let record = try store.record(id)
        return try layers.changes(
            of: store.directory(id) + "/upper", over: record.layers, hiding: hiddenPaths(record))
    }

    /// Paths that are there only so that something can be mounted on them.
    func hiddenPaths(_ record: ContainerRecord) -> Set<[UInt8]> {
        var paths = Self.ownPaths
        if record.hostConfig.usesInit { paths.append(SpecBuilder.initPath) }
        return Set(paths.map { Array($0.utf8.dropFirst()) })
    }

    /// Writes a container's whole root as a tar; what is mounted into it is left out.
    package func export(_ id: ContainerID, to output: @escaping (UnsafeRawBufferPointer) throws -> Void) throws {
        try withRoot(id, mounting: false) { path in
            var reader = TreeReader()
            reader.includesRoot = false
            reader.wantsAttribute = { $0 == "security.capability" }
            var writer = unsafe TarWriter(to: output)
            try reader.read(try open(path, .directory), to: &writer)
            try writer.finish()
        }
    }

    /// Writes what a container changed of its image as a layer's tar.
    ///
    /// - Parameter pausing: freeze a running container meanwhile, so that the layer shows one moment.
    package func packLayer(
        _ id: ContainerID, pausing: Bool, to output: @escaping (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        let lock = try store.lock(id)
        defer { withExtendedLifetime(lock) {} }
        try settle(id)
        let info = try observed(try store.record(id), try store.state(id))
        let runtime = try runtime(for: info.record)
        let isFreezing = pausing && info.status == .running && info.state.cgroup != nil
        if isFreezing { try freeze(id, runtime) }
        defer { if isFreezing { try? thaw(id, runtime) } }
        Failpoint.reach("commit-frozen")
        var writer = unsafe TarWriter(to: output)
        try layers.packUpper(
            store.directory(id) + "/upper", over: info.record.layers, hiding: hiddenPaths(info.record), to: &writer)
        try writer.finish()
    }

    private func frozenPath(_ id: ContainerID) -> String { store.runDirectory(id) + "/frozen" }

    /// Freezes a container for this process, and says so: if we are killed, somebody can tell that nobody thaws it.
    private func freeze(_ id: ContainerID, _ runtime: Runtime) throws {
        let file = try open(frozenPath(id), .write, permissions: 0o600)
        let own = ProcessIdentity(of: processID())
        try writeAll(Array("\(processID()) \(own?.startTime ?? 0)".utf8), to: file.raw, "frozen")
        try runtime.pause(id)
    }

    private func thaw(_ id: ContainerID, _ runtime: Runtime) throws {
        try runtime.resume(id)
        try removeFile(frozenPath(id))
    }

    /// Whether a container is frozen by a process that was killed before it thawed it.
    func isAbandonedFrozen(_ info: ContainerInfo) -> Bool {
        guard info.status == .paused else { return false }
        let words = HostFacts.text(frozenPath(info.record.id)).split(separator: " ")
        guard words.count == 2, let number = Int32(words[0]), let start = UInt64(words[1]) else { return false }
        return ProcessIdentity(of: number)?.startTime != start
    }

    /// Thaws a container that `isAbandonedFrozen`. The caller holds its lock.
    func thawAbandoned(_ info: ContainerInfo) throws {
        try thaw(info.record.id, try runtime(for: info.record))
    }

    /// Gives the path of a container's root while the body runs; one that does not run is mounted for it.
    ///
    /// - Parameter mounting: with what is mounted into the container, as its program sees it.
    func withRoot<Value>(_ id: ContainerID, mounting: Bool, _ body: (String) throws -> Value) throws -> Value {
        // A running container is not held up by what is done in it.
        if let path = try runningRoot(id, mounting: mounting) { return try body(path) }
        let lock = try store.lock(id)
        defer { withExtendedLifetime(lock) {} }
        try settle(id)
        let record = try store.record(id)
        if let path = try runningRoot(id, mounting: mounting) { return try body(path) }
        try clearRunDirectory(id)
        do {
            try mountRoot(record, try store.state(id))
            if mounting { try mountVolumes(record) }
            let value = try body(store.rootPath(id))
            try clearRunDirectory(id)
            return value
        } catch {
            try? clearRunDirectory(id)
            throw error
        }
    }

    private func runningRoot(_ id: ContainerID, mounting: Bool) throws -> String? {
        let info = try observed(try store.record(id), try store.state(id))
        guard info.status.isActive, let process = info.state.process else { return nil }
        return mounting ? "/proc/\(process.processID)/root" : store.rootPath(id)
    }

    /// Mounts volumes and directories of the host into a root that is mounted, outer before inner.
    private func mountVolumes(_ record: ContainerRecord) throws {
        let root = try ConfinedTree(store.rootPath(record.id))
        let mounts = record.mounts.filter { $0.kind != .tmpfs }
        for mount in mounts.sorted(by: { $0.destination.count < $1.destination.count }) {
            guard let source = try FileStatus.ifExists(mount.source) else { continue }
            if source.kind == .directory {
                _ = try root.makeDirectories(mount.destination)
            } else {
                try root.makeFile(mount.destination)
            }
            // By a handle, so that no link of the container's leads the mount elsewhere.
            let target = try root.open(mount.destination, .handle)
            try cloneMount(at: mount.source).attach(to: target, mount.destination)
        }
    }
}
