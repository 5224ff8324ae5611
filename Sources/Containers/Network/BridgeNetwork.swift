import Linux

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The bridge that containers are on by default, made by netavark.
///
/// The store's subnet and interface are chosen once, away from what the host has, and kept in `ROOT/network.json`. Which
/// container has which address is a file in `RUN/network/`, named by the address, with the container's ID in it; a
/// reboot drops them with the bridge. One lock of the machine is held while netavark works: it changes firewall chains that
/// all stores share.
struct BridgeNetwork: Sendable {
    /// What is kept of the network.
    struct Plan: Codable, Equatable, Sendable {
        var interface: String
        /// First two bytes of the /16.
        var prefix: UInt32

        var subnet: String { IPAddress.text(prefix) + "/16" }
        var gateway: String { IPAddress.text(prefix | 1) }
    }

    let root: String
    let runDirectory: String
    /// Taken by every store of the machine while it works on the network.
    private static let machineLock = "/run/lock/strata-network.lock"
    /// Which store of the machine has which interface and subnet.
    private static let claimsPath = "/run/lock/strata-network.claims"

    /// Connects a container.
    ///
    /// - Parameter namespace: the path of its network namespace.
    func connect(
        _ record: ContainerRecord, namespace: String, ports: [PortMapping]
    ) throws -> NetworkState {
        let lock = try lock()
        defer { withExtendedLifetime(lock) {} }
        let plan = try plan()
        let address = try lease(for: record.id, wanted: record.hostConfig.staticAddress, plan)
        do {
            let answer = try netavark("setup", request(record, plan, address, ports), namespace)
            let mac = try macAddress(answer, plan)
            return NetworkState(
                name: "bridge", interface: "eth0", address: address, prefixLength: 16, gateway: plan.gateway,
                macAddress: mac, ports: ports)
        } catch {
            _ = try? netavark("teardown", request(record, plan, address, ports), namespace)
            try? release(record.id)
            throw error
        }
    }

    /// Disconnects a container; what is gone already is fine.
    func disconnect(_ record: ContainerRecord, _ state: NetworkState, namespace: String) throws {
        let lock = try lock()
        defer { withExtendedLifetime(lock) {} }
        // Without its address it was disconnected before; whoever did it died afterwards.
        guard try names(in: leases)?.contains(where: { owner(of: $0) == record.id }) == true else { return }
        let plan = try plan()
        let request = request(record, plan, state.address, state.ports)
        do { _ = try netavark("teardown", request, namespace) } catch let error as ContainerError {
            // A disconnection that was cut short took the interface, and left the rules perhaps: only netavark knows them,
            // and takes them away with an interface.
            guard error.message.contains("No such device") else { throw error }
            _ = try netavark("setup", request, namespace)
            _ = try netavark("teardown", request, namespace)
        }
        try release(record.id)
    }

    private func owner(of lease: String) -> ContainerID? { ContainerID(HostFacts.text("\(leases)/\(lease)")) }

    private func lock() throws -> FileLock {
        try makeDirectories("\(runDirectory)/network", permissions: 0o700)
        try makeDirectories(parent(of: Self.machineLock))
        return try FileLock.wait(Self.machineLock, .exclusive)
    }

    // MARK: Addresses

    private var leases: String { "\(runDirectory)/network" }

    private func lease(for id: ContainerID, wanted: String, _ plan: Plan) throws -> String {
        var taken: [String: ContainerID] = [:]
        for name in try names(in: leases) ?? [] {
            if let owner = ContainerID(HostFacts.text("\(leases)/\(name)")) { taken[name] = owner }
        }
        let address: String
        if !wanted.isEmpty {
            guard let value = IPAddress.v4(wanted), value & 0xffff_0000 == plan.prefix, value & 0xffff > 1 else {
                throw ContainerError(
                    .invalid, "no configured subnet contains IP address \(wanted)",
                    hint: "the network is \(plan.subnet)")
            }
            if let owner = taken[wanted], owner != id {
                throw ContainerError(.conflict, "Address already in use: \(wanted) by container \(owner.short)")
            }
            address = wanted
        } else {
            guard
                let free = (2..<UInt32(0xffff)).lazy.map({ IPAddress.text(plan.prefix | $0) }).first(where: {
                    taken[$0] == nil
                })
            else {
                throw ContainerError(.unavailable, "no available IPv4 addresses on the bridge network \(plan.subnet)")
            }
            address = free
        }
        let file = try open("\(leases)/\(address)", .write)
        try writeAll(Array(id.hex.utf8), to: file.raw, "address lease")
        return address
    }

    private func release(_ id: ContainerID) throws {
        for name in try names(in: leases) ?? [] where ContainerID(HostFacts.text("\(leases)/\(name)")) == id {
            try removeFile("\(leases)/\(name)")
        }
    }

    /// Drops the addresses of containers that are not among those that run.
    func releaseAll(except running: Set<ContainerID>) throws {
        let lock = try lock()
        defer { withExtendedLifetime(lock) {} }
        for name in try names(in: leases) ?? [] {
            if let owner = ContainerID(HostFacts.text("\(leases)/\(name)")), running.contains(owner) { continue }
            try removeFile("\(leases)/\(name)")
        }
    }

    // MARK: The plan

    /// The caller holds the machine's lock.
    private func plan() throws -> Plan {
        let path = root + "/network.json"
        if let bytes = try? readFile(path, limit: 4096),
            let plan = try? JSONDecoder().decode(Plan.self, from: Data(bytes))
        {
            return plan
        }
        let claims = try claims()
        let interfaces = Set(try names(in: "/sys/class/net") ?? [])
        guard
            let interface = (0..<256).lazy.map({ "strata\($0)" }).first(where: {
                name in !interfaces.contains(name) && !claims.contains { $0.plan.interface == name }
            }),
            let prefix = Self.prefixes.first(where: { prefix in
                !claims.contains { $0.plan.prefix == prefix }
                    && !Self.routes(HostFacts.text("/proc/net/route")).contains { $0.overlaps(prefix) }
            })
        else {
            throw ContainerError(
                .unavailable, "no free subnet for the bridge network",
                hint: "write one to \(path): {\"interface\":\"strata0\",\"prefix\":…}")
        }
        let plan = Plan(interface: interface, prefix: prefix)
        try writeAtomically(Array(try JSONEncoder().encode(plan)), to: path)
        // Other stores of this machine see the choice before the bridge is there.
        let lines = (claims + [(plan, path)]).map { "\($0.plan.interface) \($0.plan.prefix) \($0.path)\n" }.joined()
        try writeAtomically(Array(lines.utf8), to: Self.claimsPath)
        return plan
    }

    /// What other stores of this machine chose and still have.
    private func claims() throws -> [(plan: Plan, path: String)] {
        HostFacts.text(Self.claimsPath).split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ", maxSplits: 2).map(String.init)
            guard fields.count == 3, let prefix = UInt32(fields[1]), (try? FileStatus.ifExists(fields[2])) ?? nil != nil
            else { return nil }
            return (Plan(interface: fields[0], prefix: prefix), fields[2])
        }
    }

    /// Private networks in the order of preference: docker's 172.17 stays docker's.
    private static var prefixes: [UInt32] {
        (18...31).map { 172 << 24 | $0 << 16 } + (100...250).map { 10 << 24 | $0 << 16 }
    }

    struct Route: Equatable {
        var destination: UInt32
        var mask: UInt32

        /// Whether a /16 and this network share addresses.
        func overlaps(_ prefix: UInt32) -> Bool {
            let common = mask & 0xffff_0000
            return mask != 0 && destination & common == prefix & common
        }
    }

    /// The table of `/proc/net/route`: numbers in the machine's byte order.
    static func routes(_ text: String) -> [Route] {
        text.split(separator: "\n").dropFirst().compactMap { line in
            let fields = line.split { $0 == "\t" || $0 == " " }
            guard fields.count > 7, let destination = UInt32(fields[1], radix: 16),
                let mask = UInt32(fields[7], radix: 16)
            else { return nil }
            return Route(destination: UInt32(bigEndian: destination), mask: UInt32(bigEndian: mask))
        }
    }

    // MARK: netavark

    private struct Request: Encodable {
        struct Port: Encodable {
            var container_port: UInt16
            var host_ip: String
            var host_port: UInt16
            var `protocol`: String
            var range: UInt16
        }
        struct Options: Encodable {
            var interface_name: String
            var static_ips: [String]
            var static_mac: String?
            var aliases: [String]
        }
        struct Subnet: Encodable {
            var subnet: String
            var gateway: String
        }
        struct Network: Encodable {
            var name: String
            var id: String
            var driver: String
            var network_interface: String
            var subnets: [Subnet]
            var ipv6_enabled: Bool
            var `internal`: Bool
            var dns_enabled: Bool
            var ipam_options: [String: String]
        }
        var container_id: String
        var container_name: String
        var port_mappings: [Port]?
        var networks: [String: Options]
        var network_info: [String: Network]
    }

    private func request(_ record: ContainerRecord, _ plan: Plan, _ address: String, _ ports: [PortMapping]) -> Request
    {
        // netavark names its firewall chains after the network: other stores have other names.
        let name = plan.interface
        let identity =
            String(repeating: "0", count: 64 - name.utf8.count * 2) + name.utf8.map { String($0, radix: 16) }.joined()
        let mac = record.hostConfig.macAddress
        return Request(
            container_id: record.id.hex, container_name: record.name,
            port_mappings: ports.isEmpty
                ? nil
                : ports.map {
                    .init(
                        container_port: $0.container.number, host_ip: $0.hostAddress, host_port: $0.hostPort,
                        protocol: $0.container.transport.rawValue, range: 1)
                },
            networks: [
                name: .init(
                    interface_name: "eth0", static_ips: [address], static_mac: mac.isEmpty ? nil : mac,
                    aliases: record.hostConfig.networkAliases)
            ],
            network_info: [
                name: .init(
                    name: name, id: identity, driver: "bridge", network_interface: plan.interface,
                    subnets: [.init(subnet: plan.subnet, gateway: plan.gateway)], ipv6_enabled: false, internal: false,
                    dns_enabled: false, ipam_options: ["driver": "host-local"])
            ])
    }

    private func netavark(_ verb: String, _ request: Request, _ namespace: String) throws -> [UInt8] {
        guard let path = RuntimeChoice.find("netavark") else {
            throw ContainerError(
                .unavailable, "the bridge network needs netavark, which is not installed",
                hint: "apt-get install netavark iptables, or use --network host or none")
        }
        let input = Array(try JSONEncoder().encode(request))
        for attempt in 1...4 {
            let result = try runProgram(
                path, ["--config", "\(runDirectory)/network.aardvark", verb, namespace],
                environment: Runtime.environment, input: input)
            if result.code == 0 { return result.output }
            struct Failure: Decodable { var error: String }
            let text = (try? JSONDecoder().decode(Failure.self, from: Data(result.output)))?.error ?? result.message
            // Another engine of the machine that uses netavark made the same chain at the same time.
            if attempt < 4, text.contains("already exists") { continue }
            throw ContainerError(.failed, "netavark \(verb) failed: \(text)")
        }
        return []
    }

    /// The subnet's first two bytes as text.
    func prefixText() throws -> String {
        let lock = try lock()
        defer { withExtendedLifetime(lock) {} }
        return try plan().subnet.split(separator: ".").prefix(2).joined(separator: ".")
    }

    private func macAddress(_ answer: [UInt8], _ plan: Plan) throws -> String {
        struct Interface: Decodable { var mac_address: String }
        struct Status: Decodable { var interfaces: [String: Interface]? }
        let status = try JSONDecoder().decode([String: Status].self, from: Data(answer))
        return status[plan.interface]?.interfaces?["eth0"]?.mac_address ?? ""
    }
}

extension ContainerService {
    /// The first two bytes of the bridge network's addresses, as text.
    package func subnetPrefix() throws -> String { try bridge.prefixText() }
}
