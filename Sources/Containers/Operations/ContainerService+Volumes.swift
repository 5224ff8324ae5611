import Linux

extension ContainerService {
    /// Makes a named volume, or one with a made-up name.
    package func createVolume(_ name: String?, labels: [String: String] = [:]) throws -> Volume {
        try volumes.create(name ?? ContainerID().hex, labels: labels, isAnonymous: name == nil)
    }

    /// Removes a volume that no container mounts.
    ///
    /// - Parameter force: one that is not there is fine.
    package func removeVolume(_ name: String, force: Bool = false) throws {
        // Containers are created under the shared lock: none begins to use it between the question and the removal.
        let lock = try volumes.lock(.exclusive)
        defer { withExtendedLifetime(lock) {} }
        guard try volumes.volume(name) != nil else {
            if force { return }
            throw ContainerError(.notFound, "get \(name): no such volume")
        }
        let users = try usersOfVolume(name)
        if !users.isEmpty {
            throw ContainerError(
                .conflict, "remove \(name): volume is in use - [\(users.map(\.hex).joined(separator: ", "))]")
        }
        try volumes.remove(name)
    }

    /// Removes the volumes that no container mounts.
    ///
    /// - Parameters:
    ///   - all: also those that a person named.
    ///   - selects: which of them.
    package func pruneVolumes(all: Bool, _ selects: (Volume) -> Bool = { _ in true }) throws -> (
        removed: [String], bytes: Int64
    ) {
        let lock = try volumes.lock(.exclusive)
        defer { withExtendedLifetime(lock) {} }
        let used = try volumesInUse()
        var removed: [String] = []
        var bytes: Int64 = 0
        for volume in try volumes.list()
        where (all || volume.isAnonymous) && !used.contains(volume.name) && selects(volume) {
            bytes += try allocatedBytes(of: volumes.dataPath(volume.name))
            try volumes.remove(volume.name)
            removed.append(volume.name)
        }
        try volumes.removeLeftovers()
        return (removed, bytes)
    }

    /// The containers that mount a volume.
    package func usersOfVolume(_ name: String) throws -> [ContainerID] {
        try store.list().filter { id in (try? store.record(id))?.mounts.contains { $0.name == name } ?? false }
    }

    /// Names of the volumes that containers mount.
    package func volumesInUse() throws -> Set<String> {
        Set(try store.list().flatMap { id in (try? store.record(id))?.mounts.compactMap(\.name) ?? [] })
    }
}
