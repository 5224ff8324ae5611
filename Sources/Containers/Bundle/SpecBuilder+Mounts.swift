extension SpecBuilder {
    /// What is mounted into the container: the kernel's file systems, our three files, then the person's, outer before inner.
    var mounts: [RuntimeSpec.Mount] {
        let hostConfig = record.hostConfig
        let taken = Set(record.mounts.map(\.destination))
        var mounts = standardMounts.filter { !taken.contains($0.destination) }
        if hostConfig.privileged || security.writableCgroups == true {
            for index in mounts.indices
            where mounts[index].type == "cgroup" || hostConfig.privileged && mounts[index].destination == "/sys" {
                mounts[index].options.removeAll { $0 == "ro" }
            }
        }
        let files = [
            ("/etc/resolv.conf", paths.resolv), ("/etc/hostname", paths.hostname), ("/etc/hosts", paths.hosts),
        ]
        for (destination, source) in files where !taken.contains(destination) {
            mounts.append(
                RuntimeSpec.Mount(
                    destination: destination, type: "bind", source: source,
                    options: ["rbind", "rprivate"] + (hostConfig.readonlyRootfs ? ["ro"] : [])))
        }
        // A mount below another must come after it.
        let sorted = record.mounts.enumerated().sorted {
            let left = $0.element.destination.split(separator: "/").count
            let right = $1.element.destination.split(separator: "/").count
            return (left, $0.offset) < (right, $1.offset)
        }
        mounts += sorted.map { mount($0.element) }
        if let program = paths.initProgram {
            mounts.append(
                RuntimeSpec.Mount(
                    destination: Self.initPath, type: "bind", source: program, options: ["bind", "ro"]))
        }
        return mounts
    }

    /// In a user namespace the host's groups are shown, and with the host's network the host's `/sys`: the kernel lets only
    /// the owner of a network namespace mount one for it.
    private func rootless(_ mount: RuntimeSpec.Mount) -> RuntimeSpec.Mount {
        let usesHostNetwork = record.hostConfig.network == "host"
        guard mount.type == "cgroup" || mount.type == "sysfs" && usesHostNetwork else { return mount }
        return RuntimeSpec.Mount(
            destination: mount.destination, type: "bind", source: mount.destination,
            options: ["rbind", "rprivate", "nosuid", "noexec", "nodev", "ro"])
    }

    private var standardMounts: [RuntimeSpec.Mount] {
        let hostConfig = record.hostConfig
        let plain = ["nosuid", "noexec", "nodev"]
        var mounts = [
            RuntimeSpec.Mount(destination: "/proc", type: "proc", source: "proc", options: plain),
            RuntimeSpec.Mount(
                destination: "/dev", type: "tmpfs", source: "tmpfs",
                options: ["nosuid", "strictatime", "mode=755", "size=65536k"]),
            RuntimeSpec.Mount(
                destination: "/dev/pts", type: "devpts", source: "devpts",
                options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
            RuntimeSpec.Mount(destination: "/sys", type: "sysfs", source: "sysfs", options: plain + ["ro"]),
            RuntimeSpec.Mount(
                destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro"] + plain),
        ]
        switch hostConfig.ipcMode {
        case "host":
            mounts.append(bind("/dev/mqueue", to: "/dev/mqueue"))
            mounts.append(bind("/dev/shm", to: "/dev/shm"))
        case "none": break
        default:
            mounts.append(
                RuntimeSpec.Mount(destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: plain))
            if let shm = joined.shm {
                mounts.append(bind(shm, to: "/dev/shm"))
            } else {
                mounts.append(
                    RuntimeSpec.Mount(
                        destination: "/dev/shm", type: "tmpfs", source: "shm",
                        options: plain + ["mode=1777", "size=\(hostConfig.shmSize)"]))
            }
        }
        return host.isRootless ? mounts.map(rootless) : mounts
    }

    private func bind(_ source: String, to destination: String) -> RuntimeSpec.Mount {
        RuntimeSpec.Mount(destination: destination, type: "bind", source: source, options: ["rbind", "rprivate"])
    }

    private func mount(_ point: MountPoint) -> RuntimeSpec.Mount {
        if point.kind == .tmpfs {
            return RuntimeSpec.Mount(
                destination: point.destination, type: "tmpfs", source: "tmpfs",
                options: Self.tmpfsOptions(point.tmpfsOptions))
        }
        var options = [point.isRecursive ? "rbind" : "bind"]
        // Recursive read-only needs mount_setattr of kernel 5.12.
        if !point.isWritable { options.append(host.kernel >= (5, 12) && point.isRecursive ? "rro" : "ro") }
        options.append(point.propagation.isEmpty ? "rprivate" : point.propagation)
        var source = point.source
        if let subpath = point.subpath { source += "/" + subpath }
        return RuntimeSpec.Mount(destination: point.destination, type: "bind", source: source, options: options)
    }

    /// Docker's options of a tmpfs, where what the person says replaces its opposite.
    static func tmpfsOptions(_ wanted: [String]) -> [String] {
        let opposites = [
            "exec": "noexec", "noexec": "exec", "suid": "nosuid", "nosuid": "suid", "dev": "nodev", "nodev": "dev",
            "ro": "rw", "rw": "ro",
        ]
        var options = ["noexec", "nosuid", "nodev", "rprivate"]
        for option in wanted {
            let key = option.prefix { $0 != "=" }
            options.removeAll {
                $0 == opposites[option] || ($0.contains("=") && $0.prefix { $0 != "=" } == key) || $0 == option
            }
            options.append(option)
        }
        return options
    }

    /// Mounts that other mount namespaces shall see ask as much of the root.
    var rootPropagation: String? {
        let kinds = Set(record.mounts.map(\.propagation))
        if !kinds.isDisjoint(with: ["shared", "rshared"]) { return "shared" }
        if !kinds.isDisjoint(with: ["slave", "rslave"]) { return "rslave" }
        return nil
    }
}
