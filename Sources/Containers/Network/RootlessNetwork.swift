import Glibc
import Linux

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A container's network without root: a program of the person's own carries its traffic, pasta or slirp4netns.
struct RootlessNetwork {
    /// The container's, for the program's files.
    let runDirectory: String

    /// Where pasta answers for the host's name servers.
    private static let pastaNameServer = "169.254.1.1"

    /// The name server that reaches the host's, even one on the host's loopback.
    static func nameServer(_ state: NetworkState) -> String? {
        switch state.name {
        case "pasta": pastaNameServer
        case "slirp4netns": "10.0.2.3"
        default: nil
        }
    }

    /// Connects a network namespace; host ports are taken by the program.
    func connect(namespace: String, ports: [PortMapping]) throws -> NetworkState {
        if let pasta = RuntimeChoice.find("pasta") { return try connect(pasta: pasta, namespace, ports) }
        if let slirp = RuntimeChoice.find("slirp4netns") { return try connect(slirp: slirp, namespace, ports) }
        throw ContainerError(
            .unavailable, "a container's network without root needs pasta or slirp4netns, and neither is installed",
            hint: "apt-get install passt, or use --network host or none")
    }

    /// Ends the program.
    static func disconnect(_ state: NetworkState) throws {
        guard let helper = state.helper, try helper.send(signal: SIGTERM), let handle = try helper.handle() else {
            return
        }
        if try !waitReadable([handle.raw], milliseconds: 2000)[0] { try helper.send(signal: SIGKILL) }
    }

    // MARK: pasta

    private func connect(pasta: String, _ namespace: String, _ ports: [PortMapping]) throws -> NetworkState {
        let pidFile = runDirectory + "/pasta.pid"
        var arguments = [
            "--config-net", "--quiet", "--dns-forward", Self.pastaNameServer, "--pid", pidFile, "--tcp-ns", "none",
            "--udp-ns", "none", "--no-map-gw", "--ns-ifname", "eth0",
        ]
        arguments += Self.pastaPorts("--tcp-ports", ports.filter { $0.container.transport == .tcp })
        arguments += Self.pastaPorts("--udp-ports", ports.filter { $0.container.transport == .udp })
        let result = try runProgram(pasta, arguments + ["--netns", namespace], environment: Runtime.environment)
        if result.code != 0 {
            let text = result.message.split(separator: "\n").filter { !$0.contains("syslog") }.joined(separator: "; ")
            throw ContainerError(
                .failed, "pasta failed: \(text)",
                hint: text.contains("tun")
                    ? "let users open the device, as root: `chmod 0666 /dev/net/tun`; or use --network host or none"
                    : "use --network host or none")
        }
        let addresses = Self.addresses(HostFacts.text("/proc/net/fib_trie"), HostFacts.text("/proc/net/route"))
        return state(
            "pasta", address: addresses.address, prefix: 24, gateway: addresses.gateway, ports, pidFile: pidFile)
    }

    private static func pastaPorts(_ option: String, _ ports: [PortMapping]) -> [String] {
        if ports.isEmpty { return [option, "none"] }
        return ports.flatMap { port in
            let address = port.hostAddress.isEmpty ? "" : port.hostAddress + "/"
            return [option, "\(address)\(port.hostPort):\(port.container.number)"]
        }
    }

    /// The host's first address that is not loopback, and its default gateway: pasta gives the container the same.
    static func addresses(_ trie: String, _ routes: String) -> (address: String, gateway: String) {
        var gateway = ""
        for line in routes.split(separator: "\n").dropFirst() {
            let fields = line.split { $0 == "\t" || $0 == " " }
            guard fields.count > 2, fields[1] == "00000000", let value = UInt32(fields[2], radix: 16) else { continue }
            gateway = IPAddress.text(UInt32(bigEndian: value))
            break
        }
        // `|-- ADDRESS` followed by `/32 host LOCAL` is an address of the host.
        var last = ""
        for line in trie.split(separator: "\n") {
            if let range = line.split(separator: "|-- ").last, line.contains("|-- ") {
                last = String(range).trimmedBlanks
            }
            if line.contains("/32 host LOCAL"), !last.hasPrefix("127.") { return (last, gateway) }
        }
        return ("", gateway)
    }

    // MARK: slirp4netns

    private static let slirpSocket = "slirp.sock"

    private func connect(slirp: String, _ namespace: String, _ ports: [PortMapping]) throws -> NetworkState {
        let ready = try Pipe()
        let log = try open(runDirectory + "/slirp.log", .write, permissions: 0o600)
        let child = try ChildProcess(
            slirp,
            [
                "--configure", "--mtu=65520", "--disable-host-loopback", "--enable-sandbox", "--ready-fd=3",
                // By its name alone: a socket's path has room for 107 bytes, and this one's has more.
                "--api-socket", Self.slirpSocket, "--netns-type=path", namespace, "eth0",
            ], environment: Runtime.environment, directory: runDirectory,
            descriptors: [1: log.raw, 2: log.raw, 3: ready.writeEnd.raw],
            newSession: true)
        let helper = ProcessIdentity(of: child.processID)
        let answers = OwnedDescriptor(owning: ready.takeReadEnd())
        if try readSome(from: answers.raw, upTo: 1, "slirp4netns").isEmpty {
            throw ContainerError(.failed, "slirp4netns failed: \(HostFacts.text(runDirectory + "/slirp.log"))")
        }
        for port in ports { try forward(port) }
        var state = state("slirp4netns", address: "10.0.2.100", prefix: 24, gateway: "10.0.2.2", ports, pidFile: nil)
        state.helper = helper
        return state
    }

    private func forward(_ port: PortMapping) throws {
        struct Request: Encodable {
            struct Arguments: Encodable {
                var proto: String
                var host_addr: String
                var host_port: UInt16
                var guest_port: UInt16
            }
            var execute = "add_hostfwd"
            var arguments: Arguments
        }
        let request = Request(
            arguments: .init(
                proto: port.container.transport.rawValue,
                host_addr: port.hostAddress.isEmpty ? "0.0.0.0" : port.hostAddress, host_port: port.hostPort,
                guest_port: port.container.number))
        let line = try Linux.connect(to: Self.slirpSocket, in: runDirectory, .stream)
        try writeAll(Array(try JSONEncoder().encode(request)), to: line.raw, "slirp4netns")
        endSending(line.raw)
        let answer = try readSome(from: line.raw, upTo: 4096, "slirp4netns")
        struct Answer: Decodable {
            struct Failure: Decodable { var desc: String }
            var error: Failure?
        }
        if let error = try JSONDecoder().decode(Answer.self, from: Data(answer)).error {
            throw ContainerError(.failed, "slirp4netns cannot publish port \(port.hostPort): \(error.desc)")
        }
    }

    private func state(
        _ name: String, address: String, prefix: Int, gateway: String, _ ports: [PortMapping], pidFile: String?
    ) -> NetworkState {
        var state = NetworkState(
            name: name, interface: "eth0", address: address, prefixLength: prefix, gateway: gateway, macAddress: "",
            ports: ports)
        state.helper = pidFile.flatMap { Int32(HostFacts.text($0)) }.flatMap { ProcessIdentity(of: $0) }
        return state
    }
}
