import Containers
import Glibc
import Linux
import OCI
import TestSupport
import Testing

/// What is true after processes were killed and machines went down.
@Suite struct CrashTests {
    @Test func aKilledMonitorDoesNotMakeAContainerLie() throws {
        let bench = try ContainerBench()
        let service = bench.service
        let id = try bench.startDetached(["sleep", "100"])
        let state = try service.info(id).state
        let monitor = try #require(state.monitor)
        try monitor.send(signal: SIGKILL)
        try bench.waitUntil { !monitor.isAlive }
        // The program runs on, and can be stopped; how it ended nobody can say.
        #expect(try service.info(id).status == .running)
        try service.stop(id, timeout: 0)
        let info = try service.info(id)
        #expect(info.status == .exited && info.state.exitCode == ContainerState.unknownExitCode)
        #expect(info.state.error.contains("conmon was killed"))
        _ = try service.start(id)
        #expect(try service.info(id).status == .running)
        try service.remove(id, force: true)
        let left = try bench.leftovers()
        #expect(left == [])
    }

    @Test func aKilledProgramAndMonitorAreSeenAtOnce() throws {
        let bench = try ContainerBench()
        let id = try bench.startDetached(["sleep", "100"]) { $0.hostConfig.networkMode = "bridge" }
        let state = try bench.service.info(id).state
        let monitor = try #require(state.monitor)
        let process = try #require(state.process)
        try monitor.send(signal: SIGKILL)
        try process.send(signal: SIGKILL)
        try bench.waitUntil { !monitor.isAlive && !process.isAlive }
        #expect(try bench.service.list().map(\.status) == [.exited])
        let left = try bench.leftovers() + bench.networkLeftovers()
        #expect(left == [])
    }

    @Test func anInterruptedStartIsUndone() throws {
        let bench = try ContainerBench()
        let service = bench.service
        let id = try service.create(bench.request(["true"])).record.id
        // Its starter wrote this and died.
        try bench.edit(id, replacing: "\"phase\":\"created\"", with: "\"phase\":\"starting\"")
        let info = try service.info(id)
        #expect(info.status == .created && info.state.error == "the start was interrupted")
        #expect(try bench.start(id).code == 0)
        #expect(try service.info(id).state.error == "")
    }

    @Test func anInterruptedRemovalGoesOn() throws {
        let bench = try ContainerBench()
        let service = bench.service
        let id = try service.create(bench.request(["true"]) { $0.name = "doomed" }).record.id
        try bench.edit(id, replacing: "\"phase\":\"created\"", with: "\"phase\":\"removing\"")
        #expect(throws: ContainerError.self) { try service.info(id) }
        #expect(try service.list().isEmpty)
        #expect(throws: ContainerError.self) { try service.find("doomed") }
        _ = try service.create(bench.request(["true"]) { $0.name = "doomed" })
    }

    @Test func afterARebootTheTruthIsToldAndStartWorks() throws {
        let bench = try ContainerBench()
        let service = bench.service
        let ran = try bench.startDetached(["sleep", "100"]) { $0.hostConfig.networkMode = "bridge" }
        let ended = try service.create(bench.request(["sh", "-c", "exit 6"])).record.id
        _ = try bench.start(ended)
        let temporary = try bench.startDetached(["sleep", "100"]) { $0.hostConfig.autoRemove = true }
        let fresh = try service.create(bench.request(["true"])).record.id
        try bench.reboot([ran, temporary])
        let after = try bench.reopened()
        let found = Dictionary(uniqueKeysWithValues: try after.list().map { ($0.record.id, $0) })
        #expect(found[ran]?.status == .exited && found[ran]?.state.exitCode == 255)
        #expect(found[ended]?.status == .exited && found[ended]?.state.exitCode == 6)
        #expect(found[fresh]?.status == .created)
        // What was to go with its end is gone.
        #expect(found[temporary] == nil && found.count == 3)
        _ = try after.start(ran)
        #expect(try after.info(ran).status == .running)
        try after.remove(ran, force: true)
        let left = try bench.leftovers() + bench.networkLeftovers()
        #expect(left == [])
    }

    @Test func whatBelongsToNobodyIsFoundAndTakenAway() throws {
        let bench = try ContainerBench()
        let service = bench.service
        #expect(try service.check(repair: false) == [])
        let id = try bench.startDetached(["sleep", "100"])
        #expect(try service.check(repair: false) == [])
        // The container's directory goes without it being stopped, as by a careless hand.
        try removeTree(service.store.directory(id))
        let orphan = ContainerID()
        try makeDirectory(service.options.root + "/containers/.new-\(orphan)")
        try makeDirectory(service.options.root + "/volumes/.removed-x")
        let found = try service.check(repair: false)
        #expect(found.count == 4 && found.allSatisfy { !$0.isRepaired })
        #expect(try service.check(repair: true).count == 4)
        #expect(try service.check(repair: false) == [])
        let left = try bench.leftovers()
        #expect(left == [])
    }
}
