import Linux
import TestSupport
import Testing

/// Real Alpine images through push, save, load, diff, files and why, as a user types them, and what other programs make of
/// the results.
@Suite(.serialized)
struct TransferCommandTests {
    private static let alpine = Result { try AlpineRegistry() }

    private let registry: AlpineRegistry
    private let strata: StrataProcess

    init() throws {
        registry = try Self.alpine.get()
        strata = try StrataProcess()
    }

    private func shell(_ script: String) throws -> String { try runShell(script, in: strata.directory.path + "/cwd") }

    @Test func anImageThatPodmanPullsAfterAPushIsTheSame() throws {
        try strata.succeed("pull", "-q", "\(registry.alpine):3.15")
        try strata.succeed("tag", "\(registry.alpine):3.15", "\(registry.authority)/copy/alpine:1")
        let output = try strata.succeed("push", "\(registry.authority)/copy/alpine:1")
        let lines = output.split(separator: "\n").map(String.init)
        #expect(lines.first == "The push refers to repository [\(registry.authority)/copy/alpine]")
        let id = try strata.succeed("image", "inspect", "-f", "{{.Id}}", "\(registry.alpine):3.15")
        let inspected = try strata.succeed("image", "inspect", "-f", "{{json .Descriptor}}", "\(registry.alpine):3.15")
        let manifest = try shell("echo '\(inspected.dropLast())' | jq -r .digest")
        #expect(lines.last?.hasPrefix("1: digest: \(manifest.dropLast()) size: ") == true)
        #expect(lines.contains { $0.hasSuffix(": Mounted from alpine") || $0.hasSuffix(": Pushed") })
        let podman =
            "podman --root '\(strata.directory.path)/p' --runroot '\(strata.directory.path)/r' --storage-driver vfs"
        let name = "\(registry.authority)/copy/alpine:1"
        let pulled = try shell("\(podman) pull -q --tls-verify=false '\(name)' 2>/dev/null")
        #expect("sha256:\(pulled)" == id)
        let list = "find . -printf '%P %y %m %U %G %l %T@\\n' | sort"
        let theirs = try shell("cd $(\(podman) image mount '\(name)' 2>/dev/null) && \(list)")
        let ours = try strata.succeed(
            "image", "files", "--format", "{{.Kind}} {{.Path}}", "\(registry.alpine):3.15"
        ).split(separator: "\n").count
        // Podman's root is a line of its own.
        #expect(theirs.split(separator: "\n").count == ours + 1)
    }

    @Test func archivesTellHowFarTheyAreOnATerminalAndNowhereElse() throws {
        let name = "\(registry.alpine):3.15"
        try strata.succeed("pull", "-q", name)
        #expect(try strata.succeed("save", "-o", "plain.tar", name) == "")
        // script(1) gives what it runs a terminal.
        let command =
            "STRATA_RUN_DIR='\(strata.directory.path)/run' '\(StrataProcess.binary)' --root '\(strata.root)'"
        let save = try shell("script -qec \"\(command) save \(name) > piped.tar\" /dev/null </dev/null")
        #expect(save.contains("Writing: "), "\(save)")
        #expect(try shell("cmp plain.tar piped.tar") == "")
        let load = try shell("script -qec \"\(command) load -i plain.tar\" /dev/null </dev/null")
        #expect(load.contains("Reading: ") && load.contains(" of "), "\(load)")
        #expect(load.hasSuffix("Loaded image: \(name)\r\n"), "\(load)")
    }

    @Test func savedImagesGoThroughFilesAndPipesAndKeepTheirDigests() throws {
        for tag in ["3.14", "3.15"] { try strata.succeed("pull", "-q", "\(registry.alpine):\(tag)") }
        try strata.succeed("save", "-o", "both.tar", "\(registry.alpine):3.14", "\(registry.alpine):3.15")
        #expect(
            try shell(
                "tar -xOf both.tar index.json | jq -r '.manifests[].annotations[\"org.opencontainers.image.ref.name\"]'"
            )
                == "3.14\n3.15\n")
        let before = try strata.succeed("images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}", "--no-trunc")
        let other = try StrataProcess()
        let loaded = try other.run(
            ["load", "-q"], input: readFile("\(strata.directory.path)/cwd/both.tar", limit: 64 << 20))
        #expect(loaded.status == 0, "\(loaded)")
        #expect(
            loaded.output == "Loaded image: \(registry.alpine):3.14\nLoaded image: \(registry.alpine):3.15\n")
        #expect(try other.succeed("images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}", "--no-trunc") == before)
        try other.succeed("save", "-o", "again.tar", "\(registry.alpine):3.14", "\(registry.alpine):3.15")
        _ = try shell("cmp both.tar '\(other.directory.path)/cwd/again.tar'")
        // A device is written to, never replaced.
        try strata.succeed("save", "-o", "/dev/null", "\(registry.alpine):3.15")
        #expect(try shell("stat -c %F /dev/null") == "character special file\n")
    }

    @Test func twoVersionsAreComparedAndTheirFilesListed() throws {
        for tag in ["3.14", "3.15"] { try strata.succeed("pull", "-q", "\(registry.alpine):\(tag)") }
        let differences = try strata.succeed(
            "image", "diff", "--format", "{{.Change}} {{.Path}}", "\(registry.alpine):3.14", "\(registry.alpine):3.15")
        #expect(differences.contains("C /etc/alpine-release\n"))
        #expect(!differences.contains("/etc/hosts\n"), "what is the same is not told")
        // The tars themselves say the same.
        let images = SharedMaterial.path + "/images/alpine/alpine-minirootfs"
        let names = { (tag: String) in
            try shell("tar -tzf '\(images)-\(tag)-x86_64.tar.gz' | sed 's|^\\./||; s|/$||' | grep . | sort")
        }
        let (old, new) = (
            Set(try names("3.14.10").split(separator: "\n")), Set(try names("3.15.11").split(separator: "\n"))
        )
        let told = { (letter: String) in
            Set(differences.split(separator: "\n").filter { $0.hasPrefix(letter + " ") }.map { $0.dropFirst(3) })
        }
        #expect(told("A") == new.subtracting(old))
        #expect(told("D") == old.subtracting(new))
        let files = try strata.succeed("image", "files", "-q", "\(registry.alpine):3.15")
        #expect(Set(files.split(separator: "\n").map { $0.dropFirst() }) == new)
        let busybox = try strata.succeed("image", "files", "\(registry.alpine):3.15").split(separator: "\n").first {
            $0.hasPrefix("-") && $0.hasSuffix(" /bin/busybox")
        }
        #expect(busybox?.hasPrefix("-rwxr-xr-x   0:0") == true, "\(busybox ?? "")")
        #expect(
            try strata.succeed("image", "files", "-q", "--layer", "1", "\(registry.alpine):3.15") == files)
        let why = try strata.succeed("image", "why", "--format", "{{.Reason}}", "\(registry.alpine):3.15")
        #expect(why.hasPrefix("digest \(registry.alpine)@sha256:") || why.hasPrefix("tag \(registry.alpine):3.15\n"))
        #expect(why.contains("layer 1 of \(registry.alpine):3.15\n"))
    }

    @Test func whatCannotBeDoneEndsWithOneAndASentence() throws {
        for (arguments, message) in [
            (["save", "nosuch"], "No such image: nosuch:latest"),
            (["push", "nosuch:1"], "An image does not exist locally"),
            (["load", "-i", "/etc/hostname"], "cannot be read"), (["image", "diff", "a", "b"], "No such image"),
            (["image", "why", "nosuch"], "No such image or layer: nosuch"),
            (["save", "-o", ".", "nosuch"], "directory"),
        ] {
            let result = try strata.run(arguments)
            #expect(result.status == 1, "\(arguments): \(result)")
            #expect(result.errorOutput.contains(message), "\(arguments): \(result)")
            #expect(result.output.isEmpty)
        }
    }

    @Test(arguments: ["chunk", "layer-built", "layer-committed", "blob-committed"])
    func aLoadKilledAnywhereIsDoneAgain(_ place: String) throws {
        try strata.succeed("pull", "-q", "\(registry.alpine):3.15")
        try strata.succeed("save", "-o", "a.tar", "\(registry.alpine):3.15")
        let other = try StrataProcess()
        let archive = "\(strata.directory.path)/cwd/a.tar"
        let killed = try other.with(["STRATA_FAILPOINT": place]).run("load", "-i", archive)
        #expect(killed.status == 137, "\(killed)")
        #expect(try other.succeed("images", "-q").isEmpty, "no half image")
        try other.succeed("load", "-q", "-i", archive)
        #expect(try other.succeed("system", "check").contains("damaged") == false)
        try other.succeed("rmi", "\(registry.alpine):3.15")
        try other.succeed("image", "prune", "-f", "--now")
        #expect(
            try shell("cd '\(other.root)' && find oci/blobs layers ingest leases seals -type f -o -name '.removed*'")
                == "",
            "nothing is left behind")
    }
}
