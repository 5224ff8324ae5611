import Containers
import Linux
import OCI
import Snapshots
import TestSupport
import Testing

@Suite struct DiffTests {
    private func lines(_ bench: ContainerBench, _ id: ContainerID) throws -> [String] {
        try bench.service.diff(id).map { "\($0.kind.rawValue) /" + String(decoding: $0.path, as: UTF8.self) }
    }

    private static let image: [LayerTar.Member] = [
        .directory("d"), .file("d/keep", "1"), .file("d/change", "1"), .file("d/remove", "1"), .file("d/rename", "1"),
        .directory("d/sub"), .file("d/sub/x", "1"), .directory("d/replace"), .file("d/replace/a", "1"),
        .file("d/replace/b", "1"), .file("d/kind", "1"), .directory("quiet"), .file("quiet/x", "1"),
    ]

    @Test func everyKindOfChangeIsTold() throws {
        let bench = try ContainerBench(Self.image)
        let id = try bench.service.create(
            bench.request([
                "sh", "-c",
                "cd /d; echo 2 >> change; rm remove; mv rename moved; rm -r sub; rm -r replace; mkdir replace; touch replace/b replace/c; rm kind; mkdir kind; chmod 700 /quiet; mkdir -p /new/dir; ln keep hard; mknod /new/pipe p",
            ])
        ).record.id
        // What only makes room for mounts is no change.
        #expect(try lines(bench, id) == [])
        #expect(try bench.start(id).errorOutput == "")
        #expect(
            try lines(bench, id) == [
                "C /d", "C /d/change", "A /d/hard", "C /d/keep", "C /d/kind", "A /d/moved", "D /d/remove",
                "D /d/rename",
                "C /d/replace", "D /d/replace/a", "C /d/replace/b", "A /d/replace/c", "D /d/sub", "A /new",
                "A /new/dir",
                "A /new/pipe", "C /quiet",
            ])
    }

    @Test func aContainerThatChangesNothingHasNoDifference() throws {
        let bench = try ContainerBench(Self.image)
        let id = try bench.service.create(bench.request(["cat", "/d/keep"]) { $0.overrides.workingDir = "/d" }).record
            .id
        _ = try bench.start(id)
        #expect(try lines(bench, id) == [])
    }

    @Test func thePackedLayerGivesTheSameTree() throws {
        let bench = try ContainerBench(Self.image)
        let script = """
            cd /d; echo 2 >> change; rm remove; mv rename moved; rm -r sub; rm -r replace; mkdir replace; touch replace/c
            rm kind; ln -s /etc/passwd kind; ln moved hard; chown 5:6 moved; chmod 4755 moved
            dd if=/dev/zero of=sparse bs=1 count=1 seek=1048576 2>/dev/null; mkdir -p /new; mknod /new/null c 1 3; mkfifo /new/p
            chmod 1777 /quiet
            find /d/[!k]* /d/kind /new /quiet -maxdepth 1 ! -name x -exec touch -h -d '2002-03-04 05:06:07' {} +
            touch -d '2002-03-04 05:06:07' /d
            """
        let id = try bench.service.create(bench.request(["sh", "-c", script])).record.id
        #expect(try bench.start(id).errorOutput == "")
        let collected = Collected()
        try bench.service.packLayer(id, pausing: true) { unsafe collected.bytes += Array($0) }
        let files = try TemporaryDirectory()
        try files.write("layer.tar", collected.bytes)
        let names = try runShell("tar -tf layer.tar | sort", in: files.path).split(separator: "\n").map(String.init)
        #expect(
            names == [
                "d/", "d/.wh.remove", "d/.wh.rename", "d/.wh.sub", "d/change", "d/hard", "d/kind", "d/moved",
                "d/replace/",
                "d/replace/.wh..wh..opq", "d/replace/c", "d/sparse", "new/", "new/null", "new/p", "quiet/",
            ])
        // The image with the layer on top shows what the container shows.
        let look =
            "cd / && find d quiet new -exec stat -c '%n %F %a %u:%g %h %Y %t:%T' {} + | sort; cat /d/change; readlink /d/kind; wc -c d/[!r]*"
        let committed = try bench.addLayer(collected.bytes)
        let there = try bench.run(["sh", "-c", look]) { $0.layers = committed }
        let here = try bench.run(["sh", "-c", script + "\n" + look])
        #expect(there.output == here.output)
        #expect(there.errorOutput == "")
    }

    @Test func exportHoldsTheWholeRoot() throws {
        let bench = try ContainerBench(Self.image)
        let id = try bench.startDetached(["sh", "-c", "echo hello > /made; echo ready; sleep 100"]) {
            $0.hostConfig.binds = ["vol:/vol"]
        }
        try bench.waitForLog(id, "ready")
        _ = try bench.exec(id, ["touch", "/vol/not-exported"])
        let collected = Collected()
        try bench.service.export(id) { unsafe collected.bytes += Array($0) }
        let files = try TemporaryDirectory()
        try files.write("root.tar", collected.bytes)
        let names = try runShell("tar -tf root.tar", in: files.path).split(separator: "\n").map(String.init)
        for name in ["bin/busybox", "made", "d/sub/x", "vol/", "etc/passwd"] {
            #expect(names.contains(name), "\(name)")
        }
        #expect(!names.contains("vol/not-exported"))
        #expect(try runShell("tar -xOf root.tar made", in: files.path) == "hello\n")
    }

    private final class Collected { var bytes: [UInt8] = [] }
}
