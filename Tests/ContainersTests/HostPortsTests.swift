import Testing

@testable import Containers

/// Ports of the host that containers take, for a firewall to forward (with root) or for a program to listen on (without).
@Suite struct HostPortsTests {
    @Test(arguments: [true, false], ["tcp", "udp"])
    func onePortIsTakenOnce(_ areListenedOn: Bool, _ transport: String) throws {
        func take(_ text: String) throws -> HostPorts {
            try HostPorts(try PortMapping.parse("\(text)/\(transport)"), areListenedOn: areListenedOn)
        }
        let first = try take("127.0.0.1::80")
        let port = try #require(first.mappings.first?.hostPort)
        let error = #expect(throws: ContainerError.self) { _ = try take("127.0.0.1:\(port):81") }
        #expect(error?.description.contains("port is already allocated") == true, "\(String(describing: error))")
        // Of a range the next one that is free.
        let second = try take("127.0.0.1:\(port)-\(port + 20):80")
        #expect(second.mappings.count == 1 && second.mappings[0].hostPort > port)
        // Let go, it is free at once.
        #expect(first.released() == first.mappings)
        #expect(try take("127.0.0.1:\(port):81").mappings.map(\.hostPort) == [port])
    }

    /// Two mappings of one container are two takers.
    @Test(arguments: [true, false]) func mappingsOfOneContainerSeeEachOther(_ areListenedOn: Bool) throws {
        let probe = try HostPorts(try PortMapping.parse("127.0.0.1::80"), areListenedOn: areListenedOn)
        let port = probe.released()[0].hostPort
        let wanted = try PortMapping.parse("127.0.0.1:\(port)-\(port + 20):80")
        let both = try HostPorts(wanted + wanted, areListenedOn: areListenedOn)
        #expect(Set(both.mappings.map(\.hostPort)).count == 2)
    }
}
