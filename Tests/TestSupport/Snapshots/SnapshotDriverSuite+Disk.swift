import Linux
import OCI
import Snapshots
import Testing

extension SnapshotDriverSuite {
    /// On a disk of two megabytes.
    func survivesItsDisk() throws {
        let disk = bench.directory.path + "/disk"
        try makeDirectory(disk)
        defer { try? removeDirectory(disk) }
        _ = try runShell("mount -t tmpfs -o size=2m tmpfs '\(disk)'")
        defer { try? unmount(disk, lazily: true) }
        let driver = try SnapshotDrivers.choose(root: disk, named: driver.kind.rawValue)
        let small = LayerTar([.file("d/f", "x"), .file(".wh.w")]).finished
        let record = try add(small, to: driver, on: disk)
        let before = try runShell("find . | sort; df -k --output=used . | tail -1", in: disk)

        let large = (0..<40).map { LayerTar.Member.file("f\($0)", String(repeating: "\($0) ", count: 30_000)) }
        let full = #expect(throws: SystemError.self) { try add(LayerTar(large).finished, to: driver, on: disk) }
        #expect(full?.kind == .noSpace)
        #expect(try runShell("find . | sort; df -k --output=used . | tail -1", in: disk) == before)
        try driver.checkSeal(record.diffID)

        _ = try runShell("mount -o remount,bind,ro '\(disk)'")
        let writing = #expect(throws: SystemError.self) { try add(small, to: driver, on: disk) }
        #expect(writing?.kind == .readOnly)
        let removing = #expect(throws: SystemError.self) { try driver.remove([record.diffID]) }
        #expect(removing?.kind == .readOnly)
        // What is there still serves; what needs no writing goes on.
        let again = try SnapshotDrivers.choose(root: disk, named: driver.kind.rawValue)
        #expect(try again.record(of: record.diffID) == record)
        try again.checkSeal(record.diffID)
        _ = try bench.feed(small, to: try again.verifier(of: record.diffID))
        var count = 0
        try again.entries(of: record.diffID) { _ in count += 1 }
        #expect(count == 4)
        _ = try SnapshotDrivers.decide(root: disk, named: nil)
    }

    private func add(_ tar: [UInt8], to driver: any SnapshotDriver, on disk: String) throws -> LayerRecord {
        let scratch = disk + "/scratch"
        try makeDirectory(scratch)
        defer { try? removeTree(scratch) }
        let contents = try bench.feed(tar, to: try driver.beginLayer(in: scratch))
        return try driver.commit(contents, stagedIn: scratch, as: digest(of: tar))
    }
}
