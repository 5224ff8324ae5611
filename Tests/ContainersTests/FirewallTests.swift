import OCI
import TestSupport
import Testing

@testable import Containers

/// The rules that follow from who has which address and ports.
@Suite struct FirewallTests {
    private let plan = BridgeNetwork.Plan(interface: "strata7", prefix: 172 << 24 | 18 << 16)
    private let owner = ContainerID()

    @Test func leasesAreReadAsTheyWereWritten() throws {
        var lease = BridgeNetwork.Lease(address: plan.prefix + 5, owner: owner)
        #expect(BridgeNetwork.Lease(address: lease.address, text: lease.text) == lease)
        lease.ports = try PortMapping.parse("127.0.0.1:8080:80") + PortMapping.parse("53:53/udp")
        #expect(BridgeNetwork.Lease(address: lease.address, text: lease.text) == lease)
        // Of a process that died while it wrote.
        #expect(BridgeNetwork.Lease(address: lease.address, text: "") == nil)
        #expect(BridgeNetwork.Lease(address: lease.address, text: "0123") == nil)
    }

    @Test func aPublishedPortIsRedirectedAndAdmitted() throws {
        let lease = BridgeNetwork.Lease(
            address: plan.prefix + 5, owner: owner,
            ports: try PortMapping.parse("127.0.0.1:8080:80") + PortMapping.parse("53:5353/udp"))
        let rules = Firewall.tables(plan, [lease]).map { $0.input(isHooked: true) }.joined()
        for rule in [
            "-A strata7-publish -d 127.0.0.1 -p tcp --dport 8080 -j DNAT --to-destination 172.18.0.5:80\n",
            "-A strata7-publish -p udp --dport 53 -j DNAT --to-destination 172.18.0.5:5353\n",
            "-A strata7-forward -d 172.18.0.5 -p udp --dport 5353 -j ACCEPT\n",
            "-D FORWARD -j strata7-forward\n-I FORWARD -j strata7-forward\n",
        ] { #expect(rules.contains(rule), "\(rule) is not in \(rules)") }
        let without = Firewall.tables(plan, []).map { $0.input(isHooked: false) }.joined()
        #expect(!without.contains("DNAT") && !without.contains("\n-D "))
    }

    @Test func hardwareAddresses() {
        #expect(BridgeNetwork.text(BridgeNetwork.macAddress(of: plan.prefix + 0x10a)) == "02:42:ac:12:01:0a")
        #expect(plan.line(of: plan.prefix + 0xfffe) == "st7-fffe")
    }
}
