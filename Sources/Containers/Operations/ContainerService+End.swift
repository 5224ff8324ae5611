import Glibc
import Linux
import OCI
import Snapshots

extension ContainerService {
    // MARK: Waiting

    /// Waits until a container does not run, and gives its exit code. Holds up `--rm` until the code was read.
    ///
    /// - Parameter isReady: called once when nothing that happens from now on is missed.
    package func wait(_ id: ContainerID, isReady: () throws -> Void = {}) throws -> Int32 {
        let waiters = try store.lockWaiters(id, .shared)
        defer { withExtendedLifetime(waiters) {} }
        try isReady()
        return try untilStopped(id)
    }

    /// Waits for the end of the run that is under way. The caller holds the waiters' lock or the container's.
    ///
    /// - Parameter milliseconds: gives up after this time; nil waits for ever.
    /// - Returns: the exit code; 137 where the container was removed by force meanwhile.
    func untilStopped(_ id: ContainerID) throws -> Int32 { try untilStopped(id, within: nil) ?? 137 }

    func untilStopped(_ id: ContainerID, within limit: Duration?) throws -> Int32? {
        let deadline = limit.map { ContinuousClock.now + $0 }
        // To watch takes longer than to look: first without.
        var isWatching = false
        while true {
            let watch = isWatching ? try FileWatch() : nil
            let info: ContainerInfo
            do {
                if isWatching { try watch?.add(store.persistDirectory(id), [.appeared, .closed, .vanished]) }
                info = try observed(try store.record(id), try store.state(id))
            } catch {
                if try store.exists(id) { throw error }
                return 137
            }
            if !info.status.isActive { return info.state.exitCode }
            guard isWatching else {
                isWatching = true
                continue
            }
            // Where the process is gone, its exit code is on its way as long as conmon lives.
            guard let handle = try Handle(info.state.process) ?? Handle(info.state.monitor) else { continue }
            var milliseconds: Int32 = -1
            if let deadline {
                let left = deadline - ContinuousClock.now
                if left <= .zero { return nil }
                milliseconds = Int32(
                    clamping: left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000 + 1)
            }
            _ = try waitReadable([watch?.raw ?? -1, handle.raw], milliseconds: milliseconds)
            withExtendedLifetime(handle) {}
        }
    }

    /// A process's descriptor, to wait for its end.
    private final class Handle {
        private let descriptor: OwnedDescriptor
        var raw: Int32 { descriptor.raw }

        init?(_ process: ProcessIdentity?) throws {
            guard let descriptor = try process?.handle() else { return nil }
            self.descriptor = descriptor
        }
    }

    // MARK: Settling

    /// Whether a state speaks of things that are over, or of a process that was to finish them and may be dead.
    func needsSettling(_ id: ContainerID, _ state: ContainerState) -> Bool {
        switch state.phase {
        case .created: false
        case .starting, .removing: true
        case .running: state.process?.isAlive != true && (recordedExit(id) != nil || state.monitor?.isAlive != true)
        case .exited: ((try? FileStatus.ifExists(store.runDirectory(id))) ?? nil) != nil
        }
    }

    /// Does what has to be done after a container's end, and what processes that were killed left undone. The caller
    /// holds the container's lock.
    ///
    /// - Throws: `.notFound` where the container was on its way out, and is gone now.
    func settle(_ id: ContainerID) throws {
        var state = try store.state(id)
        guard needsSettling(id, state) else { return }
        let record = try store.record(id)
        switch state.phase {
        case .created: break
        case .removing:
            try removeStopped(record, volumes: record.hostConfig.autoRemove)
            throw ContainerError(.notFound, "No such container: \(id)")
        case .starting:
            // Its starter died. What runs goes on; what was not yet let go never ran.
            if state.process?.isAlive == true, try runtime(for: record).status(id) == "running" {
                state.phase = .running
                state.started = state.started ?? wallClockNanoseconds()
                return try store.save(state, of: id, durable: false)
            }
            try tearDown(record, state)
            state.phase = state.started == nil ? .created : .exited
            state.error = "the start was interrupted"
            state.exitCode = 128
            state.process = nil
            state.monitor = nil
            state.network = nil
            try store.save(state, of: id, durable: true)
            if record.hostConfig.autoRemove { try removeEnded(record) }
        case .running:
            let info = try observed(record, state)
            state.oomKilled = wasOutOfMemory(id, state)
            if recordedExit(id) == nil {
                state.error = "the exit code is not known: conmon was killed, or the machine went down"
                state.finished = state.finished ?? wallClockNanoseconds()
            } else {
                state.finished = info.state.finished
            }
            state.exitCode = info.state.exitCode
            try tearDown(record, state)
            // Who waits reads the exit code where conmon wrote it.
            if record.hostConfig.autoRemove { return try removeEnded(record) }
            state.phase = .exited
            state.process = nil
            state.monitor = nil
            state.network = nil
            try store.save(state, of: id, durable: true)
        case .exited: try tearDown(record, state)
        }
    }

    /// Cleans up after a container's end: conmon's exit command, and the end of `run`. One that runs is left alone.
    package func cleanUp(_ id: ContainerID) throws {
        do {
            let lock = try store.lock(id)
            defer { withExtendedLifetime(lock) {} }
            try settle(id)
        } catch let error as ContainerError {
            // Another process cleaned up, and with `--rm` took it away.
            if error.code != .notFound { throw error }
        }
    }

    private func wasOutOfMemory(_ id: ContainerID, _ state: ContainerState) -> Bool {
        if ((try? FileStatus.ifExists(store.persistDirectory(id) + "/oom")) ?? nil) != nil { return true }
        guard let path = state.cgroup else { return false }
        let file = cgroups.layout == .v2 ? "memory.events" : "memory.oom_control"
        return (cgroups.table(file, "memory", of: path)["oom_kill"] ?? 0) > 0
    }

    /// Takes away everything that a running container has outside its own directory. Idempotent.
    func tearDown(_ record: ContainerRecord, _ state: ContainerState) throws {
        let id = record.id
        try deleteRuntimeState(record, state)
        Failpoint.reach("end-deleted")
        try disconnect(record, state)
        Failpoint.reach("end-disconnected")
        try clearRunDirectory(id)
    }

    /// Makes the runtime forget a container, and kills what still runs of it.
    private func deleteRuntimeState(_ record: ContainerRecord, _ state: ContainerState) throws {
        let runtime = try runtime(for: record)
        let group = state.cgroup ?? cgroupPath(record)
        if state.process?.isAlive != true, try group.map(cgroups.removeEmpty) ?? true {
            // Nothing runs and no group is left: there is only the runtime's own note of it, and calling the runtime for
            // that would take longer than all the rest.
            return try removeTree("\(runtime.root)/\(record.id)")
        }
        try runtime.delete(record.id)
        if let group { _ = try cgroups.removeEmpty(group) }
    }

    private func disconnect(_ record: ContainerRecord, _ state: ContainerState) throws {
        guard let network = state.network else { return }
        if network.name != "bridge" { return try RootlessNetwork.disconnect(network) }
        try bridge.drop { $0 == record.id }
    }

    private func isNamespace(_ path: String) throws -> Bool {
        guard try FileStatus.ifExists(path) != nil else { return false }
        return try isMountPoint(path)
    }

    /// Unmounts what is mounted in a container's run directory and removes it.
    func clearRunDirectory(_ id: ContainerID) throws {
        let run = store.runDirectory(id)
        guard try FileStatus.ifExists(run) != nil else { return }
        if try FileStatus.ifExists(store.rootPath(id)) != nil { try layers.unmountRoot(at: store.rootPath(id)) }
        let namespace = run + "/netns"
        while try isNamespace(namespace) { try unmount(namespace, lazily: true) }
        // Never walk into what is still mounted: it is the container's, or the image's.
        if try FileStatus.ifExists(store.rootPath(id)) != nil, try isMountPoint(store.rootPath(id)) {
            throw ContainerError(
                .failed, "`\(store.rootPath(id))` is still mounted", hint: "`strata system check --repair` tries again")
        }
        try removeTree(run)
    }

    // MARK: Stopping

    /// Sends a signal to a container's first process.
    package func kill(_ id: ContainerID, signal: Int32) throws {
        let info = try info(id)
        guard info.status.isActive, let process = info.state.process else {
            throw ContainerError(
                .notRunning, "cannot kill container: \(info.record.name): container \(id) is not running")
        }
        if try !process.send(signal: signal) {
            throw ContainerError(
                .notRunning, "cannot kill container: \(info.record.name): container \(id) is not running")
        }
        // A frozen process dies when it thaws.
        if info.status == .paused, signal == SIGKILL { try? runtime(for: info.record).resume(id) }
    }

    /// Ends a container: its stop signal, and where that does not help within the time, SIGKILL.
    ///
    /// - Parameters:
    ///   - timeout: nil is the container's own, or docker's 10 s; negative waits for ever.
    ///   - signal: nil is the container's own, or TERM.
    package func stop(_ id: ContainerID, timeout: Int? = nil, signal: Int32? = nil) throws {
        let info = try info(id)
        guard info.status.isActive else { return }
        let chosen =
            try signal ?? info.record.config.stopSignal.flatMap { $0.isEmpty ? nil : $0 }.map(Signal.parse) ?? SIGTERM
        let seconds = timeout ?? info.record.config.stopTimeout ?? 10
        if info.status == .paused { try runtime(for: info.record).resume(id) }
        do { try kill(id, signal: chosen) } catch let error as ContainerError {
            if error.code != .notRunning { throw error }
        }
        if try untilStopped(id, within: seconds < 0 ? nil : .seconds(seconds)) == nil {
            do { try kill(id, signal: SIGKILL) } catch let error as ContainerError {
                if error.code != .notRunning { throw error }
            }
            _ = try untilStopped(id)
        }
        try cleanUp(id)
    }

    /// Stops and starts a container.
    package func restart(_ id: ContainerID, timeout: Int? = nil, signal: Int32? = nil) throws {
        try stop(id, timeout: timeout, signal: signal)
        _ = try start(id)
    }

    // MARK: Removing

    /// Removes a container.
    ///
    /// - Parameters:
    ///   - force: kills it where it runs.
    ///   - volumes: with the volumes that were made for it alone.
    package func remove(_ id: ContainerID, force: Bool = false, volumes: Bool = false) throws {
        if force {
            do {
                try kill(id, signal: SIGKILL)
                _ = try untilStopped(id)
            } catch let error as ContainerError {
                if error.code != .notRunning { throw error }
            }
        }
        let lock = try store.lock(id)
        defer { withExtendedLifetime(lock) {} }
        do { try settle(id) } catch let error as ContainerError {
            // With `--rm` it went just now.
            if error.code == .notFound, force { return }
            throw error
        }
        guard try store.exists(id) else { return }
        let record: ContainerRecord
        do { record = try store.record(id) } catch let error as ContainerError {
            guard force, error.code == .failed else { throw error }
            try clearRunDirectory(id)
            return try store.remove(id)
        }
        let status = try observed(record, try store.state(id)).status
        if status.isActive {
            throw ContainerError(
                .conflict,
                "cannot remove container \"\(record.name)\": container is \(status.rawValue): "
                    + (status == .paused ? "unpause and then stop the container" : "stop the container")
                    + " before removing or force remove")
        }
        try removeStopped(record, volumes: volumes)
    }

    /// Takes away a container of `--rm` that ended and is torn down, when everybody who waits for its exit code has it.
    private func removeEnded(_ record: ContainerRecord) throws {
        let waiters = try store.lockWaiters(record.id, .exclusive)
        defer { withExtendedLifetime(waiters) {} }
        try removeStopped(record, volumes: true, isDown: true)
    }

    /// Removes a container that does not run. The caller holds its lock.
    ///
    /// - Parameter isDown: there is nothing of it outside its own directory any more.
    func removeStopped(_ record: ContainerRecord, volumes: Bool, isDown: Bool = false) throws {
        let id = record.id
        var state = try store.state(id)
        if state.phase != .removing {
            state.phase = .removing
            try store.save(state, of: id, durable: false)
        }
        Failpoint.reach("rm-begun")
        if !isDown { try tearDown(record, state) }
        Failpoint.reach("rm-down")
        try store.remove(id)
        Failpoint.reach("rm-gone")
        guard volumes else { return }
        for mount in record.mounts where mount.isAnonymous {
            guard let name = mount.name else { continue }
            do { try removeVolume(name, force: true) } catch let error as ContainerError {
                // Another container shares it.
                if error.code != .conflict { throw error }
            }
        }
    }
}
