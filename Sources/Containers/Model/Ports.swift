/// A port inside a container: `80/tcp`.
package struct ContainerPort: Sendable, Hashable, Comparable, Codable, CustomStringConvertible {
    package enum Transport: String, Sendable, Codable { case tcp, udp, sctp }

    package var number: UInt16
    package var transport: Transport

    package init(_ number: UInt16, _ transport: Transport = .tcp) {
        self.number = number
        self.transport = transport
    }

    /// Parses `80` or `80/udp`; nil for anything else.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let number = UInt16(parts[0]), number > 0 else { return nil }
        guard let transport = parts.count == 2 ? Transport(rawValue: parts[1].lowercased()) : .tcp else { return nil }
        self.init(number, transport)
    }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.singleValueContainer()
        guard let port = ContainerPort(try values.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: values, debugDescription: "not a port")
        }
        self = port
    }

    package func encode(to encoder: any Encoder) throws {
        var values = encoder.singleValueContainer()
        try values.encode(description)
    }

    package var description: String { "\(number)/\(transport.rawValue)" }

    package static func < (left: Self, right: Self) -> Bool {
        (left.transport.rawValue, left.number) < (right.transport.rawValue, right.number)
    }
}

/// A port of a container that the host answers for.
package struct PortMapping: Sendable, Hashable, Codable {
    package var container: ContainerPort
    /// Empty: every address of the host.
    package var hostAddress: String
    /// 0: any free one, chosen at start.
    package var hostPort: UInt16
    /// The last of a range to choose a free one from; nil where it is just `hostPort`.
    package var lastHostPort: UInt16?

    package init(container: ContainerPort, hostAddress: String, hostPort: UInt16, lastHostPort: UInt16? = nil) {
        self.container = container
        self.hostAddress = hostAddress
        self.hostPort = hostPort
        self.lastHostPort = lastHostPort
    }

    /// Parses docker's `-p`: `[[address:][host[-host]]:]container[-container][/transport]`.
    package static func parse(_ text: String) throws(ContainerError) -> [PortMapping] {
        func invalid(_ what: String) -> ContainerError { ContainerError(.invalid, "invalid \(what): \(text)") }
        let slash = text.split(separator: "/", omittingEmptySubsequences: false)
        guard slash.count <= 2,
            let transport = slash.count == 2 ? ContainerPort.Transport(rawValue: slash[1].lowercased()) : .tcp
        else { throw invalid("proto") }
        var rest = String(slash[0])
        var address = ""
        if rest.hasPrefix("["), let close = rest.firstIndex(of: "]") {
            address = String(rest[rest.index(after: rest.startIndex)..<close])
            rest = String(rest[rest.index(after: close)...])
            guard rest.hasPrefix(":") else { throw invalid("port specification") }
            rest.removeFirst()
            guard IPAddress.isV6(address) else { throw invalid("IP address") }
        }
        var parts = rest.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        if parts.count == 3, address.isEmpty {
            address = parts.removeFirst()
            guard address.isEmpty || IPAddress.isV4(address) else { throw invalid("IP address") }
        }
        guard parts.count <= 2, let last = parts.last, !last.isEmpty else { throw invalid("containerPort") }
        guard let container = range(last) else { throw invalid("containerPort") }
        let hostText = parts.count == 2 ? parts[0] : ""
        // Any free one.
        if hostText.isEmpty || hostText == "0" {
            return container.map {
                PortMapping(container: ContainerPort($0, transport), hostAddress: address, hostPort: 0)
            }
        }
        guard let host = range(hostText) else { throw invalid("hostPort") }
        if container.count == 1, host.count > 1 {
            let port = ContainerPort(container.lowerBound, transport)
            return [
                PortMapping(
                    container: port, hostAddress: address, hostPort: host.lowerBound, lastHostPort: host.upperBound)
            ]
        }
        guard host.count == container.count else {
            throw ContainerError(
                .invalid, "invalid ranges specified for container and host Ports: \(last) and \(hostText)")
        }
        return zip(container, host).map {
            PortMapping(container: ContainerPort($0, transport), hostAddress: address, hostPort: $1)
        }
    }

    private static func range(_ text: String) -> ClosedRange<UInt16>? {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count <= 2, let first = UInt16(ends[0]), first > 0, let last = UInt16(ends[ends.count - 1]),
            first <= last
        else { return nil }
        return first...last
    }
}

/// Addresses as text.
package enum IPAddress {
    package static func isV4(_ text: String) -> Bool { v4(text) != nil }

    /// The address as a number; nil where the text is none.
    static func v4(_ text: String) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard part.count <= 3, part.allSatisfy(\.isNumber), let byte = UInt8(part) else { return nil }
            value = value << 8 | UInt32(byte)
        }
        return value
    }

    static func text(_ value: UInt32) -> String {
        "\(value >> 24).\(value >> 16 & 255).\(value >> 8 & 255).\(value & 255)"
    }

    package static func isV6(_ text: String) -> Bool {
        guard text.contains(":"), text.utf8.count <= 45 else { return false }
        let halves = text.split(separator: "::", omittingEmptySubsequences: false)
        guard halves.count <= 2 else { return false }
        var groups = 0
        for half in halves where !half.isEmpty {
            for group in half.split(separator: ":", omittingEmptySubsequences: false) {
                guard (1...4).contains(group.count), group.allSatisfy(\.isHexDigit) else { return false }
                groups += 1
            }
        }
        return halves.count == 2 ? groups <= 7 : groups == 8
    }
}
