package import Containers
import Glibc
import Linux
package import OCI
import Snapshots

/// A store with an image made of Debian's static busybox, and a service over it; containers are killed, mounts and files
/// gone with the value.
package final class ContainerBench: Sendable {
    package let layers: LayerBench
    package let service: ContainerService
    /// DiffIDs of the image.
    package let image: [Digest]

    package var root: String { layers.directory.path }

    /// - Parameter members: a second layer over busybox's.
    package init(_ members: [LayerTar.Member] = []) throws {
        layers = try LayerBench()
        let driver = try ErofsDriver(layers: layers.layers)
        var image = [try layers.add(Self.busybox, to: driver).diffID]
        if !members.isEmpty { image.append(try layers.add(members, to: driver).diffID) }
        self.image = image
        service = try ContainerService(.init(root: layers.directory.path, runDirectory: layers.run), driver: driver)
    }

    deinit {
        for id in (try? service.store.list()) ?? [] { try? service.remove(id, force: true) }
        try? ContainerService.dismantleNetwork(root: root, runDirectory: layers.run)
    }

    /// `/bin` with a link for every applet, account files, and an empty `/tmp`.
    package static let busybox: [LayerTar.Member] = {
        var program = LayerTar.Member.file("bin/busybox", mode: 0o755)
        program.data = (try? readFile("/usr/bin/busybox", limit: 16 << 20)) ?? []
        let applets = (try? runShell("busybox --list")) ?? ""
        return [.directory("bin"), program]
            + applets.split(separator: "\n").filter { $0 != "busybox" }.map {
                .symbolicLink("bin/\($0)", to: "busybox")
            }
            + [
                .directory("etc"), .directory("tmp", mode: 0o1777), .directory("root", mode: 0o700),
                .file(
                    "etc/passwd",
                    "root:x:0:0:root:/root:/bin/sh\nmail:x:8:12:mail:/var/mail:/bin/false\napp:x:1000:1000::/home/app:/bin/sh\n"
                ),
                .file("etc/group", "root:x:0:\nmail:x:12:app\napp:x:1000:\nextra:x:2000:app,mail\n"),
            ]
    }()

    /// The image with another layer on top.
    package func addLayer(_ tar: [UInt8]) throws -> [Digest] {
        image + [try layers.add(tar, to: ErofsDriver(layers: layers.layers)).diffID]
    }

    /// A request for a container of the image.
    package func request(_ command: [String], _ change: (inout CreateRequest) throws -> Void = { _ in }) rethrows
        -> CreateRequest
    {
        var config = ContainerConfig()
        config.cmd = ["/bin/sh"]
        config.env = ["PATH=/bin"]
        var overrides = ContainerConfig()
        overrides.cmd = command
        var host = HostConfig()
        host.networkMode = "none"
        var request = CreateRequest(
            image: "busybox", imageID: Digest.sha256(of: Array("busybox".utf8)), layers: image,
            platform: Platform(os: "linux", architecture: "amd64"), imageConfig: config, overrides: overrides,
            hostConfig: host)
        try change(&request)
        return request
    }

    /// What a container that ran to its end gave.
    package struct Outcome: Sendable {
        package var code: Int32
        package var output: String
        package var errorOutput: String
        package var warnings: [String]
    }

    /// Runs a command in a new container to its end, and removes the container.
    @discardableResult
    package func run(
        _ command: [String], input: String? = nil, keep: Bool = false,
        _ change: (inout CreateRequest) throws -> Void = { _ in }
    ) throws -> Outcome {
        let (record, warnings) = try service.create(
            try request(command) { request in
                if input != nil {
                    request.overrides.openStdin = true
                    request.streams.stdinOnce = true
                }
                try change(&request)
            })
        defer { if !keep { try? service.remove(record.id, force: true, volumes: true) } }
        return try start(record.id, input: input, warnings: warnings)
    }

    /// Starts a container attached and waits for its end.
    package func start(_ id: ContainerID, input: String? = nil, warnings: [String] = []) throws -> Outcome {
        let files = try TemporaryDirectory()
        try files.write("input", Array((input ?? "").utf8))
        let standardInput = try open(files.path + "/input", .read)
        let output = try open(files.path + "/output", .write)
        let errors = try open(files.path + "/errors", .write)
        var more: [String] = []
        let code = try service.runAttached(
            id, .init(input: input == nil ? nil : standardInput.raw, output: output.raw, errorOutput: errors.raw),
            onStart: { more = $0.warnings })
        return Outcome(
            code: code ?? -1,
            output: String(decoding: try readFile(files.path + "/output", limit: 64 << 20), as: UTF8.self),
            errorOutput: String(decoding: try readFile(files.path + "/errors", limit: 64 << 20), as: UTF8.self),
            warnings: warnings + more)
    }

    /// Creates and starts a container in the background.
    package func startDetached(_ command: [String], _ change: (inout CreateRequest) throws -> Void = { _ in }) throws
        -> ContainerID
    {
        let record = try service.create(try request(command, change)).record
        _ = try service.start(record.id)
        return record.id
    }

    /// Runs a command in a running container to its end.
    package func exec(
        _ id: ContainerID, _ command: [String], input: String? = nil, _ change: (inout ExecRequest) -> Void = { _ in }
    ) throws -> Outcome {
        var request = ExecRequest(command)
        change(&request)
        let files = try TemporaryDirectory()
        try files.write("input", Array((input ?? "").utf8))
        let standardInput = try open(files.path + "/input", .read)
        let output = try open(files.path + "/output", .write)
        let errors = try open(files.path + "/errors", .write)
        let code = try service.exec(
            id, request,
            .init(input: input == nil ? nil : standardInput.raw, output: output.raw, errorOutput: errors.raw))
        return Outcome(
            code: code ?? -1,
            output: String(decoding: try readFile(files.path + "/output", limit: 64 << 20), as: UTF8.self),
            errorOutput: String(decoding: try readFile(files.path + "/errors", limit: 64 << 20), as: UTF8.self),
            warnings: [])
    }

    /// Waits until a container's log has a line.
    package func waitForLog(_ id: ContainerID, _ line: String) throws {
        var request = LogRequest()
        request.follow = true
        var isSeen = false
        try service.logs(id, request) { entry in
            isSeen = String(decoding: entry.text, as: UTF8.self) == line + "\n"
            return !isSeen
        }
        if !isSeen { throw ContainerError(.failed, "the container ended without `\(line)`") }
    }

    /// Asks again until it is so; fails after 30 s.
    package func waitUntil(_ isSo: () throws -> Bool) throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while try !isSo() {
            if ContinuousClock.now > deadline { throw ContainerError(.failed, "waited for 30 s in vain") }
            usleep(10_000)
        }
    }

    /// Changes a container's state file by hand.
    package func edit(_ id: ContainerID, replacing old: String, with new: String) throws {
        let path = service.store.directory(id) + "/state.json"
        let text = String(decoding: try readFile(path, limit: 1 << 20), as: UTF8.self)
        let changed = text.split(separator: old, omittingEmptySubsequences: false).joined(separator: new)
        if changed == text { throw ContainerError(.failed, "`\(old)` is not in \(text)") }
        try writeAtomically(Array(changed.utf8), to: path)
    }

    /// What a power loss does: every process of the containers and every mount is gone, and the run directory is empty.
    package func reboot(_ running: [ContainerID]) throws {
        for id in running {
            let state = try service.info(id).state
            for process in [state.monitor, state.process].compactMap({ $0 }) {
                try process.send(signal: SIGKILL)
                try waitUntil { !process.isAlive }
            }
            if let group = state.cgroup {
                _ = try runShell("find /sys/fs/cgroup -depth -type d -path '*\(group)' -exec rmdir {} +")
            }
            if let network = state.network {
                _ = try runShell(
                    "ip link del $(ip -o -4 addr show | grep -F ' \(network.gateway)/' | awk '{print $2}')")
            }
        }
        for entry in try mountTable().reversed() where entry.target.hasPrefix(layers.run + "/") {
            try unmount(entry.target, lazily: true)
        }
        try removeTree(layers.run)
    }

    /// A service as the first command after a reboot makes it.
    package func reopened() throws -> ContainerService {
        try ContainerService(service.options, driver: try ErofsDriver(layers: layers.layers))
    }

    /// What the store left outside of its own files: mounts, cgroups, processes that name it.
    package func leftovers() throws -> [String] {
        var found: [String] = []
        for entry in try mountTable() where entry.target.hasPrefix(root + "/") { found.append("mount \(entry.target)") }
        for name in try names(in: layers.run + "/containers") ?? [] { found.append("run directory \(name)") }
        for name in try names(in: layers.run + "/runtime") ?? [] { found.append("runtime state \(name)") }
        for process in try processes() {
            // conmon writes the exit code before it ends; what does not end is left over.
            guard let handle = try process.handle() else { continue }
            if try !waitReadable([handle.raw], milliseconds: 10_000)[0] { found.append("process \(process.processID)") }
        }
        return found
    }

    /// What containers left of the bridge network on the host: lines to the bridge, which itself stays; firewall rules that
    /// name their addresses; addresses.
    package func networkLeftovers() throws -> [String] {
        let prefix = try service.subnetPrefix()
        let rules = try runShell("iptables-save | grep -F '\(prefix).' | grep -F -v '\(prefix).0.0/16 ' || true")
        let bridge = try runShell("ip -o -4 addr show | grep -F ' \(prefix).0.1/' | awk '{print $2}'").filter {
            $0 != "\n"
        }
        if !bridge.isEmpty {
            // The kernel takes a namespace and what is in it down in its own time.
            try waitUntil { try names(in: "/sys/class/net/\(bridge)/brif")?.isEmpty ?? true }
        }
        let leases = try names(in: layers.run + "/network") ?? []
        return rules.split(separator: "\n").map(String.init) + leases.map { "lease \($0)" }
    }

    /// conmon and runtime processes that work for this store.
    private func processes() throws -> [ProcessIdentity] {
        try runShell("grep -la '\(root)' /proc/[0-9]*/cmdline 2>/dev/null || true").split(separator: "\n")
            .compactMap { path in
                let command = (try? readFile(String(path), limit: 1 << 16)) ?? []
                let program = String(decoding: command.prefix { $0 != 0 }, as: UTF8.self)
                let isOurs = ["conmon", "runc", "crun"].contains { program.hasSuffix($0) }
                return isOurs ? Int32(path.split(separator: "/")[1]).flatMap { ProcessIdentity(of: $0) } : nil
            }
    }
}
