import Linux
import OCI
import Snapshots

extension ContainerService {
    struct Prepared {
        var user: ResolvedUser
        var paths: SpecBuilder.Paths
        var security: SecurityOptions
    }

    /// Makes ready what the spec points to: the three files, the working directory, mount points, volumes with the image's
    /// content; and finds the user. The root is mounted.
    func prepare(_ record: ContainerRecord, _ state: ContainerState) throws -> Prepared {
        let root = try ConfinedTree(store.rootPath(record.id))
        let user = try user(record.config.user ?? "", record, root)
        let paths = try networkFiles(record, state)
        let isFirst = state.started == nil
        for mount in record.mounts { try prepare(mount, root, isFirst: isFirst) }
        try makeMountPoints(record, root)
        let directory = cleanPath(record.config.workingDir ?? "/")
        if directory != "/" { try makeWorkingDirectory(directory, record, root) }
        return Prepared(user: user, paths: paths, security: try SecurityOptions(parsing: record.hostConfig.securityOpt))
    }

    /// Finds a user in the container's own account files.
    func user(_ text: String, _ record: ContainerRecord, _ root: borrowing ConfinedTree) throws -> ResolvedUser {
        let limit = 16 << 20
        return try ResolvedUser(
            parsing: text, additionalGroups: record.hostConfig.groupAdd,
            passwd: try root.read("/etc/passwd", limit: limit), group: try root.read("/etc/group", limit: limit))
    }

    private func makeWorkingDirectory(_ path: String, _ record: ContainerRecord, _ root: borrowing ConfinedTree) throws
    {
        // Below a mount it is made where the mount shows, by the runtime.
        if record.mounts.contains(where: { path == $0.destination || path.hasPrefix($0.destination + "/") }) { return }
        do { _ = try root.makeDirectories(path) } catch {
            throw ContainerError(.failed, "mkdir \(path): \(error)")
        }
    }

    // MARK: Mount points

    /// What the runtime would otherwise make itself in the upper layer: done here so that no directory's time changes and
    /// `diff` knows what is ours.
    static let ownPaths = [
        "/proc", "/sys", "/dev", "/etc/resolv.conf", "/etc/hostname", "/etc/hosts", "/etc/mtab", "/.dockerenv",
    ]

    private func makeMountPoints(_ record: ContainerRecord, _ root: borrowing ConfinedTree) throws {
        for path in ["/proc", "/sys", "/dev"] { _ = try root.makeDirectories(path) }
        for path in ["/etc/resolv.conf", "/etc/hostname", "/etc/hosts", "/.dockerenv"] {
            try root.makeFile(path, permissions: 0o755)
        }
        try root.makeLink("/etc/mtab", to: "/proc/mounts")
        if record.hostConfig.usesInit { try root.makeFile(SpecBuilder.initPath, permissions: 0o755) }
        for mount in record.mounts {
            // Those below another mount are made in what is mounted there.
            let outer = record.mounts.map(\.destination) + ["/proc", "/sys", "/dev"]
            if outer.contains(where: { mount.destination.hasPrefix($0 + "/") }) { continue }
            let source = try mount.kind == .bind ? FileStatus(of: mount.source, following: true) : nil
            if let source, source.kind != .directory {
                try root.makeFile(mount.destination)
            } else if mount.kind == .tmpfs, try root.status(of: mount.destination) == nil {
                // The runtime gives a tmpfs the mode of what it is mounted on.
                let mode = mount.tmpfsOptions.last { $0.hasPrefix("mode=") }.flatMap {
                    UInt16($0.dropFirst(5), radix: 8)
                }
                try setMode(mode ?? 0o1777, of: try root.makeDirectories(mount.destination), mount.destination)
            } else {
                _ = try root.makeDirectories(mount.destination)
            }
        }
    }

    /// Makes a mount's source ready, and fills an empty volume with what the image has there.
    private func prepare(_ mount: MountPoint, _ root: borrowing ConfinedTree, isFirst: Bool) throws {
        switch mount.kind {
        case .tmpfs: break
        case .bind:
            if try FileStatus.ifExists(mount.source) == nil {
                guard mount.createsSource else {
                    throw ContainerError(
                        .invalid,
                        "invalid mount config for type \"bind\": bind source path does not exist: \(mount.source)")
                }
                try makeDirectories(mount.source)
            }
        case .volume:
            guard let name = mount.name else { return }
            try volumes.create(name, isAnonymous: mount.isAnonymous)
            guard isFirst, mount.copiesUp, try names(in: mount.source)?.isEmpty ?? false else { return }
            try copyUp(mount, root)
        }
    }

    private func copyUp(_ mount: MountPoint, _ root: borrowing ConfinedTree) throws {
        guard try root.status(of: mount.destination)?.kind == .directory else { return }
        let source = try root.open(mount.destination, .directory)
        var writer = try TreeWriter(directory: mount.source)
        try TreeReader(keepsHoles: true).read(source, to: &writer)
        try writer.finish()
    }

    // MARK: Files for the network

    private func networkFiles(_ record: ContainerRecord, _ state: ContainerState) throws -> SpecBuilder.Paths {
        let host = record.hostConfig
        var owner = record.id
        if host.network.hasPrefix("container:"), let id = ContainerID(host.network.dropFirst("container:".count)) {
            owner = id
        } else {
            try writeNetworkFiles(record, state)
        }
        let directory = store.directory(owner)
        var program: String?
        if host.usesInit, host.pidMode.isEmpty { program = try Self.initProgram() }
        return SpecBuilder.Paths(
            root: store.rootPath(record.id), hosts: directory + "/hosts", hostname: directory + "/hostname",
            resolv: directory + "/resolv.conf", initProgram: program)
    }

    private func writeNetworkFiles(_ record: ContainerRecord, _ state: ContainerState) throws {
        let host = record.hostConfig
        let isHost = host.network == "host"
        let hostname = record.config.hostname ?? ""
        let hosts =
            isHost
            ? HostFacts.text("/etc/hosts") + "\n" + NetworkFiles.extraHosts(host.extraHosts, gateway: nil)
            : NetworkFiles.hosts(
                hostname: hostname, domainname: record.config.domainname ?? "", address: state.network?.address,
                extra: host.extraHosts, gateway: state.network?.gateway)
        let resolv = NetworkFiles.resolv(
            host: HostFacts.text("/etc/resolv.conf"), servers: host.dns, searches: host.dnsSearch,
            options: host.dnsOptions, sharesHost: isHost,
            fallback: state.network.flatMap(RootlessNetwork.nameServer).map { [$0] })
        let links = try linkedNames(record)
        let directory = store.directory(record.id)
        for (name, text) in [("hosts", hosts + links), ("hostname", hostname + "\n"), ("resolv.conf", resolv)] {
            let file = try open("\(directory)/\(name)", .write, permissions: 0o644)
            try writeAll(Array(text.utf8), to: file.raw, name)
        }
    }

    /// Lines for the containers of `--link`, which must run: their address by the alias and by their own names.
    private func linkedNames(_ record: ContainerRecord) throws -> String {
        try (record.hostConfig.links ?? []).map { link in
            let parts = link.split(separator: ":", maxSplits: 1).map(String.init)
            let other = try info(try store.find(parts[0]))
            guard other.status.isActive, let address = other.state.network?.address else {
                throw ContainerError(
                    .conflict,
                    "Cannot link to a non running container: /\(other.record.name) AS /\(record.name)/\(parts[1])")
            }
            var names = [parts[1], other.record.config.hostname ?? other.record.id.short]
            if other.record.name != parts[1] { names.append(other.record.name) }
            return "\(address)\t\(names.joined(separator: " "))\n"
        }.joined()
    }

    /// The init program for `--init`: one that needs no library of the image.
    private static func initProgram() throws -> String {
        for name in ["docker-init", "tini-static", "catatonit"] {
            if let path = RuntimeChoice.find(name) { return path }
        }
        throw ContainerError(
            .unavailable, "--init needs an init program that is not installed", hint: "apt-get install tini")
    }
}
