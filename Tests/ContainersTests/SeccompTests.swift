import Containers
import Testing

@Suite struct SeccompTests {
    private func allowed(_ profile: RuntimeSpec.Seccomp) -> Set<String> {
        Set(profile.syscalls.filter { $0.action == "SCMP_ACT_ALLOW" && $0.args == nil }.flatMap(\.names))
    }

    @Test func whatOpensTheHostNeedsItsCapability() {
        let plain = allowed(SeccompProfile.defaultProfile(capabilities: Capability.defaults, architecture: "amd64"))
        for call in ["read", "execve", "futex", "io_pgetevents", "ptrace", "arch_prctl", "chroot", "mknod"] {
            #expect(plain.contains(call), "\(call)")
        }
        // Each of these got programs out of their container once, or would.
        for call in [
            "mount", "umount2", "setns", "unshare", "bpf", "reboot", "kexec_load", "init_module", "keyctl", "add_key",
            "open_by_handle_at", "perf_event_open", "swapon", "userfaultfd", "io_uring_setup", "clone3", "move_pages",
        ] {
            #expect(!plain.contains(call), "\(call)")
        }
        for (capability, call) in [
            ("SYS_ADMIN", "mount"), ("SYS_BOOT", "reboot"), ("SYS_MODULE", "init_module"), ("SYS_TIME", "settimeofday"),
            ("DAC_READ_SEARCH", "open_by_handle_at"), ("BPF", "bpf"), ("SYSLOG", "syslog"), ("SYS_NICE", "mbind"),
        ] {
            let with = SeccompProfile.defaultProfile(
                capabilities: Capability.defaults + ["CAP_" + capability], architecture: "amd64")
            #expect(allowed(with).contains(call), "\(call)")
        }
    }

    @Test func cloneMakesNoNamespacesAndClone3FallsBack() throws {
        let profile = SeccompProfile.defaultProfile(capabilities: Capability.defaults, architecture: "amd64")
        let clone = try #require(profile.syscalls.first { $0.names == ["clone"] })
        #expect(clone.args == [.init(index: 0, value: 0x7e02_0000, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ")])
        let clone3 = try #require(profile.syscalls.first { $0.names == ["clone3"] })
        #expect(clone3.action == "SCMP_ACT_ERRNO" && clone3.errnoRet == 38)
        #expect(profile.defaultAction == "SCMP_ACT_ERRNO" && profile.defaultErrnoRet == 1)
    }

    @Test func architecturesHaveTheirOwnCalls() {
        let arm = SeccompProfile.defaultProfile(capabilities: [], architecture: "arm64")
        #expect(arm.architectures == ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"])
        #expect(allowed(arm).contains("set_tls") && !allowed(arm).contains("arch_prctl"))
        let mainframe = SeccompProfile.defaultProfile(capabilities: [], architecture: "s390x")
        #expect(mainframe.syscalls.first { $0.names == ["clone"] }?.args?.first?.index == 1)
    }

    @Test func aPersonsProfileIsReadInDockersForm() throws {
        let text = """
            {"defaultAction":"SCMP_ACT_ALLOW","archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]}],
             "syscalls":[{"names":["chmod"],"action":"SCMP_ACT_ERRNO","errnoRet":5},
              {"name":"mkdir","action":"SCMP_ACT_ERRNO","includes":{"caps":["CAP_SYS_ADMIN"]}},
              {"names":["ptrace"],"action":"SCMP_ACT_ERRNO","excludes":{"minKernel":"4.8"}}]}
            """
        let profile = try SeccompProfile.parse(
            Array(text.utf8), capabilities: [], architecture: "amd64", kernel: (6, 1))
        #expect(profile.architectures == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"])
        #expect(profile.syscalls.map(\.names) == [["chmod"]] && profile.syscalls[0].errnoRet == 5)
        #expect(throws: ContainerError.self) {
            try SeccompProfile.parse(Array("{".utf8), capabilities: [], architecture: "amd64", kernel: (6, 1))
        }
    }
}
