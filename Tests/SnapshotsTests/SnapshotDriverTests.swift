import Archive
import Linux
import OCI
import Snapshots
import TestSupport
import Testing

@Suite("Snapshot drivers")
struct SnapshotDriverTests {
    @Test(arguments: SnapshotDriverSuite.checks, [SnapshotKind.erofs, .directory])
    func passesTheSuite(_ check: SnapshotDriverSuite.Check, _ kind: SnapshotKind) throws {
        try SnapshotDriverSuite.run(check, on: kind)
    }
}

struct SnapshotDriversTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test func theKernelIsAsked() throws {
        let root = directory.path + "/store"
        let decision = try SnapshotDrivers.decide(root: root, named: nil)
        #expect(try SnapshotDrivers.choose(root: root, named: nil).kind == decision.kind)
        // Independently: whether an image that mkfs makes mounts.
        let mounts =
            (try? runShell(
                "mkdir m s; mkfs.erofs --quiet i s && mount -t erofs -o ro i m && umount m", in: directory.path)) != nil
        #expect((decision.kind == .erofs) == mounts, "\(decision.reason)")
        #expect(try names(in: root + "/layers") == [], "the probe leaves nothing")
    }

    @Test(arguments: [SnapshotKind.erofs, .directory]) func aNameDecides(_ kind: SnapshotKind) throws {
        #expect(try SnapshotDrivers.choose(root: directory.path, named: kind.rawValue).kind == kind)
    }

    @Test func anUnknownNameIsRefused() throws {
        let error = #expect(throws: SnapshotError.self) {
            try SnapshotDrivers.choose(root: directory.path, named: "btrfs")
        }
        #expect("\(try #require(error))".contains("use `erofs` or `directory`"))
    }
}

/// What only layer files promise.
struct LayerFileTests {
    let bench: LayerBench

    init() throws { bench = try LayerBench() }

    @Test(arguments: SnapshotDriverSuite.tars) func theSameTarGivesTheSameFileAndFsckAcceptsIt(_ name: String) throws {
        let tar = SnapshotDriverSuite.tar(named: name)
        let other = try LayerBench()
        let drivers = [try ErofsDriver(layers: bench.layers), try ErofsDriver(layers: other.layers)]
        let one = try bench.add(tar, to: drivers[0], pieces: 700)
        let two = try other.add(tar, to: drivers[1])
        #expect(one == two)
        let paths = drivers.map { $0.path(of: one.diffID) }
        _ = try runShell("cmp '\(paths[0])' '\(paths[1])'")
        // It exits with 0 on some errors.
        let output = try runShell("fsck.erofs -d3 '\(paths[0])' 2>&1")
        #expect(output.contains("No errors found") && !output.contains("<E>"), "\(output)")
    }
}
