import Linux

/// Ports of the host that belong to a container: sockets that are bound, so that nobody else gets the port while the firewall
/// sends its traffic to the container, or until the program that carries the traffic takes it.
final class HostPorts {
    /// With every host port chosen.
    let mappings: [PortMapping]
    private var sockets: [OwnedSocket]

    /// Descriptors for conmon to hold.
    var descriptors: [Int32] { sockets.map(\.raw) }

    /// Lets the ports go to somebody else who takes them at once.
    func released() -> [PortMapping] {
        sockets = []
        return mappings
    }

    /// Takes the ports; those that may be chosen are.
    ///
    /// - Parameter areListenedOn: who gets them listens on them, so what is left of earlier connections is not in the way.
    ///   Sockets that never listen must not look past that: they would look past each other, too. These listen until then.
    init(_ wanted: [PortMapping], areListenedOn: Bool) throws {
        var mappings: [PortMapping] = []
        var sockets: [OwnedSocket] = []
        for mapping in wanted {
            var mapping = mapping
            let last = mapping.lastHostPort ?? mapping.hostPort
            var taken: OwnedSocket?
            for port in mapping.hostPort...last {
                let transport = mapping.container.transport
                do {
                    taken = OwnedSocket(
                        try bindPort(
                            mapping.hostAddress, port, transport: transport.rawValue,
                            listening: areListenedOn && transport == .tcp))
                    break
                } catch {
                    if error.errno == 98 /* EADDRINUSE */ {
                        if port < last { continue }
                        let address = mapping.hostAddress.isEmpty ? "0.0.0.0" : mapping.hostAddress
                        throw ContainerError(
                            .conflict, "Bind for \(address):\(mapping.hostPort) failed: port is already allocated")
                    }
                    if error.kind == .permission {
                        throw ContainerError(
                            .failed, "cannot publish port \(mapping.hostPort): \(error.reason)",
                            hint:
                                "choose a port from 1024 on, or as root: `sysctl net.ipv4.ip_unprivileged_port_start=\(mapping.hostPort)`"
                        )
                    }
                    throw error
                }
            }
            guard let taken else { continue }
            mapping.hostPort = boundPort(taken.raw)
            mapping.lastHostPort = nil
            mappings.append(mapping)
            sockets.append(taken)
        }
        self.mappings = mappings
        self.sockets = sockets
    }
}

/// Lets descriptors be elements of an array.
private final class OwnedSocket: Sendable {
    private let descriptor: OwnedDescriptor
    var raw: Int32 { descriptor.raw }
    init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }
}
