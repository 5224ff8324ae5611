import Linux
import TestSupport
import Testing

/// Layers of containers see nothing of each other, and their image nothing of them.
@Suite struct ContainerIsolationTests {
    @Test func fiveContainersOfOneImage() async throws {
        let stage = try ContainerStage()
        let strata = stage.strata
        let before = try digests(stage)
        // Each writes, deletes, renames and changes the same files, and tells what it then sees.
        let script = """
            echo "$0" > /data/own; echo "$0" >> /data/seed; rm /data/sub/deep; mv /data/sub /data/moved; chmod 700 /data
            echo ready; while [ ! -e /go ]; do sleep 0.05; done; cat /data/own /data/seed; ls /data; stat -c %a /data
            """
        let names = (1...5).map { "five\($0)" }
        await withTaskGroup(of: Void.self) { group in
            for name in names {
                group.addTask {
                    let result = try? await onThread(named: name) {
                        try strata.run(
                            "run", "-d", "--name", name, ContainerStage.image, "sh", "-c", script, name)
                    }
                    #expect(result?.status == 0, "\(String(describing: result))")
                }
            }
        }
        for name in names {
            try stage.waitUntil("\(name) is ready") { try strata.succeed("logs", name) == "ready\n" }
        }
        #expect(try strata.succeed("ps", "-q").split(separator: "\n").count == 5)
        // One mount of the layer for all of them, and five upper directories that hold next to nothing.
        let lowers = try mountTable().filter { $0.target.hasPrefix(stage.run + "/layers/") }
        #expect(lowers.count <= 1)
        for id in try stage.containers() {
            let bytes = try allocatedBytes(of: "\(stage.root)/containers/\(id)/upper")
            #expect(bytes < 64 << 10, "\(bytes)")
        }
        let usage = try strata.succeed("system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Active}}")
        #expect(usage.contains("Images 1 1\n") && usage.contains("Containers 5 5\n"), "\(usage)")
        for name in names {
            try strata.succeed("exec", name, "touch", "/go")
            #expect(try strata.succeed("wait", name) == "0\n")
            let seen = try strata.succeed("logs", name)
            #expect(seen == "ready\n\(name)\nseed\n\(name)\nmoved\nown\nseed\n700\n")
            let changes = try strata.succeed("diff", name)
            #expect(
                changes == "C /data\nA /data/moved\nA /data/own\nC /data/seed\nD /data/sub\nA /go\n", "\(changes)")
        }
        // The image is used, and says so.
        let refused = try strata.run("image", "rm", ContainerStage.image)
        #expect(refused.status == 1 && refused.errorOutput.contains("container"), "\(refused)")
        #expect(
            try strata.succeed(
                "run", "--rm", ContainerStage.image, "sh", "-c", "cat /data/seed /data/sub/deep; ls /data")
                == "seed\ndeep\nseed\nsub\n")
        let gone = try stage.containers()
        #expect(
            try strata.succeed("rm", names[0], names[1], names[2], names[3], names[4])
                == names.map { $0 + "\n" }.joined())
        #expect(try strata.run("system", "check", "-q").status == 0)
        #expect(try digests(stage) == before)
        let left = try stage.leftovers(of: gone)
        #expect(left == [])
    }

    /// What every blob and layer file of the store holds.
    private func digests(_ stage: ContainerStage) throws -> String {
        try runShell("find oci/blobs layers -type f -exec sha256sum {} + | sort", in: stage.root)
    }

    @Test func aHundredInBatchesLeaveNothing() async throws {
        let stage = try ContainerStage()
        let strata = stage.strata
        var gone: [String] = []
        for batch in 0..<5 {
            // Half of them remove themselves, half are removed.
            let results = try await withThrowingTaskGroup(of: StrataProcess.Result.self) { group in
                for number in 0..<20 {
                    group.addTask {
                        try await onThread(named: "batch") {
                            let removes = number % 2 == 0 ? ["--rm"] : []
                            return try strata.run(
                                ["run", "--network", number % 10 < 2 ? "bridge" : "none"] + removes + [
                                    ContainerStage.image, "sh", "-c", "echo \(batch)-\(number) > /tmp/x; cat /tmp/x",
                                ])
                        }
                    }
                }
                var results: [StrataProcess.Result] = []
                for try await result in group { results.append(result) }
                return results
            }
            #expect(results.allSatisfy { $0.status == 0 }, "\(results.filter { $0.status != 0 })")
            #expect(Set(results.map(\.output)) == Set((0..<20).map { "\(batch)-\($0)\n" }))
            let kept = try stage.containers()
            #expect(kept.count == 10)
            gone += kept
            try strata.succeed("container", "prune", "-f")
        }
        #expect(try stage.containers().isEmpty && strata.succeed("ps", "-aq") == "")
        let left = try stage.leftovers(of: gone)
        #expect(left == [])
        #expect(try strata.run("system", "check", "-q").status == 0)
    }
}
