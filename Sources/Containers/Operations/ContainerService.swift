import Linux
package import OCI
package import Snapshots

/// Makes containers of images' layers, runs them, and tells what became of them.
///
/// There is no daemon: each command works on the store's files and ends; conmon stays with a running container. Any
/// number of processes may work on one store. Every method blocks its thread: call through `perform`.
package final class ContainerService: Sendable {
    /// How the service behaves.
    package struct Options: Sendable {
        /// The store's root directory.
        package var root: String
        /// Dropped by a reboot.
        package var runDirectory: String
        /// The command that conmon runs when a container ended; the container's ID follows. Empty: nobody cleans up until
        /// the next command looks.
        package var exitCommand: [String] = []
        /// The runtime to use where a container asks for none.
        package var runtime: String?

        package init(root: String, runDirectory: String) {
            self.root = root
            self.runDirectory = runDirectory
        }
    }

    package let options: Options
    package let store: ContainerStore
    package let volumes: VolumeStore
    package let host: HostFacts
    let cgroups: Cgroups
    let layers: LayerMounts
    let driver: SnapshotKind
    let bridge: BridgeNetwork

    package init(_ options: Options, driver: any SnapshotDriver, host: HostFacts? = nil) throws {
        self.options = options
        store = try ContainerStore(root: options.root, runDirectory: options.runDirectory)
        volumes = try VolumeStore(root: options.root)
        layers = try LayerMounts(driver: driver, runDirectory: options.runDirectory)
        self.driver = driver.kind
        cgroups = Cgroups.probe()
        self.host = host ?? HostFacts.probe()
        bridge = BridgeNetwork(root: options.root, runDirectory: options.runDirectory)
    }

    /// Runs blocking work of the service on a thread of its own.
    package func perform<Value: Sendable>(_ body: @escaping @Sendable (ContainerService) throws -> Value) async throws
        -> Value
    {
        try await onThread(named: "containers") { try body(self) }
    }

    /// Which runtime serves, and why.
    package func runtimeChoice(_ wanted: String? = nil) throws -> RuntimeChoice {
        try RuntimeChoice.probe(wanted: wanted.flatMap { $0.isEmpty ? nil : $0 } ?? options.runtime, cgroups: cgroups)
    }

    func runtime(for record: ContainerRecord) throws -> Runtime {
        Runtime(choice: try runtimeChoice(record.hostConfig.runtime), root: store.runtimeRoot)
    }

    /// A container's control group; nil where there is none, without root.
    func cgroupPath(_ record: ContainerRecord) -> String? {
        if host.isRootless { return nil }
        let parent = record.hostConfig.resources.cgroupParent
        return cleanPath("\(parent.isEmpty ? "/strata" : parent)/\(record.id)")
    }

    // MARK: What is there

    /// What is true of a container now. What a killed process left undone is done on the way, where nobody else does it.
    package func info(_ id: ContainerID) throws -> ContainerInfo {
        let record = try store.record(id)
        let state = try store.state(id)
        if needsSettling(id, state), let lock = try store.tryLock(id) {
            defer { withExtendedLifetime(lock) {} }
            try settle(id)
            return try observed(record, try store.state(id))
        }
        return try observed(record, state)
    }

    package func find(_ name: String) throws -> ContainerID { try store.find(name) }

    /// All containers, newest first. One that goes while we look is left out.
    package func list() throws -> [ContainerInfo] {
        var found: [ContainerInfo] = []
        for id in try store.list() {
            do { found.append(try info(id)) } catch let error as ContainerError {
                if error.code != .notFound { throw error }
            }
        }
        return found.sorted { ($0.record.created, $0.record.id.hex) > ($1.record.created, $1.record.id.hex) }
    }

    /// Which images containers use, for `image rm` and `prune`.
    package func imageUsers() throws -> [(id: ContainerID, image: Digest, isRunning: Bool)] {
        try list().map { ($0.record.id, $0.record.imageID, $0.status.isActive) }
    }

    /// The status that follows from a state and from what runs.
    func observed(_ record: ContainerRecord, _ state: ContainerState) throws -> ContainerInfo {
        var state = state
        let status: ContainerStatus
        switch state.phase {
        case .created: status = .created
        case .starting: status = state.started == nil ? .created : .exited
        case .removing: status = .removing
        case .exited: status = .exited
        case .running:
            if state.process?.isAlive == true {
                status = state.cgroup.map(cgroups.isFrozen) == true ? .paused : .running
            } else if let exit = recordedExit(record.id) {
                state.phase = .exited
                state.exitCode = exit.code
                state.finished = exit.time
                status = .exited
            } else if state.monitor?.isAlive == true {
                // Its last output is on its way to the log.
                status = .running
            } else {
                state.phase = .exited
                state.exitCode = ContainerState.unknownExitCode
                status = .exited
            }
        }
        return ContainerInfo(record: record, state: state, status: status)
    }

    /// The exit code that conmon wrote.
    func recordedExit(_ id: ContainerID) -> (code: Int32, time: Int64)? {
        let path = store.persistDirectory(id) + "/exit"
        guard let code = Int32(HostFacts.text(path)), let status = try? FileStatus(of: path) else { return nil }
        return (code, status.mtimeSeconds * 1_000_000_000 + Int64(status.mtimeNanoseconds))
    }
}
