import Containers
import Linux
import OCI

/// The built `strata` over a store of its own that holds one image, `localhost/box:latest`: Debian's static busybox with
/// account files, a directory `/data` with content, an environment and an exposed port.
///
/// Containers are killed, mounts and files gone with the value.
package final class ContainerStage: Sendable {
    package static let image = "localhost/box:latest"

    package let strata: StrataProcess
    package var root: String { strata.root }
    package var run: String { strata.directory.path + "/run" }
    /// The image as an archive that every engine loads.
    package var archive: String { strata.directory.path + "/box.tar" }

    package init(environment: [String: String] = [:]) throws {
        strata = try StrataProcess(environment: environment)
        try Self.writeImage(to: strata.directory)
        try strata.succeed("image", "load", "-q", "-i", archive)
    }

    deinit {
        let all = (try? strata.run("ps", "-aq").output.split(separator: "\n").map(String.init)) ?? []
        if !all.isEmpty { _ = try? strata.run(["rm", "-f", "-v"] + all) }
        if effectiveUserID() == 0 { try? ContainerService.dismantleNetwork(root: root, runDirectory: run) }
    }

    /// Writes `box.tar`, the image as an archive that every engine loads.
    package static func writeImage(to directory: TemporaryDirectory) throws {
        var owned = LayerTar.Member.file("data/seed", "seed\n")
        owned.uid = 1000
        owned.gid = 1000
        let layer = LayerTar(
            ContainerBench.busybox + [
                .directory("data"), owned, .directory("data/sub"), .file("data/sub/deep", "deep\n"),
            ]
        ).finished
        let diffID = Digest.sha256(of: layer)
        let config = """
            {"architecture":"amd64","os":"linux","created":"2026-01-01T00:00:00Z","config":{"Cmd":["/bin/sh"],
            "Env":["PATH=/bin","IMAGE=yes"],"Labels":{"from":"image"},"ExposedPorts":{"80/tcp":{}}},
            "rootfs":{"type":"layers","diff_ids":["\(diffID)"]},
            "history":[{"created":"2026-01-01T00:00:00Z","created_by":"made"}]}
            """
        let manifest = #"[{"Config":"config.json","RepoTags":["localhost/box:latest"],"Layers":["layer.tar"]}]"#
        try directory.write("box/config.json", Array(config.utf8))
        try directory.write("box/manifest.json", Array(manifest.utf8))
        try directory.write("box/layer.tar", layer)
        _ = try runShell("tar -C box -cf box.tar config.json manifest.json layer.tar && rm -r box", in: directory.path)
    }

    // MARK: What is there

    /// IDs of the containers that the store's directory holds.
    package func containers() throws -> [String] {
        try (names(in: root + "/containers") ?? []).filter { ContainerID($0) != nil }
    }

    /// A field of a container by a template.
    package func inspect(_ container: String, _ template: String) throws -> String {
        let text = try strata.succeed("container", "inspect", "-f", template, container)
        return String(text.dropLast())
    }

    /// What stands outside the store's files: mounts, run directories, processes, control groups of these containers.
    ///
    /// - Parameter gone: IDs of containers that were here.
    package func leftovers(of gone: [String] = []) throws -> [String] {
        var found = try mountTable().filter { $0.target.hasPrefix(strata.directory.path + "/") }.map {
            "mount \($0.target)"
        }
        for name in try names(in: run + "/containers") ?? [] { found.append("run directory \(name)") }
        for name in try names(in: run + "/runtime") ?? [] { found.append("runtime state \(name)") }
        for name in try names(in: run + "/network") ?? [] { found.append("address \(name)") }
        for name in try names(in: root + "/containers") ?? [] where name.hasPrefix(".") { found.append("file \(name)") }
        for process in try processes() { found.append("process \(process)") }
        for id in gone {
            let groups = try runShell("find /sys/fs/cgroup -type d -name '\(id)' 2>/dev/null || true")
            found += groups.split(separator: "\n").map { "group \($0)" }
        }
        return found
    }

    /// conmon and runtime processes that work for this store and do not end by themselves.
    private func processes() throws -> [String] {
        var left: [String] = []
        let paths = try runShell("grep -la '\(strata.directory.path)' /proc/[0-9]*/cmdline 2>/dev/null || true")
        for path in paths.split(separator: "\n") {
            let command = (try? readFile(String(path), limit: 1 << 16)) ?? []
            let program = String(decoding: command.prefix { $0 != 0 }, as: UTF8.self)
            guard ["conmon", "runc", "crun"].contains(where: program.hasSuffix),
                let process = Int32(path.split(separator: "/")[1]).flatMap({ ProcessIdentity(of: $0) }),
                let handle = try process.handle()
            else { continue }
            // conmon writes the exit code before it ends; what does not end is left over.
            if try !waitReadable([handle.raw], milliseconds: 10_000)[0] {
                left.append("\(process.processID) \(program)")
            }
        }
        return left
    }

    /// Asks again until it is so; fails after 30 s.
    package func waitUntil(_ what: String, _ isSo: () throws -> Bool) throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while try !isSo() {
            if ContinuousClock.now > deadline { throw StrataProcess.Failure(description: "waited in vain: \(what)") }
            _ = try waitReadable([], milliseconds: 20)
        }
    }
}
