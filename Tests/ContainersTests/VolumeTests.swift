import Containers
import Linux
import OCI
import TestSupport
import Testing

@Suite struct VolumeTests {
    @Test func anEmptyVolumeGetsWhatTheImageHas() throws {
        var setuid = LayerTar.Member.file("data/tool", "#!", mode: 0o4755)
        setuid.uid = 5
        setuid.gid = 6
        setuid.attributes = [("user.note", Array("kept".utf8))]
        var folder = LayerTar.Member.directory("data", mode: 0o2770)
        folder.uid = 7
        folder.gid = 8
        let bench = try ContainerBench([
            folder, setuid, .hardLink("data/same", to: "data/tool"), .symbolicLink("data/link", to: "/etc/passwd"),
            .directory("data/deep"), .file("data/deep/file", "text"), .node("data/fifo", "6"),
        ])
        let look =
            "stat -c '%n %a %u:%g %h %Y' /data /data/tool /data/same /data/deep/file; readlink /data/link; test -p /data/fifo && echo fifo"
        let image = try bench.run(["sh", "-c", look])
        let volume = try bench.run(["sh", "-c", look]) { $0.hostConfig.binds = ["shared:/data"] }
        #expect(volume.output == image.output && volume.code == 0, "\(volume.errorOutput)")
        let path = bench.service.volumes.dataPath("shared")
        #expect(try attribute("user.note", of: path + "/tool") == Array("kept".utf8))
        // What a container writes there the next one sees; the image is not asked again.
        try bench.run(["sh", "-c", "rm -r /data/deep; echo new > /data/new"]) { $0.hostConfig.binds = ["shared:/data"] }
        #expect(
            try bench.run(["sh", "-c", "cat /other/new; ls /other | grep -c deep"]) {
                $0.hostConfig.binds = ["shared:/other"]
            }.output == "new\n0\n")
    }

    @Test func nocopyAndImageVolumes() throws {
        let bench = try ContainerBench([.directory("data"), .file("data/file", "text")])
        #expect(try bench.run(["ls", "/data"]) { $0.hostConfig.binds = ["v1:/data:nocopy"] }.output == "")
        let outcome = try bench.run(["cat", "/data/file"], keep: true) { $0.imageConfig.volumes = ["/data": .init()] }
        #expect(outcome.output == "text")
        let info = try #require(try bench.service.list().first)
        #expect(info.record.mounts.map(\.isAnonymous) == [true])
        try bench.service.remove(info.record.id, volumes: false)
        #expect(try bench.service.volumes.list().count == 2)
        #expect(try bench.service.pruneVolumes(all: false).removed.count == 1)
        #expect(try bench.service.volumes.list().map(\.name) == ["v1"])
    }

    @Test func bindMountsShowTheHost() throws {
        let bench = try ContainerBench()
        let host = try TemporaryDirectory()
        try host.write("file", Array("host".utf8))
        let outcome = try bench.run([
            "sh", "-c", "cat /h/file; echo changed > /h/file; touch /r/x 2>/dev/null || echo read-only; cat /one",
        ]) {
            $0.hostConfig.binds = ["\(host.path):/h", "\(host.path):/r:ro", "\(host.path)/file:/one:ro"]
        }
        #expect(outcome.output == "hostread-only\nchanged\n", "\(outcome.errorOutput)")
        // `-v` makes a missing source, as docker.
        #expect(try bench.run(["touch", "/n/x"]) { $0.hostConfig.binds = ["\(host.path)/new/dir:/n"] }.code == 0)
        #expect(try FileStatus.ifExists(host.path + "/new/dir/x") != nil)
    }

    @Test func volumesOfAnotherContainer() throws {
        let bench = try ContainerBench()
        let first = try bench.service.create(
            bench.request(["sh", "-c", "echo 1 > /a/x"]) { $0.hostConfig.binds = ["/a"] }
        ).record.id
        _ = try bench.start(first)
        let second = try bench.run(["sh", "-c", "cat /a/x; touch /a/y 2>/dev/null || echo read-only"]) {
            $0.hostConfig.volumesFrom = ["\(first):ro"]
        }
        #expect(second.output == "1\nread-only\n")
    }

    @Test func aVolumeInUseStays() throws {
        let bench = try ContainerBench()
        let id = try bench.service.create(bench.request(["true"]) { $0.hostConfig.binds = ["used:/x"] }).record.id
        let error = #expect(throws: ContainerError.self) { try bench.service.removeVolume("used") }
        #expect(error?.message == "remove used: volume is in use - [\(id)]")
        #expect(try bench.service.pruneVolumes(all: true).removed == [])
        try bench.service.remove(id)
        try bench.service.removeVolume("used")
        #expect(throws: ContainerError.self) { try bench.service.removeVolume("used") }
        try bench.service.removeVolume("used", force: true)
    }

    @Test func aVolumesSubdirectoryCanBeMounted() throws {
        let bench = try ContainerBench()
        try bench.run(["sh", "-c", "mkdir /v/sub; echo in > /v/sub/f"]) { $0.hostConfig.binds = ["whole:/v"] }
        let outcome = try bench.run(["cat", "/s/f"]) {
            $0.hostConfig.mounts = ["source=whole,target=/s,volume-subpath=sub"]
        }
        #expect(outcome.output == "in\n")
    }

    @Test func aLinkInTheImageCannotLeadAMountPointOut() throws {
        let bench = try ContainerBench([
            .symbolicLink("out", to: "/../../../../../tmp/strata-escape"), .symbolicLink("etc/hosts", to: "/escape"),
        ])
        #expect(try bench.run(["true"]) { $0.overrides.workingDir = "/out/made" }.code == 0)
        #expect(try FileStatus.ifExists("/tmp/strata-escape") == nil)
        #expect(try FileStatus.ifExists("/escape") == nil)
    }
}
