import Linux
import TestSupport
import Testing

/// One byte flipped: `system check` names it, nothing uses it meanwhile, `--repair` mends it.
@Suite(.serialized) struct IntegrityTests {
    static let registry = Result { try AlpineRegistry() }
    let alpine: String

    init() throws { alpine = try Self.registry.get().alpine }

    /// Flips a byte in the middle of a file and lets its times look as before: what decays leaves no trace.
    private func flip(_ file: String) throws {
        _ = try runShell(
            """
            python3 - '\(file)' <<'P'
            exec("import os, sys")
            path = sys.argv[1]
            status = os.stat(path)
            with open(path, "r+b") as file:
                file.seek(status.st_size // 2)
                byte = file.read(1)[0]
                file.seek(status.st_size // 2)
                file.write(bytes([byte ^ 0x10]))
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
            P
            """)
    }

    private func pulled() throws -> StrataProcess {
        let strata = try StrataProcess()
        try strata.succeed("pull", "\(alpine):3.15")
        return strata
    }

    private func expectMended(_ strata: StrataProcess, _ words: String) throws {
        let mended = try strata.run("system", "check", "--repair")
        #expect(mended.status == 0, "\(mended)")
        #expect(mended.output.contains(words), "\(mended)")
        #expect(try strata.succeed("system", "check").hasSuffix("Everything is as it should be.\n"))
        #expect(try strata.succeed("images", "--format", "{{.Repository}}:{{.Tag}}") == "\(alpine):3.15\n")
    }

    @Test func aByteInABlob() throws {
        let strata = try pulled()
        let blob = try strata.succeed(
            "image", "inspect", "-f", "{{(index .LayerDetails 0).Blob.digest}}", "\(alpine):3.15"
        )
        .trimmed
        try flip("\(strata.root)/oci/blobs/sha256/\(blob.dropFirst(7))")
        let found = try strata.run("system", "check")
        #expect(found.status == 1)
        #expect(found.output.contains("blob \(blob)"), "\(found)")
        #expect(found.output.contains("needed by \(alpine):3.15"), "\(found)")
        let saved = try strata.run("save", "-o", "out.tar", "\(alpine):3.15")
        #expect(saved.status == 1)
        #expect(
            saved.errorOutput.contains("is damaged") && saved.errorOutput.contains("system check --repair"), "\(saved)")
        try strata.succeed("tag", "\(alpine):3.15", "\(alpine)-other:1")
        let pushed = try strata.run("push", "\(alpine)-other:1")
        #expect(pushed.status == 1 && pushed.errorOutput.contains("is damaged"), "\(pushed)")
        try strata.succeed("rmi", "\(alpine)-other:1")
        try expectMended(strata, "fetched again from")
    }

    @Test func aByteInALayerFile() throws {
        let strata = try pulled()
        let diffID = try strata.succeed("image", "inspect", "-f", "{{index .RootFS.Layers 0}}", "\(alpine):3.15")
            .trimmed
        try flip("\(strata.root)/layers/\(diffID.dropFirst(7))/layer.erofs")
        let found = try strata.run("system", "check")
        #expect(found.status == 1)
        #expect(found.output.contains("layer \(diffID)"), "\(found)")
        try expectMended(strata, "made again from its blob")
    }

    @Test func aByteInTheDatabase() throws {
        let strata = try pulled()
        _ = try runShell(
            """
            python3 - '\(strata.root)/strata.db' <<'P'
            exec("import sqlite3, sys")
            path = sys.argv[1]
            base = sqlite3.connect(path)
            base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            base.close()
            data = bytearray(open(path, "rb").read())
            at = data.find(b"docker.distribution") if b"docker.distribution" in data else data.find(b":3.15sha256")
            at = at if at >= 0 else data.find(b"alpine:3.15")
            data[at + 2] ^= 1
            open(path, "r+b").write(data)
            P
            """)
        let found = try strata.run("system", "check")
        #expect(found.status == 1, "\(found)")
        #expect(found.output.contains("database \(strata.root)/strata.db"), "\(found)")
        try expectMended(strata, "rebuilt from the images in the store")
    }

    @Test func aDatabaseThatIsGone() throws {
        let strata = try pulled()
        _ = try runShell("rm '\(strata.root)'/strata.db*")
        let listed = try strata.run("images")
        #expect(listed.status == 1)
        #expect(listed.errorOutput.contains("is missing") && listed.errorOutput.contains("system check --repair"))
        // A pull takes no full store for a new one, and says so before it asks anybody.
        let again = try strata.run("pull", "localhost:1/none")
        #expect(again.status == 1 && again.errorOutput.contains("is missing"), "\(again)")
        #expect(try FileStatus.ifExists("\(strata.root)/strata.db") == nil)
        try expectMended(strata, "rebuilt from the images in the store")
    }

    @Test func aPullOfOneGibibyteKeepsToLittleMemory() throws {
        let registry = try DockerRegistry()
        let folder = try TemporaryDirectory()
        let layout = folder.path + "/layout"
        try LayoutBuilder.image(in: layout, layers: [LayoutBuilder.bigFile(mebibytes: 1024, seed: 7)])
        try LayoutBuilder.push(layout, to: "\(registry.authority)/big:latest")
        let strata = try StrataProcess()
        // time(1) forks: what a child of this large process would inherit as its peak is not the program's.
        let peak = try runShell(
            "STRATA_ROOT='\(strata.root)' STRATA_RUN_DIR='\(strata.directory.path)/run' "
                + "/usr/bin/time -f %M -o peak '\(StrataProcess.binary)' pull -q '\(registry.authority)/big' >&2; cat peak",
            in: strata.directory.path)
        let kibibytes = try #require(Int(peak.trimmed))
        #expect(kibibytes < 64 << 10, "\(kibibytes) KiB")
    }
}
