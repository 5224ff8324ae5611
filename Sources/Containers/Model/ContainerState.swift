package import Linux

/// What was last written of a container's life: `state.json`. What is true now is `ContainerStatus`.
package struct ContainerState: Sendable, Equatable, Codable {
    package enum Phase: String, Sendable, Codable {
        /// Never started.
        case created
        /// Being started by a process that holds the container's lock; where none does, that process died.
        case starting
        case running
        case exited
        /// Being removed; where nobody holds the lock, the remover died and the next one goes on.
        case removing
    }

    package var phase: Phase = .created
    /// Nanoseconds since 1970.
    package var started: Int64?
    package var finished: Int64?
    package var exitCode: Int32 = 0
    package var error = ""
    package var oomKilled = false
    package var restarts = 0
    /// The container's first process.
    package var process: ProcessIdentity?
    /// conmon.
    package var monitor: ProcessIdentity?
    package var network: NetworkState?
    package var runtime: String?
    package var cgroup: String?
    package var appArmor = ""

    package init() {}
}

/// What the container has of a network while it runs.
package struct NetworkState: Sendable, Equatable, Codable {
    package var name: String
    package var interface: String
    package var address: String
    package var prefixLength: Int
    package var gateway: String
    package var macAddress: String
    /// With the host ports that were chosen.
    package var ports: [PortMapping]
    /// The process that carries the traffic of a container without root.
    package var helper: ProcessIdentity?

    package init(
        name: String, interface: String, address: String, prefixLength: Int, gateway: String, macAddress: String,
        ports: [PortMapping]
    ) {
        self.name = name
        self.interface = interface
        self.address = address
        self.prefixLength = prefixLength
        self.gateway = gateway
        self.macAddress = macAddress
        self.ports = ports
    }
}

/// What is true of a container now.
package enum ContainerStatus: String, Sendable, CaseIterable {
    case created, running, paused, restarting, removing, exited, dead

    package var isActive: Bool { self == .running || self == .paused }
}

/// A container as lists and `inspect` see it.
package struct ContainerInfo: Sendable {
    package var record: ContainerRecord
    package var state: ContainerState
    package var status: ContainerStatus

    package init(record: ContainerRecord, state: ContainerState, status: ContainerStatus) {
        self.record = record
        self.state = state
        self.status = status
    }
}
