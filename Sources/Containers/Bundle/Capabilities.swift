/// Linux capabilities by name, and docker's rules for choosing a container's.
package enum Capability {
    /// In the kernel's order: the index is the bit.
    package static let all = [
        "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
        "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
        "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
        "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
        "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
        "CHECKPOINT_RESTORE",
    ].map { "CAP_" + $0 }

    /// What docker gives every container.
    package static let defaults = [
        "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP",
        "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
    ].map { "CAP_" + $0 }

    /// The names of a kernel mask's bits.
    package static func names(of mask: UInt64) -> [String] {
        all.indices.filter { mask & (1 << UInt64($0)) != 0 }.map { all[$0] }
    }

    /// What a person wrote, in the kernel's words; `ALL` stays.
    package static func parse(_ text: String) throws(ContainerError) -> String {
        let upper = text.uppercased()
        if upper == "ALL" { return upper }
        let name = upper.hasPrefix("CAP_") ? upper : "CAP_" + upper
        if !all.contains(name) { throw ContainerError(.invalid, "unknown capability: \"\(name)\"") }
        return name
    }

    /// A container's capabilities.
    ///
    /// - Parameters:
    ///   - available: what this host can give.
    ///   - wanted: a capability that was asked for by name and is not available is an error.
    package static func choose(
        adding: [String], dropping: [String], privileged: Bool, available: [String]
    ) throws(ContainerError) -> [String] {
        if privileged { return available }
        var added: [String] = []
        for text in adding {
            let name = try parse(text)
            if name != "ALL", !available.contains(name) {
                throw ContainerError(
                    .invalid,
                    "capability not supported by your kernel or not available in the current environment: \"\(name)\"")
            }
            added.append(name)
        }
        var dropped: [String] = []
        for text in dropping { dropped.append(try parse(text)) }
        if added.contains("ALL") { return available.filter { !dropped.contains($0) } }
        if dropped.contains("ALL") { return unique(added) }
        return unique(defaults.filter { !dropped.contains($0) && available.contains($0) } + added)
    }

    private static func unique(_ names: [String]) -> [String] {
        var seen: Set<String> = []
        return names.filter { seen.insert($0).inserted }
    }
}
