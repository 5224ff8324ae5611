import Containers
import Glibc
import Linux
import OCI
import TestSupport
import Testing

@Suite struct LifecycleTests {
    @Test func statesFollowTheContainer() throws {
        let bench = try ContainerBench()
        let service = bench.service
        let id = try service.create(bench.request(["sleep", "100"]) { $0.name = "sleeper" }).record.id
        #expect(try service.info(id).status == .created)
        _ = try service.start(id)
        #expect(try service.info(id).status == .running)
        #expect(try service.start(id).wasRunning)
        try service.pause(id)
        #expect(try service.info(id).status == .paused)
        #expect(throws: ContainerError.self) { try service.pause(id) }
        #expect(throws: ContainerError.self) { try service.start(id) }
        #expect(throws: ContainerError.self) { try service.remove(id) }
        try service.unpause(id)
        #expect(throws: ContainerError.self) { try service.unpause(id) }
        try service.rename(id, to: "other")
        #expect(try service.find("other") == id && service.find("/other") == id && service.find(id.short) == id)
        #expect(throws: ContainerError.self) { try service.find("sleeper") }
        try service.kill(id, signal: SIGKILL)
        #expect(try service.wait(id) == 137)
        let info = try service.info(id)
        #expect(info.status == .exited && info.state.exitCode == 137 && !info.state.oomKilled)
        #expect(try #require(info.state.finished) >= (try #require(info.state.started)))
        // A second life in the same layer.
        try service.restart(id)
        #expect(try service.info(id).status == .running)
        try service.remove(id, force: true)
        #expect(throws: ContainerError.self) { try service.info(id) }
        let left = try bench.leftovers()
        #expect(left == [])
    }

    @Test func stopSendsTheStopSignalAndThenKills() throws {
        let bench = try ContainerBench()
        let service = bench.service
        let polite = try bench.startDetached([
            "sh", "-c", "trap 'exit 9' USR1; echo ready; while :; do sleep 0.1; done",
        ]) {
            $0.overrides.stopSignal = "SIGUSR1"
        }
        try bench.waitForLog(polite, "ready")
        try service.stop(polite)
        #expect(try service.info(polite).state.exitCode == 9)
        // The first process of a PID namespace ignores TERM unless it asks for it.
        let stubborn = try bench.startDetached(["sleep", "100"])
        try service.stop(stubborn, timeout: 0)
        #expect(try service.info(stubborn).state.exitCode == 137)
        // One that does not run is fine, and so is a paused one.
        try service.stop(stubborn)
        let frozen = try bench.startDetached(["sleep", "100"])
        try service.pause(frozen)
        try service.stop(frozen, timeout: 0)
        #expect(try service.info(frozen).status == .exited)
        #expect(throws: ContainerError.self) { try service.kill(frozen, signal: SIGTERM) }
    }

    @Test func theWritableLayerLivesUntilTheContainerGoes() throws {
        let bench = try ContainerBench()
        let service = bench.service
        let id = try service.create(bench.request(["sh", "-c", "cat /tmp/f 2>/dev/null; echo x >> /tmp/f"])).record.id
        #expect(try bench.start(id).output == "")
        #expect(try bench.start(id).output == "x\n")
        #expect(try bench.start(id).output == "x\nx\n")
        let directory = service.store.directory(id)
        try service.remove(id)
        #expect(try FileStatus.ifExists(directory) == nil)
        // Another container of the image sees nothing of it.
        #expect(try bench.run(["ls", "/tmp"]).output == "")
    }

    @Test func removingItselfLeavesNothing() throws {
        let bench = try ContainerBench()
        let id = try bench.service.create(
            bench.request(["sh", "-c", "touch /data/x; exit 5"]) {
                $0.hostConfig.autoRemove = true
                $0.hostConfig.binds = ["/data", "kept:/kept"]
            }
        ).record.id
        #expect(try bench.start(id).code == 5)
        #expect(try bench.service.list().isEmpty)
        // The volume that was made for it went with it, the named one stays.
        #expect(try bench.service.volumes.list().map(\.name) == ["kept"])
        let left = try bench.leftovers()
        #expect(left == [])
    }

    @Test func namesAreUniqueAndFreedWithTheContainer() throws {
        let bench = try ContainerBench()
        let service = bench.service
        let first = try service.create(bench.request(["true"]) { $0.name = "web" }).record
        let error = #expect(throws: ContainerError.self) {
            try service.create(bench.request(["true"]) { $0.name = "web" })
        }
        #expect(error?.code == .conflict && error?.message.contains(first.id.hex) == true)
        let second = try service.create(bench.request(["true"])).record
        #expect(throws: ContainerError.self) { try service.rename(second.id, to: "web") }
        #expect(try service.info(second.id).record.name == second.name)
        try service.remove(first.id)
        try service.rename(second.id, to: "web")
        #expect(try service.find("web") == second.id)
        #expect(try service.list().count == 1)
    }

    @Test func limitsOfARunningContainerChange() throws {
        let bench = try ContainerBench()
        let service = bench.service
        let id = try bench.startDetached(["sleep", "100"]) { $0.hostConfig.resources.memory = 64 << 20 }
        #expect(try service.stats(id).memoryLimit == 64 << 20)
        _ = try service.update(id) { host in
            host.resources.memory = 32 << 20
            host.resources.memorySwap = 64 << 20
            host.resources.pidsLimit = 7
        }
        // The kernel counts threads, and the runtime's own may take a moment to be gone from the group.
        try bench.waitUntil { try service.stats(id).processes == 1 }
        let stats = try service.stats(id)
        #expect(stats.memoryLimit == 32 << 20 && stats.memory > 0)
        #expect(try service.info(id).record.hostConfig.resources.pidsLimit == 7)
        let top = try service.top(id)
        #expect(top.titles.contains("PID") && top.rows.count == 1 && top.rows[0].last == "sleep 100")
        #expect(try service.top(id, arguments: ["-o", "pid,comm"]).rows.map { $0[1] } == ["sleep"])
    }

    // MARK: Exec

    @Test func execRunsBesideTheFirstProgram() throws {
        let bench = try ContainerBench()
        let id = try bench.startDetached(["sleep", "100"]) {
            $0.overrides.env = ["A=1"]
            $0.overrides.workingDir = "/tmp"
        }
        func exec(_ command: [String], input: String? = nil, _ change: (inout ExecRequest) -> Void = { _ in }) throws
            -> ContainerBench.Outcome
        {
            try bench.exec(id, command, input: input, change)
        }
        let plain = try exec(["sh", "-c", "echo $A; pwd; id -u; echo err >&2; exit 3"])
        #expect(plain.output == "1\n/tmp\n0\n" && plain.errorOutput == "err\n" && plain.code == 3)
        let changed = try exec(["sh", "-c", "echo $A $B $HOME; pwd; id -un"]) { request in
            request.user = "app"
            request.environment = ["A=2", "B=3"]
            request.workingDirectory = "/etc"
        }
        #expect(changed.output == "2 3 /home/app\n/etc\napp\n")
        #expect(try exec(["cat"], input: "through\n") { $0.hasStdin = true }.output == "through\n")
        #expect(try exec(["sh", "-c", "kill -9 $$"]).code == 137)
        let capabilities = ["sh", "-c", "grep CapEff /proc/self/status | cut -f2"]
        #expect(try exec(capabilities).output == "00000000a80425fb\n")
        #expect(try exec(capabilities) { $0.privileged = true }.output.hasPrefix("000001f"))
        for (command, code) in [(["nosuch"], Int32(127)), (["/etc/passwd"], 126)] {
            let error = #expect(throws: ContainerError.self) { try exec(command) }
            #expect(error?.exitCode == code, "\(error?.message ?? "")")
        }
        try bench.service.execDetached(id, ExecRequest(["sh", "-c", "touch /tmp/made; sleep 100"]))
        try bench.waitUntil { try exec(["test", "-f", "/tmp/made"]).code == 0 }
        try bench.service.pause(id)
        #expect(throws: ContainerError.self) { try exec(["true"]) }
        try bench.service.remove(id, force: true)
        #expect(throws: ContainerError.self) { try exec(["true"]) }
        let left = try bench.leftovers()
        #expect(left == [])
    }

    // MARK: Logs

    @Test func logsKeepStreamsAndTimes() throws {
        let bench = try ContainerBench()
        let long = String(repeating: "x", count: 20_000)
        let id = try bench.service.create(
            bench.request(["sh", "-c", "echo one; echo two >&2; echo \(long); printf last"])
        ).record.id
        _ = try bench.start(id)
        func lines(_ change: (inout LogRequest) -> Void = { _ in }) throws -> [String] {
            var request = LogRequest()
            change(&request)
            var found: [String] = []
            try bench.service.logs(id, request) { entry in
                found.append(String(decoding: entry.text, as: UTF8.self))
                return true
            }
            return found
        }
        // Lines longer than conmon's buffer come whole, and the last words although no line break ended them.
        #expect(Set(try lines()) == ["one\n", "two\n", long + "\n", "last"])
        #expect(try lines { $0.stderr = false } == ["one\n", long + "\n", "last"])
        #expect(try lines { $0.stdout = false } == ["two\n"])
        #expect(
            try lines {
                $0.stderr = false; $0.tail = 2
            }.suffix(2) == [long + "\n", "last"])
        #expect(try lines { $0.tail = 0 } == [])
        #expect(try lines { $0.since = wallClockNanoseconds() } == [])
        #expect(try lines { $0.until = wallClockNanoseconds() - 3600 * 1_000_000_000 } == [])
    }

    @Test func followingALogEndsWithTheContainer() async throws {
        let bench = try ContainerBench()
        let id = try bench.startDetached(["sh", "-c", "echo a; read x < /tmp/go; echo b; exit 4"]) {
            $0.overrides.entrypoint = ["sh", "-c", "mkfifo /tmp/go; exec \"$@\"", "sh"]
        }
        let followed = try await bench.service.perform { service in
            var request = LogRequest()
            request.follow = true
            var found: [String] = []
            try service.logs(id, request) { entry in
                found.append(String(decoding: entry.text, as: UTF8.self))
                // The program goes on only when its first line was seen here: no line waits for another.
                if found == ["a\n"] { _ = try bench.exec(id, ["sh", "-c", "echo > /tmp/go"]) }
                return true
            }
            return found
        }
        #expect(followed == ["a\n", "b\n"])
        #expect(try bench.service.wait(id) == 4)
    }
}
