import Linux

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The bridge that containers are on by default.
///
/// The store's subnet and interface are chosen once, away from what the host has, and kept in `ROOT/network.json`. Which
/// container has which address is a file in `RUN/network/`, named by the address, with the container's ID and its
/// published ports in it; the firewall's rules are always made of all these files. The bridge stays until the machine goes
/// down, as docker's does; a reboot drops it together with the files.
///
/// A container's end of the line goes with its network namespace, which the kernel takes down in its own time: the
/// host's end is named after the address, and as long as it is there nobody else gets that.
struct BridgeNetwork: Sendable {
    /// What is kept of the network.
    struct Plan: Codable, Equatable, Sendable {
        var interface: String
        /// First two bytes of the /16.
        var prefix: UInt32

        var subnet: String { IPAddress.text(prefix) + "/16" }
        var gateway: UInt32 { prefix | 1 }

        /// The host's end of a container's line.
        func line(of address: UInt32) -> String {
            let suffix = String(address & 0xffff, radix: 16)
            return "\(interface.replacing("strata", with: "st"))-\(suffix)"
        }
    }

    /// A container's address and what the host passes on to it.
    struct Lease: Equatable, Sendable {
        var address: UInt32
        var owner: ContainerID
        var ports: [PortMapping] = []
    }

    let root: String
    let runDirectory: String
    /// Taken by every store of the machine while it chooses an interface and a subnet.
    private static let machineLock = "/run/lock/strata-network.lock"
    /// Which store of the machine has which interface and subnet.
    private static let claimsPath = "/run/lock/strata-network.claims"

    /// Gives a container an address, before it is connected.
    func reserve(_ record: ContainerRecord, ports: [PortMapping]) throws -> NetworkState {
        let lock = try lock()
        defer { withExtendedLifetime(lock) {} }
        let plan = try plan()
        let address = try choose(for: record.id, wanted: record.hostConfig.staticAddress, plan)
        let mac = record.hostConfig.macAddress
        let lease = Lease(address: address, owner: record.id, ports: ports)
        try writeAtomically(Array(lease.text.utf8), to: path(of: address), durable: false)
        return NetworkState(
            name: "bridge", interface: "eth0", address: IPAddress.text(address), prefixLength: 16,
            gateway: IPAddress.text(plan.gateway),
            macAddress: mac.isEmpty ? Self.text(Self.macAddress(of: address)) : mac, ports: ports)
    }

    /// Connects a network namespace to the bridge with the address that was reserved for it. Blocks the thread.
    func attach(_ state: NetworkState, namespace path: String) throws {
        let lock = try lock()
        defer { withExtendedLifetime(lock) {} }
        let plan = try plan()
        guard let address = IPAddress.v4(state.address), let mac = parseMACAddress(state.macAddress) else {
            throw ContainerError(.invalid, "invalid address: \(state.address) \(state.macAddress)")
        }
        let namespace = try open(path, .read)
        let links = try NetworkLinks()
        // It comes up last: one that is down was left half made by a process that was killed.
        let isWhole = links.isUp(plan.interface)
        try links.makeBridge(plan.interface, Self.macAddress(of: plan.gateway), address: plan.gateway, prefix: 16)
        if !isWhole {
            Firewall.admit(plan)
            try links.bringUp(plan.interface)
        }
        let line = plan.line(of: address)
        do { try links.makePair(line, on: plan.interface, peer: state.interface, in: namespace, mac) } catch {
            guard error.kind == .exists else { throw error }
            // The last one who had this address is not quite gone.
            try links.remove(line)
            try links.makePair(line, on: plan.interface, peer: state.interface, in: namespace, mac)
        }
        let (raw, interface, gateway) = (namespace.raw, state.interface, plan.gateway)
        try inNetworkNamespace(raw) {
            try NetworkLinks().configure(interface, address: address, prefix: 16, gateway: gateway)
        }
        try Firewall.apply(plan, try all())
    }

    /// Takes the addresses and published ports of some containers away; what is gone already is fine.
    func drop(where isGone: (ContainerID) -> Bool) throws {
        let lock = try lock()
        defer { withExtendedLifetime(lock) {} }
        let leases = try all()
        let gone = leases.filter { isGone($0.owner) }
        if gone.contains(where: { !$0.ports.isEmpty }) {
            try Firewall.apply(try plan(), leases.filter { !isGone($0.owner) })
        }
        for lease in gone { try removeFile(path(of: lease.address)) }
    }

    /// Takes the bridge and its rules away where no container is on it.
    func dismantle() throws {
        guard let plan = kept() else { return }
        let lock = try lock()
        defer { withExtendedLifetime(lock) {} }
        if try all().isEmpty { try Self.remove(plan) }
    }

    private static func remove(_ plan: Plan) throws {
        let links = try NetworkLinks()
        guard links.has(plan.interface) else { return }
        Firewall.remove(plan)
        try links.remove(plan.interface)
    }

    private func lock() throws -> FileLock {
        try makeDirectories(leases, permissions: 0o700)
        return try FileLock.wait("\(runDirectory)/network.lock", .exclusive)
    }

    // MARK: Addresses

    private var leases: String { "\(runDirectory)/network" }
    private func path(of address: UInt32) -> String { "\(leases)/\(IPAddress.text(address))" }

    private func all() throws -> [Lease] {
        try (names(in: leases) ?? []).compactMap { name in
            IPAddress.v4(name).flatMap { Lease(address: $0, text: HostFacts.text("\(leases)/\(name)")) }
        }.sorted { $0.address < $1.address }
    }

    private func choose(for id: ContainerID, wanted: String, _ plan: Plan) throws -> UInt32 {
        let taken = Dictionary(try all().map { ($0.address, $0.owner) }) { first, _ in first }
        if !wanted.isEmpty {
            guard let value = IPAddress.v4(wanted), value & 0xffff_0000 == plan.prefix, value & 0xffff > 1 else {
                throw ContainerError(
                    .invalid, "no configured subnet contains IP address \(wanted)",
                    hint: "the network is \(plan.subnet)")
            }
            if let owner = taken[value], owner != id {
                throw ContainerError(.conflict, "Address already in use: \(wanted) by container \(owner.short)")
            }
            return value
        }
        let links = try NetworkLinks()
        for address in plan.prefix + 2..<plan.prefix + 0xffff {
            if taken[address] == nil, !links.has(plan.line(of: address)) { return address }
        }
        throw ContainerError(.unavailable, "no available IPv4 addresses on the bridge network \(plan.subnet)")
    }

    /// Follows from the address, so that the neighbours' tables stay true when the address gets another owner.
    static func macAddress(of address: UInt32) -> MACAddress {
        [0x02, 0x42] + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: address >> $0) }
    }

    static func text(_ mac: MACAddress) -> String {
        mac.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }

    // MARK: The plan

    private var planPath: String { root + "/network.json" }

    /// The plan that was made; nil where there is none yet.
    private func kept() -> Plan? {
        guard let bytes = try? readFile(planPath, limit: 4096) else { return nil }
        return try? JSONDecoder().decode(Plan.self, from: Data(bytes))
    }

    /// The plan, made where there is none. The caller holds the store's lock.
    private func plan() throws -> Plan {
        if let plan = kept() { return plan }
        let path = planPath
        try makeDirectories(parent(of: Self.machineLock))
        let lock = try FileLock.wait(Self.machineLock, .exclusive)
        defer { withExtendedLifetime(lock) {} }
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
        try HostFacts.text(Self.claimsPath).split(separator: "\n").compactMap { line throws in
            let fields = line.split(separator: " ", maxSplits: 2).map(String.init)
            guard fields.count == 3, let prefix = UInt32(fields[1]) else { return nil }
            let plan = Plan(interface: fields[0], prefix: prefix)
            if (try? FileStatus.ifExists(fields[2])) ?? nil != nil { return (plan, fields[2]) }
            // The bridge of a store that is no more.
            try Self.remove(plan)
            return nil
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

    /// The subnet's first two bytes as text.
    func prefixText() throws -> String {
        let lock = try lock()
        defer { withExtendedLifetime(lock) {} }
        return try plan().subnet.split(separator: ".").prefix(2).joined(separator: ".")
    }
}

extension BridgeNetwork.Lease {
    /// The lease's file: the owner, then a published port a line.
    var text: String {
        ports.reduce(owner.hex + "\n") { text, port in
            let host = port.hostAddress.isEmpty ? "*" : port.hostAddress
            return text + "\(host) \(port.hostPort) \(port.container)\n"
        }
    }

    init?(address: UInt32, text: String) {
        let lines = text.split(separator: "\n")
        guard let owner = lines.first.flatMap({ ContainerID(String($0)) }) else { return nil }
        self.init(address: address, owner: owner)
        for line in lines.dropFirst() {
            let fields = line.split(separator: " ").map(String.init)
            guard fields.count == 3, let host = UInt16(fields[1]), let port = ContainerPort(fields[2]) else { continue }
            ports.append(PortMapping(container: port, hostAddress: fields[0] == "*" ? "" : fields[0], hostPort: host))
        }
    }
}

extension ContainerService {
    /// The first two bytes of the bridge network's addresses, as text.
    package func subnetPrefix() throws -> String { try bridge.prefixText() }

    /// Takes the bridge network's interface and rules away where no container is on it; the next one makes it again.
    package static func dismantleNetwork(root: String, runDirectory: String) throws {
        try BridgeNetwork(root: root, runDirectory: runDirectory).dismantle()
    }
}
