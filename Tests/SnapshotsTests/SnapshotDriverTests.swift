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

    /// A store of its own for each: what this process found out it keeps to itself.
    @Test func aSuccessIsRememberedUntilTheNextBoot() throws {
        let run = directory.path + "/run"
        try makeDirectory(run)
        _ = try SnapshotDrivers.decide(root: directory.path + "/first", runDirectory: run, named: nil)
        let note = String(decoding: try readFile(run + "/erofs-mounts", limit: 4096), as: UTF8.self)
        #expect(note.hasPrefix(bootIdentity() + " ") && note.hasSuffix(" \(directory.path)/first/layers"))
        // Nothing is tried where the note is there; a note of another boot or place says nothing.
        for (store, isBelieved) in [("second", true), ("third", false)] {
            let layers = "\(directory.path)/\(store)/layers"
            try makeDirectories(layers)
            let text = note.split(separator: "/first/").joined(separator: "/\(isBelieved ? store : "other")/")
            try writeAtomically(Array(text.utf8), to: run + "/erofs-mounts")
            let before = try FileStatus(of: layers)
            #expect(
                try SnapshotDrivers.decide(root: "\(directory.path)/\(store)", runDirectory: run, named: nil).kind
                    == .erofs)
            let after = try FileStatus(of: layers)
            let isSame = (before.mtimeSeconds, before.mtimeNanoseconds) == (after.mtimeSeconds, after.mtimeNanoseconds)
            #expect(isSame == isBelieved, "the probe writes into the directory")
        }
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
