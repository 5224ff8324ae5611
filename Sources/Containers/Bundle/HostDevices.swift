import Linux

/// Devices of the host that a container gets.
enum HostDevices {
    struct Resolved {
        var devices: [RuntimeSpec.Device] = []
        var rules: [RuntimeSpec.DeviceRule] = []
        var warnings: [String] = []
    }

    /// What `--device`, `--device-cgroup-rule` and `--privileged` ask for.
    static func resolve(_ config: HostConfig) throws -> Resolved {
        var resolved = Resolved()
        if config.privileged {
            try collect(
                "/dev", as: "/dev", permissions: "rwm", &resolved,
                skipping: ["/dev/pts", "/dev/shm", "/dev/fd", "/dev/mqueue", "/dev/.lxc", "/dev/.udev", "/dev/console"])
            resolved.rules = []
        }
        for device in config.resources.devices {
            if config.privileged, device.pathInContainer == device.pathOnHost { continue }
            let status: FileStatus
            do { status = try FileStatus(of: device.pathOnHost, following: true) } catch {
                throw ContainerError(
                    .failed,
                    "error gathering device information while adding custom device \"\(device.pathOnHost)\": no such file or directory"
                )
            }
            switch status.kind {
            case .directory:
                try collect(device.pathOnHost, as: device.pathInContainer, permissions: device.permissions, &resolved)
            case .characterDevice, .blockDevice:
                add(status, at: device.pathInContainer, device.permissions, &resolved)
            default:
                throw ContainerError(
                    .failed,
                    "error gathering device information while adding custom device \"\(device.pathOnHost)\": not a device node"
                )
            }
        }
        for rule in config.resources.deviceCgroupRules { resolved.rules.append(try parse(rule: rule)) }
        return resolved
    }

    private static func collect(
        _ path: String, as target: String, permissions: String, _ resolved: inout Resolved, skipping: Set<String> = []
    ) throws {
        for name in try names(in: path) ?? [] {
            let below = "\(path)/\(name)"
            if skipping.contains(below) { continue }
            guard let status = try FileStatus.ifExists(below) else { continue }
            switch status.kind {
            case .directory:
                try collect(below, as: "\(target)/\(name)", permissions: permissions, &resolved, skipping: skipping)
            case .characterDevice, .blockDevice: add(status, at: "\(target)/\(name)", permissions, &resolved)
            default: break
            }
        }
    }

    private static func add(_ status: FileStatus, at path: String, _ permissions: String, _ resolved: inout Resolved) {
        let type = status.kind == .blockDevice ? "b" : "c"
        resolved.devices.append(
            RuntimeSpec.Device(
                path: path, type: type, major: Int64(status.nodeMajor), minor: Int64(status.nodeMinor),
                fileMode: UInt32(status.mode), uid: status.uid, gid: status.gid))
        resolved.rules.append(
            RuntimeSpec.DeviceRule(
                allow: true, type: type, major: Int64(status.nodeMajor), minor: Int64(status.nodeMinor),
                access: permissions))
    }

    /// `c 1:3 rwm`, where a star stands for any number.
    static func parse(rule text: String) throws(ContainerError) -> RuntimeSpec.DeviceRule {
        let fields = text.split(separator: " ").map(String.init)
        let numbers = fields.count == 3 ? fields[1].split(separator: ":").map(String.init) : []
        guard numbers.count == 2, ["a", "b", "c"].contains(fields[0]), fields[2].allSatisfy({ "rwm".contains($0) }),
            numbers.allSatisfy({ $0 == "*" || UInt32($0) != nil })
        else { throw ContainerError(.invalid, "invalid device cgroup rule format: '\(text)'") }
        return RuntimeSpec.DeviceRule(
            allow: true, type: fields[0], major: Int64(numbers[0]), minor: Int64(numbers[1]), access: fields[2])
    }

    /// Rates of devices, by number as the kernel wants them; nil where none are set.
    static func throttles(_ resources: Resources) throws -> RuntimeSpec.BlockIO? {
        func throttles(_ rates: [Resources.DeviceRate]) throws -> [RuntimeSpec.Throttle]? {
            if rates.isEmpty { return nil }
            return try rates.map { rate in
                let status = try FileStatus(of: rate.path, following: true)
                return RuntimeSpec.Throttle(
                    major: Int64(status.nodeMajor), minor: Int64(status.nodeMinor), rate: rate.rate)
            }
        }
        let limits = RuntimeSpec.BlockIO(
            throttleReadBpsDevice: try throttles(resources.deviceReadBps),
            throttleWriteBpsDevice: try throttles(resources.deviceWriteBps),
            throttleReadIOPSDevice: try throttles(resources.deviceReadIOps),
            throttleWriteIOPSDevice: try throttles(resources.deviceWriteIOps))
        return limits == RuntimeSpec.BlockIO() ? nil : limits
    }
}
