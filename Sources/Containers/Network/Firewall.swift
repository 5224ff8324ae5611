import Linux

/// The host's packet filter around a bridge: containers reach the outside under the host's address, and published ports
/// reach containers.
///
/// Three chains belong to each bridge, and every change writes them anew, whole, in one transaction: nothing piles up,
/// and what somebody flushed comes back with the next container.
enum Firewall {
    /// Traffic that is to come back through the host carries it.
    private static let mark = "0x2000/0x2000"

    /// Makes the rules those of these containers.
    static func apply(_ plan: BridgeNetwork.Plan, _ leases: [BridgeNetwork.Lease]) throws {
        try allow("/proc/sys/net/ipv4/ip_forward")
        if leases.contains(where: { !$0.ports.isEmpty }) {
            // Published ports answer on the host's loopback, too.
            try allow("/proc/sys/net/ipv4/conf/\(plan.interface)/route_localnet")
        }
        let tables = tables(plan, leases)
        let all = tables.map { $0.input(isHooked: true) }.joined()
        if try restore(all).code == 0 { return }
        // Chains are hooked in once. Where one is not yet, a transaction that hooks it out first fails as a whole.
        for table in tables {
            if try restore(table.input(isHooked: true)).code == 0 { continue }
            let result = try restore(table.input(isHooked: false))
            if result.code != 0 {
                throw ContainerError(.failed, "the firewall refused the bridge network's rules: \(result.message)")
            }
        }
    }

    /// Takes the chains of a bridge away.
    static func remove(_ plan: BridgeNetwork.Plan) {
        for table in tables(plan, []) { _ = try? restore(table.removal) }
    }

    /// Lets firewalld, where it runs, pass what the bridge carries.
    static func admit(_ plan: BridgeNetwork.Plan) {
        guard let program = RuntimeChoice.find("firewall-cmd") else { return }
        // Fails where firewalld does not run, and then there is nothing to say to it.
        _ = try? runProgram(
            program, ["--quiet", "--zone=trusted", "--change-interface=\(plan.interface)"],
            environment: Runtime.environment)
    }

    // MARK: Rules

    struct Table {
        var name: String
        /// Our chains and what is in them.
        var chains: [(name: String, rules: [String])]
        /// Where the kernel's chains jump to ours: the chain, how the rule is put there, and the rule.
        var hooks: [(chain: String, verb: String, rule: String)]

        /// What `iptables-restore` is told; a chain that is named is emptied first.
        func input(isHooked: Bool) -> String {
            var lines = ["*\(name)"] + chains.map { ":\($0.name) - [0:0]" }
            for chain in chains { lines += chain.rules.map { "-A \(chain.name) \($0)" } }
            if isHooked { lines += hooks.map { "-D \($0.chain) \($0.rule)" } }
            lines += hooks.map { "\($0.verb) \($0.chain) \($0.rule)" }
            return (lines + ["COMMIT", ""]).joined(separator: "\n")
        }

        var removal: String {
            let lines =
                ["*\(name)"] + hooks.map { "-D \($0.chain) \($0.rule)" } + chains.map { "-F \($0.name)" }
                + chains.map { "-X \($0.name)" }
            return (lines + ["COMMIT", ""]).joined(separator: "\n")
        }
    }

    static func tables(_ plan: BridgeNetwork.Plan, _ leases: [BridgeNetwork.Lease]) -> [Table] {
        let (forward, published, masked) = (
            "\(plan.interface)-forward", "\(plan.interface)-publish", "\(plan.interface)-mask"
        )
        var redirects: [String] = []
        var admitted: [String] = []
        for lease in leases {
            // A container has an IPv4 address only.
            for port in lease.ports where !port.hostAddress.contains(":") {
                let transport = port.container.transport.rawValue
                let target = IPAddress.text(lease.address)
                let any = port.hostAddress.isEmpty || port.hostAddress == "0.0.0.0"
                let match = "\(any ? "" : "-d \(port.hostAddress) ")-p \(transport) --dport \(port.hostPort)"
                // Answers to the host itself and to neighbours must come back this way.
                for source in ["127.0.0.0/8", plan.subnet] {
                    redirects.append("-s \(source) \(match) -j MARK --set-xmark \(mark)")
                }
                redirects.append("\(match) -j DNAT --to-destination \(target):\(port.container.number)")
                admitted.append("-d \(target) -p \(transport) --dport \(port.container.number) -j ACCEPT")
            }
        }
        let local = "-m addrtype --dst-type LOCAL -j \(published)"
        return [
            Table(
                name: "nat",
                chains: [
                    (published, redirects),
                    (
                        masked,
                        [
                            "-m mark --mark \(mark) -j MASQUERADE",
                            "-s \(plan.subnet) ! -d \(plan.subnet) ! -o \(plan.interface) -j MASQUERADE",
                        ]
                    ),
                ],
                hooks: [
                    ("PREROUTING", "-A", local), ("OUTPUT", "-A", local), ("POSTROUTING", "-A", "-j \(masked)"),
                ]),
            Table(
                name: "filter",
                chains: [
                    (
                        forward,
                        [
                            "-d \(plan.subnet) -o \(plan.interface) -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
                        ] + admitted + ["-s \(plan.subnet) -i \(plan.interface) -j ACCEPT"]
                    )
                ],
                // First: others drop what they do not know.
                hooks: [("FORWARD", "-I", "-j \(forward)")]),
        ]
    }

    private static func restore(_ input: String) throws -> ProgramResult {
        guard let program = RuntimeChoice.find("iptables-restore") else {
            throw ContainerError(
                .unavailable, "the bridge network needs iptables, which is not installed",
                hint: "apt-get install iptables, or use --network host or none")
        }
        return try runProgram(
            program, ["--noflush", "-w"], environment: Runtime.environment, input: Array(input.utf8))
    }

    private static func allow(_ path: String) throws {
        if HostFacts.text(path) == "1" { return }
        let file = try open(path, .writeOnly)
        try writeAll([UInt8(ascii: "1")], to: file.raw, path)
    }
}
