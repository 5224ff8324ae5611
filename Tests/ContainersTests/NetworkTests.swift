import Containers
import Glibc
import Linux
import OCI
import TestSupport
import Testing

@Suite struct NetworkTests {
    @Test func publishedPortAnswersFromTheHost() throws {
        let bench = try ContainerBench()
        let port = UInt16(try freePort())
        let id = try bench.startDetached(["sh", "-c", "while :; do echo hello | nc -l -p 80; done"]) {
            $0.hostConfig.networkMode = "bridge"
            $0.hostConfig.portBindings = try PortMapping.parse("\(port):80")
        }
        let network = try #require(try bench.service.info(id).state.network)
        #expect(network.ports == [PortMapping(container: .init(80), hostAddress: "", hostPort: port)])
        #expect(network.interface == "eth0" && !network.macAddress.isEmpty)
        try bench.waitUntil { (try? runShell("busybox nc -w 2 127.0.0.1 \(port) </dev/null")) == "hello\n" }
        try bench.waitUntil { (try? runShell("busybox nc -w 2 \(network.address) 80 </dev/null")) == "hello\n" }
        // Neighbours reach it under the host's address, and under its own.
        let neighbour = try bench.run(
            [
                "sh", "-c",
                "for a in \(network.gateway):\(port) \(network.address):80; do until nc -w 2 ${a%:*} ${a#*:} </dev/null; do :; done; done",
            ]
        ) { $0.hostConfig.networkMode = "bridge" }
        #expect(neighbour.output == "hello\nhello\n")
        // Nobody else gets the port, neither a container nor a program of the host.
        let error = #expect(throws: ContainerError.self) {
            try bench.run(["true"]) {
                $0.hostConfig.networkMode = "bridge"
                $0.hostConfig.portBindings = try PortMapping.parse("\(port):80")
            }
        }
        #expect(error?.message == "Bind for 0.0.0.0:\(port) failed: port is already allocated")
        #expect(throws: SystemError.self) { _ = try bindPort("", port, transport: "tcp") }
        try bench.service.remove(id, force: true)
        _ = try bindPort("", port, transport: "tcp")
        let left = try bench.leftovers() + bench.networkLeftovers()
        #expect(left == [])
    }

    @Test func containersReachEachOtherAndKnowThemselves() throws {
        let bench = try ContainerBench()
        let server = try bench.startDetached(["sh", "-c", "while :; do echo from server | nc -l -p 9; done"]) {
            $0.hostConfig.networkMode = "bridge"
        }
        let address = try #require(try bench.service.info(server).state.network?.address)
        let outcome = try bench.run(
            [
                "sh", "-c",
                "tail -1 /etc/hosts | cut -f1; hostname -i; until nc -w 2 \(address) 9 </dev/null; do :; done; ip -4 -o addr show eth0 | awk '{print $4}'",
            ]
        ) { $0.hostConfig.networkMode = "bridge" }
        let lines = outcome.output.split(separator: "\n").map(String.init)
        #expect(lines.count == 4 && lines[0] == lines[1] && lines[2] == "from server" && lines[3] == lines[0] + "/16")
        #expect(lines.first != address)
        // One that joins another's network has its address and its names.
        let joined = try bench.run(["sh", "-c", "hostname -i; tail -1 /etc/hosts | cut -f1"]) {
            $0.hostConfig.networkMode = "container:\(server)"
        }
        #expect(joined.output == "\(address)\n\(address)\n", "\(joined.errorOutput)")
        try bench.service.remove(server, force: true)
        let left = try bench.leftovers() + bench.networkLeftovers()
        #expect(left == [])
    }

    @Test func aLinkGivesAnotherName() throws {
        let bench = try ContainerBench()
        let server = try bench.startDetached(["sh", "-c", "while :; do echo from server | nc -l -p 9; done"]) {
            $0.hostConfig.networkMode = "bridge"
            $0.name = "server"
        }
        let address = try #require(try bench.service.info(server).state.network?.address)
        let outcome = try bench.run(["sh", "-c", "grep db /etc/hosts; until nc -w 2 db 9 </dev/null; do :; done"]) {
            $0.hostConfig.networkMode = "bridge"
            $0.hostConfig.links = ["server:db"]
        }
        #expect(outcome.output == "\(address)\tdb \(server.short) server\nfrom server\n")
        for (link, network) in [("server:db", "none"), ("server:a b", "bridge"), ("nobody", "bridge")] {
            #expect(throws: ContainerError.self, "\(link)") {
                try bench.run(["true"]) {
                    $0.hostConfig.networkMode = network
                    $0.hostConfig.links = [link]
                }
            }
        }
        try bench.service.stop(server, timeout: 0)
        let error = #expect(throws: ContainerError.self) {
            try bench.run(["true"]) {
                $0.name = "self"
                $0.hostConfig.networkMode = "bridge"
                $0.hostConfig.links = ["server:db"]
            }
        }
        #expect(error?.message == "Cannot link to a non running container: /server AS /self/db")
    }

    /// The bridge's interface, which is chosen but not made yet.
    private func chosenInterface(_ bench: ContainerBench) throws -> String {
        _ = try bench.service.subnetPrefix()
        let kept = try runShell("grep -o 'strata[0-9]*' '\(bench.root)/network.json'")
        return String(try #require(kept.split(separator: "\n").first))
    }

    @Test(arguments: ["", "ip link set $i up", "ip addr add $a/16 dev $i"])
    func aBridgeThatWasLeftHalfMadeIsFinished(_ more: String) throws {
        let bench = try ContainerBench()
        let interface = try chosenInterface(bench)
        let gateway = try bench.service.subnetPrefix() + ".0.1"
        _ = try runShell("i=\(interface); a=\(gateway); ip link add $i type bridge && \(more.isEmpty ? ":" : more)")
        for _ in 0..<2 {
            let outcome = try bench.run(["ping", "-c", "1", "-W", "10", gateway]) {
                $0.hostConfig.networkMode = "bridge"
            }
            #expect(outcome.code == 0, "\(outcome)")
        }
        let left = try bench.leftovers() + bench.networkLeftovers()
        #expect(left == [])
    }

    @Test func aNetworkThatCannotBeMadeLeavesNothing() throws {
        let bench = try ContainerBench()
        let interface = try chosenInterface(bench)
        // Not a bridge, which only shows when the container is to be plugged in.
        _ = try runShell("ip link add \(interface) type veth peer name \(interface)p")
        let (record, _) = try bench.service.create(
            bench.request(["sleep", "100"]) { $0.hostConfig.networkMode = "bridge" })
        let error = #expect(throws: ContainerError.self) { _ = try bench.service.start(record.id) }
        #expect(error?.message.contains("create `interface st") == true, "\(error?.message ?? "")")
        let info = try bench.service.info(record.id)
        #expect(info.status == .created && info.state.process == nil && info.state.exitCode == 128)
        let left = try bench.leftovers() + bench.networkLeftovers()
        #expect(left == [])
        _ = try runShell("ip link del \(interface)")
        _ = try bench.service.start(record.id)
        #expect(try bench.service.info(record.id).status == .running)
    }

    @Test func hostNetworkIsTheHosts() throws {
        let bench = try ContainerBench()
        let outcome = try bench.run(["sh", "-c", "hostname; readlink /proc/self/ns/net"]) {
            $0.hostConfig.networkMode = "host"
        }
        #expect(outcome.output == (try runShell("hostname; readlink /proc/self/ns/net")))
    }

    @Test func chosenPortAndAddress() throws {
        let bench = try ContainerBench()
        let prefix = { try bench.service.subnetPrefix() }
        let wanted = try prefix() + ".7.7"
        let id = try bench.startDetached(["sleep", "100"]) {
            $0.hostConfig.networkMode = "bridge"
            $0.hostConfig.staticAddress = wanted
            $0.hostConfig.macAddress = "02:42:ac:11:00:99"
            $0.imageConfig.exposedPorts = ["53/udp": .init(), "80/tcp": .init()]
            $0.hostConfig.publishAllPorts = true
        }
        let network = try #require(try bench.service.info(id).state.network)
        #expect(network.address == wanted && network.macAddress == "02:42:ac:11:00:99")
        #expect(network.ports.map(\.container) == [.init(80), .init(53, .udp)])
        #expect(network.ports.allSatisfy { $0.hostPort > 0 })
        // The same address for another is refused, also while the first is stopped only in name.
        #expect(throws: ContainerError.self) {
            try bench.run(["true"]) {
                $0.hostConfig.networkMode = "bridge"
                $0.hostConfig.staticAddress = wanted
            }
        }
        try bench.service.stop(id, timeout: 0)
        #expect(try bench.service.info(id).state.network == nil)
        _ = try bench.service.start(id)
        #expect(try bench.service.info(id).state.network?.address == wanted)
    }
}
