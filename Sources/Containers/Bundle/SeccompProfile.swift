#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Which system calls a container may make.
package enum SeccompProfile {
    /// Docker's default profile for a container's capabilities.
    package static func defaultProfile(capabilities: [String], architecture: String) -> RuntimeSpec.Seccomp {
        let capabilities = Set(capabilities)
        var rules: [RuntimeSpec.SyscallRule] = []
        for rule in SeccompTable.rules {
            if !rule.architectures.isEmpty, !rule.architectures.contains(architecture) { continue }
            if rule.excludedArchitectures.contains(architecture) { continue }
            if let needed = rule.capability, !capabilities.contains(needed) { continue }
            if let missing = rule.missingCapability, capabilities.contains(missing) { continue }
            rules.append(
                RuntimeSpec.SyscallRule(
                    names: rule.names, action: rule.errno == nil ? "SCMP_ACT_ALLOW" : "SCMP_ACT_ERRNO",
                    errnoRet: rule.errno, args: rule.arguments.isEmpty ? nil : rule.arguments))
        }
        return RuntimeSpec.Seccomp(
            defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 1, architectures: architectures[architecture],
            syscalls: rules)
    }

    /// The machine's own words and those of the 32-bit programs it runs.
    private static let architectures: [String: [String]] = [
        "amd64": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "arm64": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
        "s390x": ["SCMP_ARCH_S390X", "SCMP_ARCH_S390"],
        "ppc64le": ["SCMP_ARCH_PPC64LE"],
        "riscv64": ["SCMP_ARCH_RISCV64"],
        "loong64": ["SCMP_ARCH_LOONGARCH64"],
    ]

    /// A person's own profile in docker's JSON form (`--security-opt seccomp=FILE`).
    package static func parse(
        _ bytes: [UInt8], capabilities: [String], architecture: String, kernel: (major: Int, minor: Int)
    ) throws(ContainerError) -> RuntimeSpec.Seccomp {
        let file: ProfileFile
        do { file = try JSONDecoder().decode(ProfileFile.self, from: Data(bytes)) } catch {
            throw ContainerError(.invalid, "decoding seccomp profile failed: \(error)")
        }
        if file.architectures?.isEmpty == false, file.archMap?.isEmpty == false {
            throw ContainerError(
                .invalid,
                "both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or "
                    + "'archMap'")
        }
        var found = file.architectures
        if let native = architectures[architecture]?.first,
            let entry = file.archMap?.first(where: { $0.architecture == native })
        {
            found = [entry.architecture] + (entry.subArchitectures ?? [])
        }
        let capabilities = Set(capabilities)
        func atLeast(_ version: String) -> Bool {
            let numbers = version.split(separator: ".").map { Int($0) ?? 0 }
            return (kernel.major, kernel.minor) >= (numbers.first ?? 0, numbers.count > 1 ? numbers[1] : 0)
        }
        var rules: [RuntimeSpec.SyscallRule] = []
        for rule in file.syscalls ?? [] {
            if let excluded = rule.excludes {
                if excluded.arches?.contains(architecture) == true { continue }
                if excluded.caps?.contains(where: capabilities.contains) == true { continue }
                if let kernel = excluded.minKernel, atLeast(kernel) { continue }
            }
            if let included = rule.includes {
                if let arches = included.arches, !arches.isEmpty, !arches.contains(architecture) { continue }
                if included.caps?.allSatisfy(capabilities.contains) == false { continue }
                if let kernel = included.minKernel, !atLeast(kernel) { continue }
            }
            rules.append(
                RuntimeSpec.SyscallRule(
                    names: rule.names ?? rule.name.map { [$0] } ?? [], action: rule.action, errnoRet: rule.errnoRet,
                    args: rule.args?.map {
                        RuntimeSpec.SyscallArgument(index: $0.index, value: $0.value, valueTwo: $0.valueTwo, op: $0.op)
                    }))
        }
        return RuntimeSpec.Seccomp(
            defaultAction: file.defaultAction, defaultErrnoRet: file.defaultErrnoRet, architectures: found,
            syscalls: rules)
    }

    private struct ProfileFile: Decodable {
        struct ArchitectureEntry: Decodable {
            var architecture: String
            var subArchitectures: [String]?
        }
        struct Condition: Decodable {
            var caps: [String]?
            var arches: [String]?
            var minKernel: String?
        }
        struct Argument: Decodable {
            var index: UInt32
            var value: UInt64
            var valueTwo: UInt64?
            var op: String
        }
        struct Rule: Decodable {
            var name: String?
            var names: [String]?
            var action: String
            var errnoRet: UInt32?
            var args: [Argument]?
            var includes: Condition?
            var excludes: Condition?
        }
        var defaultAction: String
        var defaultErrnoRet: UInt32?
        var architectures: [String]?
        var archMap: [ArchitectureEntry]?
        var syscalls: [Rule]?
    }
}
