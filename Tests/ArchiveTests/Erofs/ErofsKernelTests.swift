import Archive
import Glibc
import Linux
import TestSupport
import Testing

/// The kernel and erofs-utils read what the writer makes, and agree with our reader.
struct ErofsKernelTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test func aSmallLayerMounts() throws {
        let (bytes, summary) = try makeImage([
            .directory("./", mode: 0o700), .file("a/b/c", "hello"), .symbolicLink("l", to: "a/b"),
            .hardLink("a/h", to: "a/b/c"), .file(".wh.gone"), .file("a/.wh..wh..opq"), .directory("a", mode: 0o750),
        ])
        #expect(summary.entryCount == 6)
        #expect(summary.fileBytes == 5)
        try directory.write("image", bytes)
        try withMount(directory.path + "/image", at: directory.path + "/mount") { mount in
            let listing = try runShell("find . -printf '%P %y %m %n %s %l\\n' | sort", in: mount)
            #expect(
                listing == """
                     d 700 3 69\u{20}
                    a d 750 3 53\u{20}
                    a/b d 755 2 40\u{20}
                    a/b/c f 644 2 5\u{20}
                    a/h f 644 2 5\u{20}
                    gone c 0 1 0\u{20}
                    l l 777 1 3 a/b

                    """)
            #expect(try attribute("trusted.overlay.origin", of: mount) == [])
        }
        try check(bytes, entries: 7)
    }

    @Test(arguments: ErofsCase.all) func mounts(_ test: ErofsCase) throws {
        let (bytes, summary) = try makeImage(test.members)
        try check(bytes, entries: summary.entryCount + 1)
    }

    @Test func aDirectoryOf20000Entries() throws {
        let (bytes, summary) = try makeImage((0..<20_000).map { .file("d/name of file \($0 &* 7919 % 20_000)") })
        #expect(summary.entryCount == 20_001)
        try check(bytes, entries: 20_002)
    }

    /// Much larger than what is stored of it.
    @Test func aSparseFileOf5GiB() throws {
        let size: Int64 = 5 << 30
        let runs: [Run] = [
            Run(0, pattern(5000)), Run(Int64(3) << 30, pattern(70_000)), Run(size - 1, [9]),
        ]
        let path = directory.path + "/image"
        do {
            let file = try open(path, .createNew)
            var writer = ErofsWriter(output: FileOutput(descriptor: file.raw))
            try feed([.sparse("big", size: size, runs), .file("small", "x")], to: &writer)
            let summary = try writer.finish()
            #expect(summary.fileBytes == size + 1)
            #expect(try FileStatus(of: file).allocated < 1 << 20)
        }
        try withMount(path, at: directory.path + "/mount") { mount in
            let file = try open(mount + "/big", .read)
            #expect(try FileStatus(of: file).size == size)
            for run in runs {
                var bytes = [UInt8](repeating: 1, count: run.data.count + 1)
                let count = try unsafe bytes.withUnsafeMutableBytes {
                    try unsafe preadFull(from: file.raw, at: run.offset, into: $0, "big")
                }
                #expect(Array(bytes.prefix(run.data.count)) == run.data)
                #expect(
                    count == min(run.data.count + 1, Int(size - run.offset))
                        && (count == run.data.count || bytes[run.data.count] == 0))
            }
            let hole = lseek(file.raw, 0, seekHole)
            #expect(hole >= 5000 && hole < 1 << 20)
            let data = lseek(file.raw, hole, seekData)
            #expect(data <= 3 << 30 && data > (3 << 30) - (1 << 20))
        }
        try fsck()
        let file = try open(path, .read)
        try ErofsReader(FileInput(descriptor: file.raw, size: UInt64(FileStatus(of: file).size))).validate()
    }

    /// `fsck.erofs` extracts the same tree as the kernel shows. Its old versions copy hard links, lose the set-user-ID bit
    /// and leave out holes.
    @Test func erofsUtilsExtractTheSame() throws {
        var members: [Member] = [
            .directory("./", mode: 0o755), .file("bin/su", "elf", mode: 0o755), .hardLink("bin/sudo", to: "bin/su"),
            .symbolicLink("sbin", to: "bin"), Member("run/fifo", .fifo),
            Member("dev/null", .characterDevice, mode: 0o666) { ($0.deviceMajor, $0.deviceMinor) = (1, 3) },
            Member(Array("big".utf8), .file, data: pattern(300_000)),
        ]
        for number in 0..<400 { members.append(.file("many/f\(number)", "\(number)")) }
        try directory.write("image", makeImage(members).bytes)
        let script =
            "find . ! -type d -printf '%P %y %m %U %G %s %T@ %l\\n' | sort; find . -type f | sort | xargs md5sum"
        _ = try runShell("fsck.erofs --extract=tree --preserve image", in: directory.path)
        let extracted = try runShell(script, in: directory.path + "/tree")
        let mounted = try withMount(directory.path + "/image", at: directory.path + "/mount") {
            try runShell(script, in: $0)
        }
        #expect(extracted == mounted)
        #expect(extracted.contains("bin/sudo f 755 0 0 3 "))
    }

    /// The real Alpine root file system: the same as GNU tar extracts.
    @Test(arguments: ["3.14.10-x86_64", "3.15.11-s390x", "3.20.3-aarch64"]) func alpine(_ version: String) throws {
        let archive = SharedMaterial.path + "/images/alpine/alpine-minirootfs-\(version).tar.gz"
        _ = try runShell(
            "mkdir tree && tar -xpf '\(archive)' -C tree && gzip -dc '\(archive)' > layer.tar", in: directory.path)
        var writer = ErofsWriter(output: MemoryOutput())
        var parser = TarParser()
        try unsafe readFile(directory.path + "/layer.tar", limit: 64 << 20).withUnsafeBytes { bytes in
            try unsafe parser.consume(bytes, into: &writer)
        }
        try parser.finish()
        let summary = try writer.finish()
        try check(writer.output.bytes, entries: summary.entryCount + 1)
        try withMount(directory.path + "/image", at: directory.path + "/mount") { mount in
            // Directories' sizes differ between file systems.
            let script = """
                find . -type d -printf '%p d %m %n %U %G %T@\\n' -o -printf '%p %y %m %n %U %G %s %T@ %l\\n' | LC_ALL=C sort
                find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
                """
            let ours = try runShell(script, in: mount).split(separator: "\n")
            let theirs = try runShell(script, in: directory.path + "/tree").split(separator: "\n")
            #expect(ours.count > 500)
            for (our, their) in zip(ours, theirs) where our != their { Issue.record("\(our) is not \(their)") }
            #expect(ours.count == theirs.count)
        }
    }

    /// fsck, our validation, and every entry as the kernel shows it.
    private func check(_ image: [UInt8], entries: Int) throws {
        try directory.write("image", image)
        try fsck()
        let reader = try ErofsReader(MemoryInput(bytes: image))
        try reader.validate()
        let seen = try withMount(directory.path + "/image", at: directory.path + "/mount") { mount in
            try compare(mountAt: mount, with: reader)
        }
        #expect(seen == entries)
    }

    private func fsck() throws {
        // It exits with 0 on some errors.
        let output = try runShell("fsck.erofs -d3 image 2>&1", in: directory.path)
        #expect(output.contains("No errors found") && !output.contains("<E>"), "\(output)")
    }
}
