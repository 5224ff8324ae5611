import Containers
import Linux
import OCI
import Snapshots
import TestSupport
import Testing

@Suite struct CopyTests {
    /// docker's table: what the source is, what is at the target, and what comes of it.
    struct Row: Sendable, CustomTestStringConvertible {
        var source: String
        var target: String
        /// Listed below `/t` afterwards; nil where it is refused.
        var expected: String?
        var testDescription: String { "\(source) → \(target)" }
    }

    static let rows: [Row] = [
        Row(source: "/s/file", target: "/t/new", expected: "dir file new"),
        Row(source: "/s/file", target: "/t/file", expected: "dir file"),
        Row(source: "/s/file", target: "/t/dir", expected: "dir dir/file file"),
        Row(source: "/s/file", target: "/t/dir/", expected: "dir dir/file file"),
        Row(source: "/s/file", target: "/t/no/", expected: nil),
        Row(source: "/s/file", target: "/t/no/such", expected: nil),
        Row(source: "/s/file", target: "/t/file/", expected: nil),
        Row(source: "/s/file/", target: "/t/x", expected: nil),
        Row(source: "/s", target: "/t/new", expected: "dir file new new/file new/inner new/inner/deep"),
        Row(source: "/s", target: "/t/dir", expected: "dir dir/s dir/s/file dir/s/inner dir/s/inner/deep file"),
        Row(source: "/s/.", target: "/t/dir", expected: "dir dir/file dir/inner dir/inner/deep file"),
        Row(source: "/s/.", target: "/t/new", expected: "dir file new new/file new/inner new/inner/deep"),
        Row(source: "/s", target: "/t/file", expected: nil),
        Row(source: "/no", target: "/t/x", expected: nil),
    ]

    @Test func pathsGoWhereDockerPutsThem() throws {
        let bench = try ContainerBench([
            .directory("s"), .file("s/file", "container"), .directory("s/inner"), .file("s/inner/deep", "deep"),
        ])
        let id = try bench.service.create(bench.request(["true"])).record.id
        for row in Self.rows {
            // Out of the container …
            let host = try TemporaryDirectory()
            _ = try runShell("mkdir -p t/dir && echo old > t/file", in: host.path)
            let list = "cd '\(host.path)/t' && find . -mindepth 1 | sort | cut -c3- | tr '\\n' ' '"
            let before = try runShell(list)
            if let expected = row.expected {
                try bench.service.copy(from: id, row.source, to: host.path + row.target)
                #expect(try runShell(list) == expected + " ", "\(row)")
            } else {
                #expect(throws: (any Error).self, "\(row)") {
                    try bench.service.copy(from: id, row.source, to: host.path + row.target)
                }
                #expect(try runShell(list) == before, "\(row)")
            }
            // … and into one.
            let into = try bench.service.create(
                bench.request(["sh", "-c", "cd /t && find . -mindepth 1 | sort | cut -c3- | tr '\\n' ' '"]) {
                    $0.hostConfig.binds = ["\(host.path)/none:/none"]
                }
            ).record.id
            let tree = try TemporaryDirectory()
            _ = try runShell(
                "mkdir -p s/inner t/dir && echo c > s/file && echo d > s/inner/deep && echo old > t/file", in: tree.path
            )
            try bench.service.copy(tree.path + "/t", to: into, "/")
            if let expected = row.expected {
                try bench.service.copy(tree.path + row.source, to: into, row.target)
                #expect(try bench.start(into).output == expected + " ", "\(row)")
            } else {
                #expect(throws: (any Error).self, "\(row)") {
                    try bench.service.copy(tree.path + row.source, to: into, row.target)
                }
            }
            try bench.service.remove(into)
        }
        let left = try bench.leftovers()
        #expect(left == [])
    }

    @Test func ownersModesTimesAndLinks() throws {
        var owned = LayerTar.Member.file("s/owned", "x", mode: 0o4750)
        owned.uid = 1000
        owned.gid = 12
        owned.mtime = (1_600_000_000, 0)
        let bench = try ContainerBench([
            .directory("s"), owned, .hardLink("s/same", to: "s/owned"), .symbolicLink("s/link", to: "owned"),
            .symbolicLink("s/out", to: "/etc/passwd"),
        ])
        let id = try bench.service.create(bench.request(["true"])).record.id
        let host = try TemporaryDirectory()
        try bench.service.copy(from: id, "/s", to: host.path + "/plain")
        #expect(
            try runShell("stat -c '%u:%g %a %Y %h' plain/owned; readlink plain/link", in: host.path)
                == "0:0 4750 1600000000 2\nowned\n")
        var keeping = CopyOptions()
        keeping.keepsOwners = true
        try bench.service.copy(from: id, "/s", to: host.path + "/kept", keeping)
        #expect(try runShell("stat -c '%u:%g %a' kept/owned", in: host.path) == "1000:12 4750\n")
        // A link stays one, or with -L is what it leads to: in the container, never here.
        try bench.service.copy(from: id, "/s/out", to: host.path + "/link")
        #expect(try runShell("readlink link", in: host.path) == "/etc/passwd\n")
        var following = CopyOptions()
        following.followsLinks = true
        try bench.service.copy(from: id, "/s/out", to: host.path + "/followed", following)
        #expect(try runShell("head -1 followed", in: host.path) == "root:x:0:0:root:/root:/bin/sh\n")
        #expect(try runShell("grep -c '^app:' followed", in: host.path) == "1\n")
    }

    @Test func linksCannotLeadACopyOutOfTheContainer() throws {
        let bench = try ContainerBench([
            .symbolicLink("escape", to: "/../../../../tmp"), .symbolicLink("abs", to: "/tmp/x"),
        ])
        let id = try bench.service.create(bench.request(["sh", "-c", "ls /tmp"])).record.id
        let host = try TemporaryDirectory()
        try host.write("strata-copy-escape", Array("x".utf8))
        try bench.service.copy(host.path + "/strata-copy-escape", to: id, "/escape")
        #expect(try FileStatus.ifExists("/tmp/strata-copy-escape") == nil)
        #expect(try bench.start(id).output == "strata-copy-escape\n")
        // Members of a tar that climb stay below the directory they are unpacked in.
        let tar = LayerTar([
            .file("../../up", "1"), .file("/abs-file", "2"), .symbolicLink("sub", to: "/etc"),
            .file("sub/planted", "3"),
        ])
        var pieces = [tar.finished]
        try bench.service.copyIn(id, "/root") { pieces.popLast() ?? [] }
        #expect(try bench.run(["true"]).code == 0)
        let changes = try bench.service.diff(id).map {
            "\($0.kind.rawValue) /" + String(decoding: $0.path, as: UTF8.self)
        }
        #expect(changes.contains("A /root/up") && changes.contains("A /root/abs-file"))
        // A link in the tar is followed as the container's own programs would.
        #expect(changes.contains("A /etc/planted"))
        #expect(try FileStatus.ifExists("/etc/planted") == nil)
    }

    @Test func volumesAndRunningContainers() throws {
        let bench = try ContainerBench()
        let id = try bench.startDetached([
            "sh", "-c", "mkdir /run; mount 2>/dev/null; echo in > /v/f; echo t > /t/f; echo ready; sleep 100",
        ]) {
            $0.hostConfig.binds = ["vol:/v", "ro:/ro:ro"]
            $0.hostConfig.tmpfs = ["/t": ""]
        }
        try bench.waitForLog(id, "ready")
        let host = try TemporaryDirectory()
        try bench.service.copy(from: id, "/v/f", to: host.path + "/f")
        try bench.service.copy(from: id, "/t/f", to: host.path + "/t")
        #expect(try runShell("cat f t", in: host.path) == "in\nt\n")
        try bench.service.copy(host.path + "/f", to: id, "/v/back")
        #expect(try bench.exec(id, ["cat", "/v/back"]).output == "in\n")
        #expect(throws: ContainerError.self) { try bench.service.copy(host.path + "/f", to: id, "/ro/x") }
        try bench.service.stop(id, timeout: 0)
        try bench.service.copy(from: id, "/v/back", to: host.path + "/again")
        #expect(try runShell("cat again", in: host.path) == "in\n")
        #expect(throws: ContainerError.self) {
            try bench.service.copy(
                host.path + "/f",
                to: try bench.service.create(bench.request(["true"]) { $0.hostConfig.readonlyRootfs = true }).record.id,
                "/x")
        }
        let left = try bench.leftovers()
        #expect(left == [])
    }

    @Test func tarStreamsBothWays() throws {
        let bench = try ContainerBench([.directory("s"), .file("s/a", "1"), .directory("s/b"), .file("s/b/c", "2")])
        let id = try bench.service.create(bench.request(["sh", "-c", "cat /in/s/a /in/s/b/c"])).record.id
        let collected = Collected()
        try bench.service.copyOut(id, "/s") { unsafe collected.bytes += Array($0) }
        let files = try TemporaryDirectory()
        try files.write("out.tar", collected.bytes)
        #expect(try runShell("tar -tf out.tar", in: files.path) == "s/\ns/a\ns/b/\ns/b/c\n")
        _ = try runShell("mkdir in", in: files.path)
        try bench.service.copy(files.path + "/in", to: id, "/in")
        var pieces = [collected.bytes]
        try bench.service.copyIn(id, "/in") { pieces.popLast() ?? [] }
        #expect(try bench.start(id).output == "12")
        #expect(throws: ContainerError.self) { try bench.service.copyIn(id, "/in/s/a") { [] } }
    }

    private final class Collected { var bytes: [UInt8] = [] }
}
