import Linux
import OCI
import Snapshots
import Testing

extension SnapshotDriverSuite {
    /// What a driver must do in a user namespace besides the rest.
    package static let rootlessChecks = [
        Check("what the privileges do not allow is left out, and noted") { try $0.leavesOut() },
        Check("owners that the namespace does not have") { try $0.refusesForeignOwners() },
    ]

    private func leavesOut() throws {
        let tar = LayerTar([
            .node("null", "3", 1, 3), .hardLink("null2", to: "null"), .node("disk", "4", 8, 0), .file(".wh.gone"),
            .file("f", "x").with { $0.attributes = [("trusted.t", [1]), ("user.u", [2])] },
        ]).finished
        let record = try bench.add(tar, to: driver)
        #expect(record.contents.leftOut == ["device", "trusted.t"])
        #expect(try lines(of: record.diffID) == ["/ directory 755", "/f file 644 1", "/gone whiteout"])
        #expect(try driver.record(of: record.diffID) == record)
        // What was left out is no damage; what was not is.
        try verify(tar)
        let path = try driver.source(of: record.diffID).path
        _ = try runShell("setfattr -x user.u f", in: path)
        #expect(throws: SnapshotError.self) { try verify(tar) }
    }

    private func refusesForeignOwners() throws {
        let error = #expect(throws: SnapshotError.self) {
            try bench.add([.file("f", "x").with { $0.uid = 70_000 }], to: driver)
        }
        #expect("\(try #require(error))".contains("/etc/subuid"))
        #expect(try names(in: bench.layers) == [])
    }
}

/// Runs a program as an ordinary user in namespaces of that user's own: 0 to 65535 there are 100000 to 165535 here, as
/// newuidmap maps subordinate IDs.
///
/// - Parameter program: opened here, so that the user needs no way to its path.
package func runInUserNamespace(_ program: String, _ arguments: [String]) throws -> String {
    let script = """
        import ctypes, os, sys
        program = os.open(sys.argv[1], os.O_RDONLY)
        os.set_inheritable(program, True)
        ready, go = os.pipe(), os.pipe()
        child = os.fork()
        if child == 0:
            os.setgroups([])
            os.setresgid(100000, 100000, 100000)
            os.setresuid(100000, 100000, 100000)
            if ctypes.CDLL(None, use_errno=True).unshare(0x10000000 | 0x00020000):
                sys.exit("unshare: " + os.strerror(ctypes.get_errno()))
            os.write(ready[1], b"x")
            os.read(go[0], 1)
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)
            os.chdir("/")
            os.execv("/proc/self/fd/%d" % program, sys.argv[1:])
        os.read(ready[0], 1)
        for name in ("uid_map", "gid_map"):
            with open("/proc/%d/%s" % (child, name), "w") as out: out.write("0 100000 65536")
        os.write(go[1], b"x")
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """
    let directory = try TemporaryDirectory()
    try directory.write("run.py", Array(script.utf8))
    let words = ([directory.path + "/run.py", program] + arguments).map { "'\($0)'" }.joined(separator: " ")
    return try runShell("exec python3 \(words) 2>&1")
}
