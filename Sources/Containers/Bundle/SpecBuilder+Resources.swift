extension SpecBuilder {
    /// What cgroups limit; limits whose controller the host has not are left out with a warning, as docker does.
    func resources(_ warnings: inout [String]) throws(ContainerError) -> RuntimeSpec.Resources {
        var resources = try Self.limits(record.hostConfig.resources, host: host, &warnings)
        if let throttles {
            var blockIO = resources.blockIO ?? RuntimeSpec.BlockIO()
            blockIO.throttleReadBpsDevice = throttles.throttleReadBpsDevice
            blockIO.throttleWriteBpsDevice = throttles.throttleWriteBpsDevice
            blockIO.throttleReadIOPSDevice = throttles.throttleReadIOPSDevice
            blockIO.throttleWriteIOPSDevice = throttles.throttleWriteIOPSDevice
            resources.blockIO = blockIO
        }
        // Without groups there is nothing to enforce device rules: the user namespace does it.
        if host.isRootless { return resources }
        resources.devices =
            record.hostConfig.privileged
            ? [RuntimeSpec.DeviceRule(allow: true, access: "rwm")] : Self.standardDeviceRules + deviceRules
        return resources
    }

    /// The devices every container may use; `mknod` of others is allowed to nobody.
    private static let standardDeviceRules: [RuntimeSpec.DeviceRule] =
        [RuntimeSpec.DeviceRule(allow: false, access: "rwm")]
        // null, zero, full, random, urandom, tty, console.
        + [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1)].map {
            RuntimeSpec.DeviceRule(allow: true, type: "c", major: $0.0, minor: $0.1, access: "rwm")
        }

    /// The limits alone, as `update` needs them, too.
    package static func limits(
        _ wanted: Resources, host: HostFacts, _ warnings: inout [String]
    ) throws(ContainerError) -> RuntimeSpec.Resources {
        var resources = RuntimeSpec.Resources()
        resources.memory = try memory(wanted, host, &warnings)
        resources.cpu = try processors(wanted, host, &warnings)
        if let limit = wanted.pidsLimit {
            if !host.controllers.contains("pids") {
                if limit > 0 { warnings.append(missing("PIDs limit", "PIDs limit discarded")) }
            } else {
                resources.pids = RuntimeSpec.Pids(limit: limit <= 0 ? -1 : limit)
            }
        }
        if wanted.blkioWeight > 0 {
            guard (10...1000).contains(wanted.blkioWeight) else {
                throw ContainerError(.invalid, "Range of blkio weight is from 10 to 1000")
            }
            if host.controllers.contains("io") || host.controllers.contains("blkio") {
                resources.blockIO = RuntimeSpec.BlockIO(weight: wanted.blkioWeight)
            } else {
                warnings.append(missing("Block I/O weight", "Weight discarded"))
            }
        }
        return resources
    }

    private static func missing(_ what: String, _ consequence: String) -> String {
        "Your kernel does not support \(what) capabilities or the cgroup is not mounted. \(consequence)."
    }

    private static func memory(_ wanted: Resources, _ host: HostFacts, _ warnings: inout [String])
        throws(ContainerError)
        -> RuntimeSpec.Memory?
    {
        let least: Int64 = 6 << 20
        func invalid(_ text: String) -> ContainerError { ContainerError(.invalid, text) }
        if wanted.memory != 0, wanted.memory < least { throw invalid("Minimum memory limit allowed is 6MB") }
        if wanted.memory > 0, wanted.memorySwap > 0, wanted.memorySwap < wanted.memory {
            throw invalid("Minimum memoryswap limit should be larger than memory limit, see usage")
        }
        if wanted.memory == 0, wanted.memorySwap > 0 {
            throw invalid("You should always set the Memory limit when using Memoryswap limit, see usage")
        }
        if wanted.memoryReservation > 0, wanted.memoryReservation < least {
            throw invalid("Minimum memory reservation allowed is 6MB")
        }
        if wanted.memory > 0, wanted.memoryReservation > 0, wanted.memory < wanted.memoryReservation {
            throw invalid("Minimum memory limit can not be less than memory reservation limit, see usage")
        }
        if let swappiness = wanted.memorySwappiness, swappiness != -1, !(0...100).contains(swappiness) {
            throw invalid("Invalid value: \(swappiness), valid memory swappiness range is 0-100")
        }
        var memory = RuntimeSpec.Memory()
        if host.controllers.contains("memory") {
            if wanted.memory > 0 { memory.limit = wanted.memory }
            if wanted.memoryReservation > 0 { memory.reservation = wanted.memoryReservation }
            if wanted.memory > 0 {
                // Docker's default: as much swap again.
                let swap = wanted.memorySwap == 0 ? wanted.memory * 2 : wanted.memorySwap
                if host.hasSwapLimit {
                    memory.swap = swap
                } else if wanted.memorySwap > 0 {
                    warnings.append(missing("swap limit", "Memory limited without swap"))
                }
            }
            if let swappiness = wanted.memorySwappiness, swappiness >= 0 {
                if host.cgroups == .v2 {
                    warnings.append(missing("memory swappiness", "Memory swappiness discarded"))
                } else {
                    memory.swappiness = UInt64(swappiness)
                }
            }
            if wanted.oomKillDisable {
                if host.cgroups == .v2 {
                    warnings.append("Your kernel does not support OomKillDisable. OomKillDisable discarded.")
                } else {
                    memory.disableOOMKiller = true
                    if wanted.memory == 0 {
                        warnings.append(
                            "OOM killer is disabled for the container, but no memory limit is set, this can result in "
                                + "the system running out of resources.")
                    }
                }
            }
        } else if wanted.memory > 0 || wanted.memoryReservation > 0 {
            warnings.append(missing("memory limit", "Limitation discarded"))
        }
        return memory == RuntimeSpec.Memory() ? nil : memory
    }

    private static func processors(_ wanted: Resources, _ host: HostFacts, _ warnings: inout [String])
        throws(ContainerError) -> RuntimeSpec.CPU?
    {
        func invalid(_ text: String) -> ContainerError { ContainerError(.invalid, text) }
        if wanted.nanoCPUs > 0, wanted.cpuPeriod > 0 {
            throw invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set")
        }
        if wanted.nanoCPUs > 0, wanted.cpuQuota > 0 {
            throw invalid("Conflicting options: Nano CPUs and CPU Quota cannot both be set")
        }
        if wanted.nanoCPUs < 0 || wanted.nanoCPUs > Int64(host.processors) * 1_000_000_000 {
            throw invalid(
                "range of CPUs is from 0.01 to \(host.processors).00, as there are only \(host.processors) CPUs available"
            )
        }
        if wanted.cpuPeriod != 0, !(1000...1_000_000).contains(wanted.cpuPeriod) {
            throw invalid("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
        }
        if wanted.cpuQuota > 0, wanted.cpuQuota < 1000 {
            throw invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)")
        }
        if wanted.cpuShares < 0 {
            throw invalid("invalid CPU shares (\(wanted.cpuShares)): value must be a positive integer")
        }
        var cpu = RuntimeSpec.CPU()
        if host.controllers.contains("cpu") {
            if wanted.cpuShares > 0 { cpu.shares = UInt64(wanted.cpuShares) }
            if wanted.nanoCPUs > 0 {
                cpu.period = 100_000
                cpu.quota = wanted.nanoCPUs / 10_000
            }
            if wanted.cpuPeriod > 0 { cpu.period = UInt64(wanted.cpuPeriod) }
            if wanted.cpuQuota != 0 { cpu.quota = wanted.cpuQuota }
            if wanted.cpuRealtimePeriod > 0 { cpu.realtimePeriod = UInt64(wanted.cpuRealtimePeriod) }
            if wanted.cpuRealtimeRuntime != 0 { cpu.realtimeRuntime = wanted.cpuRealtimeRuntime }
        } else if wanted.nanoCPUs > 0 {
            throw invalid(
                "NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted"
            )
        } else if wanted.cpuShares > 0 || wanted.cpuQuota != 0 || wanted.cpuPeriod != 0 {
            warnings.append(missing("CPU CFS scheduler", "CPU shares, period and quota discarded"))
        }
        if !wanted.cpusetCpus.isEmpty || !wanted.cpusetMems.isEmpty {
            if host.controllers.contains("cpuset") {
                if !wanted.cpusetCpus.isEmpty { cpu.cpus = wanted.cpusetCpus }
                if !wanted.cpusetMems.isEmpty { cpu.mems = wanted.cpusetMems }
            } else {
                warnings.append(missing("cpuset", "Cpuset discarded"))
            }
        }
        return cpu == RuntimeSpec.CPU() ? nil : cpu
    }
}
