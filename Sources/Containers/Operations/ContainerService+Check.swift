import Linux
import Snapshots

/// Something that a killed process left of a container.
package struct ContainerFinding: Sendable, Equatable {
    /// The container, path or group it is about.
    package var subject: String
    package var problem: String
    package var isRepaired: Bool

    package init(subject: String, problem: String, isRepaired: Bool) {
        self.subject = subject
        self.problem = problem
        self.isRepaired = isRepaired
    }
}

extension ContainerService {
    /// Finds what killed processes left: states that are not true any more, mounts, groups, addresses and files that no
    /// container owns. With `repair` it is taken away.
    package func check(repair: Bool) throws -> [ContainerFinding] {
        var findings: [ContainerFinding] = []
        var alive: Set<ContainerID> = []
        for id in try store.list() {
            do {
                if let finding = try checkState(id, repair: repair) { findings.append(finding) }
                alive.insert(id)
            } catch let error as ContainerError {
                // Removed meanwhile, or now.
                if error.code == .notFound { continue }
                alive.insert(id)
                findings.append(.init(subject: id.short, problem: error.message, isRepaired: false))
            }
        }
        findings += try checkRunDirectories(alive, repair: repair)
        findings += try checkGroups(alive, repair: repair)
        findings += try checkFiles(repair: repair)
        if repair {
            try bridge.drop { !alive.contains($0) }
            try layers.releaseUnused()
        }
        return findings
    }

    private func checkState(_ id: ContainerID, repair: Bool) throws -> ContainerFinding? {
        let state = try store.state(id)
        let record = try store.record(id)
        let seen = try observed(record, state)
        if isAbandonedFrozen(seen), let lock = try store.tryLock(id) {
            defer { withExtendedLifetime(lock) {} }
            if repair { try thawAbandoned(seen) }
            return ContainerFinding(
                subject: id.short, problem: "it was frozen by a commit that was killed", isRepaired: repair)
        }
        // Where somebody holds the lock, it is at work.
        guard needsSettling(id, state), let lock = try store.tryLock(id) else { return nil }
        defer { withExtendedLifetime(lock) {} }
        let now = try store.state(id)
        guard needsSettling(id, now) else { return nil }
        let problem: String
        switch now.phase {
        case .starting: problem = "its start was interrupted"
        case .removing: problem = "its removal was interrupted"
        case .running: problem = "it ended, and nobody cleaned up"
        case .created, .exited: problem = "it left things in the run directory"
        }
        if repair {
            do { try settle(id) } catch let error as ContainerError { if error.code != .notFound { throw error } }
        }
        return ContainerFinding(subject: id.short, problem: problem, isRepaired: repair)
    }

    /// Run directories, and the runtime's own, of containers that are gone.
    private func checkRunDirectories(_ alive: Set<ContainerID>, repair: Bool) throws -> [ContainerFinding] {
        var findings: [ContainerFinding] = []
        for name in try names(in: store.runDirectory + "/containers") ?? [] {
            guard let id = ContainerID(name), !alive.contains(id), try !store.exists(id) else { continue }
            if repair { try clearRunDirectory(id) }
            findings.append(
                .init(subject: store.runDirectory(id), problem: "no container owns this directory", isRepaired: repair))
        }
        for name in try names(in: store.runtimeRoot) ?? [] {
            guard let id = ContainerID(name), !alive.contains(id), try !store.exists(id) else { continue }
            if repair { try Runtime(choice: try runtimeChoice(), root: store.runtimeRoot).delete(id) }
            findings.append(
                .init(
                    subject: "\(store.runtimeRoot)/\(name)", problem: "no container owns this process",
                    isRepaired: repair))
        }
        return findings
    }

    /// Control groups of this store's containers that are gone; groups of other stores are not known to us.
    private func checkGroups(_ alive: Set<ContainerID>, repair: Bool) throws -> [ContainerFinding] {
        var findings: [ContainerFinding] = []
        for id in try store.list() where alive.contains(id) {
            let state = try store.state(id)
            guard state.phase == .exited || state.phase == .created, let group = state.cgroup else { continue }
            let left = try cgroups.directories(of: group).filter { try FileStatus.ifExists($0) != nil }
            if left.isEmpty { continue }
            if repair { _ = try cgroups.removeEmpty(group) }
            findings.append(
                .init(subject: group, problem: "control group of a container that ended", isRepaired: repair))
        }
        return findings
    }

    private func checkFiles(repair: Bool) throws -> [ContainerFinding] {
        var findings: [ContainerFinding] = []
        for folder in ["containers", "volumes"] {
            for name in try names(in: "\(options.root)/\(folder)") ?? []
            where name.hasPrefix(".removed-") || name.hasPrefix(".new-") {
                findings.append(
                    .init(
                        subject: "\(options.root)/\(folder)/\(name)", problem: "left by a process that died",
                        isRepaired: repair))
            }
        }
        if repair {
            try store.removeLeftovers()
            try volumes.removeLeftovers()
        }
        return findings
    }
}
