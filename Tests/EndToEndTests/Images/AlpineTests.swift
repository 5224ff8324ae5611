import TestSupport
import Testing

/// The main job, typed as a user types it, against Debian's docker-registry with the real Alpine images.
@Suite(.serialized) struct AlpineTests {
    static let registry = Result { try AlpineRegistry() }
    let alpine: String
    let digests: [String: String]

    init() throws {
        let registry = try Self.registry.get()
        alpine = registry.alpine
        digests = registry.digests
    }

    @Test func aPullSaysWhatDockerSays() throws {
        let strata = try StrataProcess()
        let lines = try strata.succeed("image", "pull", "\(alpine):3.15").split(separator: "\n").map(String.init)
        let index = try #require(digests["alpine:3.15"])
        #expect(lines.first == "3.15: Pulling from alpine")
        #expect(lines[1].hasSuffix(": Pulling fs layer"))
        let layer = lines[1].prefix(12)
        #expect(
            lines[2...4] == ["\(layer): Verifying Checksum", "\(layer): Download complete", "\(layer): Pull complete"])
        #expect(
            lines[5...] == [
                "Digest: \(index)", "Status: Downloaded newer image for \(alpine):3.15", "\(alpine):3.15",
            ])
        let again = try strata.succeed("pull", "\(alpine):3.15").split(separator: "\n").map(String.init)
        #expect(
            again == [
                "3.15: Pulling from alpine", "Digest: \(index)", "Status: Image is up to date for \(alpine):3.15",
                "\(alpine):3.15",
            ])
        #expect(
            try strata.succeed("pull", alpine).hasPrefix("Using default tag: latest\nlatest: Pulling from alpine\n"))
        #expect(try strata.succeed("pull", "-q", "\(alpine):3.15") == "\(alpine):3.15\n")
    }

    @Test func byDigestByPlatformAndAllTags() throws {
        let strata = try StrataProcess()
        let index = try #require(digests["alpine:3.15"])
        let byDigest = try strata.succeed("pull", "\(alpine)@\(index)")
        #expect(byDigest.hasSuffix("Status: Downloaded newer image for \(alpine)@\(index)\n\(alpine)@\(index)\n"))
        #expect(try strata.succeed("images", "--digests").contains("<none>    \(index)"))
        try strata.succeed("pull", "--platform", "linux/arm64", "\(alpine):3.15")
        let arm = try strata.succeed(
            "image", "inspect", "-f", "{{.Os}}/{{.Architecture}}/{{.Variant}}", "\(alpine):3.15")
        #expect(arm == "linux/arm64/v8\n")
        try strata.succeed("pull", "--platform", "linux/arm/v7", "\(alpine):3.15")
        #expect(try strata.succeed("image", "inspect", "-f", "{{.Architecture}}", "\(alpine):3.15") == "arm\n")
        let wrong = try strata.run("pull", "--platform", "linux/s390x", "\(alpine):3.20")
        #expect(wrong.status == 1)
        #expect(wrong.errorOutput.contains("no matching manifest for linux/s390x in the manifest list entries"))
        #expect(wrong.errorOutput.contains("hint: it has linux/amd64"))
        let all = try StrataProcess()
        try all.succeed("pull", "-a", alpine)
        let tags = try all.succeed("images", "--format", "{{.Tag}}").split(separator: "\n").sorted()
        #expect(tags == ["3.14", "3.15", "3.20", "latest"])
        #expect(
            try all.run("pull", "-a", "\(alpine):3.15").errorOutput.contains("tag can't be used with --all-tags/-a"))
    }

    @Test func listHistoryInspectTagRemove() throws {
        let strata = try StrataProcess()
        try strata.succeed("pull", "\(alpine):3.15")
        try strata.succeed("pull", "\(alpine):3.14")
        let table = try strata.succeed("image", "ls").split(separator: "\n").map(String.init)
        #expect(table.count == 3)
        #expect(
            table[0].split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
                == "REPOSITORY TAG IMAGE ID CREATED SIZE")
        let id = try strata.succeed("images", "-q", "\(alpine):3.15").trimmed
        #expect(id.utf8.count == 12)
        let history = try strata.succeed("history", "--layers", "--no-trunc", "\(alpine):3.15")
        #expect(!history.contains("<missing>"))
        let diffID = try strata.succeed("image", "inspect", "-f", "{{index .RootFS.Layers 0}}", id).trimmed
        #expect(history.contains(diffID))
        let inspected = try strata.succeed("image", "inspect", "\(alpine):3.15")
        #expect(inspected.contains("\"Id\": \"sha256:\(id)"))
        #expect(inspected.contains("\"RepoTags\": [\n            \"\(alpine):3.15\"\n        ]"))
        try strata.succeed("tag", "\(alpine):3.15", "mine:1")
        #expect(try strata.succeed("rmi", "mine:1") == "Untagged: mine:1\n")
        let removed = try strata.succeed("image", "rm", "\(alpine):3.15").split(separator: "\n")
        #expect(removed.first == "Untagged: \(alpine):3.15")
        #expect(removed.last == "Deleted: \(diffID)")
        #expect(removed.count == 4)
        #expect(try strata.succeed("images", "--format", "{{.Tag}}") == "3.14\n")
        let missing = try strata.run("image", "inspect", "\(alpine):3.15")
        #expect(missing.status == 1 && missing.output == "[]\n")
        #expect(missing.errorOutput == "Error: No such image: \(alpine):3.15\n")
        // Within the grace time nothing is lost.
        try strata.succeed("image", "undo")
        #expect(try strata.succeed("images", "-q", "\(alpine):3.15").trimmed == id)
        #expect(try strata.succeed("system", "check").hasSuffix("Everything is as it should be.\n"))
    }

    @Test func theLayoutIsOneThatSkopeoReads() throws {
        let strata = try StrataProcess()
        try strata.succeed("pull", "\(alpine):3.15")
        let copy = strata.directory.path + "/copy"
        _ = try runShell("skopeo copy -q 'oci:\(strata.root)/oci:\(alpine):3.15' 'oci:\(copy):x'")
        let theirs = try runShell("jq -r '.manifests[0].digest' '\(copy)/index.json'").trimmed
        let ours = try strata.succeed("image", "inspect", "-f", "{{.Descriptor.digest}}", "\(alpine):3.15").trimmed
        #expect(theirs == ours)
        _ = try runShell(
            "for layer in '\(strata.root)'/layers/*/layer.erofs; do fsck.erofs \"$layer\" >/dev/null || exit 1; done")
    }

    @Test func twoMachinesMakeTheSameLayerFile() throws {
        let sums = try (0..<2).map { _ in
            let strata = try StrataProcess()
            try strata.succeed("pull", alpine)
            return try runShell("cd '\(strata.root)/layers'; sha256sum */layer.erofs")
        }
        #expect(sums[0] == sums[1])
        #expect(sums[0].contains("layer.erofs"))
    }

    @Test func whatIsPushedComesBackTheSame() throws {
        let strata = try StrataProcess()
        try strata.succeed("pull", "\(alpine):3.15")
        let registry = try DockerRegistry()
        let target = "\(registry.authority)/team/alpine:copy"
        try strata.succeed("tag", "\(alpine):3.15", target)
        let pushed = try strata.succeed("push", target)
        #expect(pushed.hasPrefix("The push refers to repository [\(registry.authority)/team/alpine]\n"))
        let digest = try strata.succeed("image", "inspect", "-f", "{{.Descriptor.Digest}}", target).trimmed
        #expect(pushed.contains("copy: digest: \(digest) size: "))
        let storage =
            "--root '\(strata.directory.path)/podman' --runroot '\(strata.directory.path)/podman-run' --storage-driver vfs"
        _ = try runShell("podman \(storage) pull -q --tls-verify=false '\(target)' 2>/dev/null")
        let theirs = try runShell(
            "podman \(storage) image inspect --format '{{.Digest}} {{.Id}}' '\(target)' 2>/dev/null"
        ).trimmed
        let id = try strata.succeed("image", "inspect", "-f", "{{.Id}}", target).trimmed
        #expect(theirs == "\(digest) \(id.dropFirst(7))")
    }

    @Test func savedArchivesGoToTheirToolsAndBack() throws {
        let strata = try StrataProcess()
        try strata.succeed("pull", "\(alpine):3.15")
        try strata.succeed("tag", "\(alpine):3.15", "saved:1")
        let id = try strata.succeed("image", "inspect", "-f", "{{.Id}}", "saved:1").trimmed
        try strata.succeed("save", "-o", "image.tar", "saved:1")
        let tar = strata.directory.path + "/cwd/image.tar"
        for form in ["docker-archive:\(tar):saved:1", "oci-archive:\(tar)"] {
            let found = try runShell("skopeo inspect --config --raw '\(form)' | sha256sum | cut -c1-64").trimmed
            #expect("sha256:\(found)" == id, "\(form)")
        }
        let storage =
            "--root '\(strata.directory.path)/podman' --runroot '\(strata.directory.path)/podman-run' --storage-driver vfs"
        _ = try runShell("podman \(storage) load -q -i '\(tar)' 2>/dev/null")
        _ = try runShell(
            "podman \(storage) save -q -o '\(strata.directory.path)/cwd/theirs.tar' docker.io/library/saved:1 2>/dev/null"
        )
        let other = try StrataProcess()
        let result = try other.run("load", "-i", "\(strata.directory.path)/cwd/theirs.tar")
        #expect(result.output.hasSuffix("Loaded image: saved:1\n"), "\(result)")
        #expect(try other.succeed("image", "inspect", "-f", "{{.Id}}", "saved:1").trimmed == id)
    }
}

extension String {
    var trimmed: String { String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed()) }
}
