import Archive
import TestSupport
import Testing

/// Go's own hostile and odd archives (Debian's golang-src), read by us and by Python's tarfile.
@Suite("Foreign tar archives")
struct ForeignTarTests {
    /// What we give where it is not what Python gives.
    enum Difference {
        case refused(TarError.Reason)
        case members([String])
    }

    private static let folder = "/usr/share/go/src/archive/tar/testdata"

    /// In all of them Go, and so docker, gives what we give; only of the first it makes a file.
    private static let differences: [String: Difference] = [
        // A dump of a directory, which Python hands on as a type of its own.
        "gnu-incremental.tar": .refused(.unsupportedType(UInt8(ascii: "D"))),
        // The last of several headers counts; Python takes the first.
        "gnu-multi-hdrs.tar": .members([link("GNU2/GNU2/long-path-name", "GNU4/GNU4/long-linkpath-name")]),
        "pax-multi-hdrs.tar": .members([link("bar", "PAX4/PAX4/long-linkpath-name")]),
        // Python reads over records that are none.
        "pax-bad-hdr-file.tar": .refused(.malformed(.extendedHeader)),
        "pax-bad-mtime-file.tar": .refused(.malformed(.time)),
        "pax-nul-xattrs.tar": .refused(.malformed(.extendedHeader)),
        "pax-nul-path.tar": .refused(.holdsNUL(.path)),
        // Global headers are not applied.
        "pax-global-records.tar": .members([
            file("file1"), file("file2"), file("file3"), file("file4", time: 1_400_000_000),
        ]),
        // Python takes the size of what is stored, with the map in front of it, for the size of the file.
        "pax-nil-sparse-data.tar": .members([
            file("sparse.db", size: 1000, content: (0..<1000).map { 48 + UInt8($0 % 10) })
        ]),
        "pax-nil-sparse-hole.tar": .members([
            file("sparse.db", size: 1000, content: [UInt8](repeating: 0, count: 1000))
        ]),
        "pax-sparse-big.tar": .members([file("pax-sparse", size: 60_000_000_000)]),
    ]

    private static func link(_ path: String, _ target: String) -> String {
        "member \(hex(Array(path.utf8))) symbolicLink 0 0 0 0 \(hex(Array(target.utf8))) "
    }

    private static func file(_ path: String, size: Int64 = 0, time: Int64 = 0, content: [UInt8] = []) -> String {
        "member \(hex(Array(path.utf8))) file \(size) 0 0 \(time)  \(hex(content))"
    }

    /// One line for each member: path, kind, size, owner, group, time, link target, and the content of small files.
    private static let python = """
        import sys, tarfile
        kinds = {b"0": "file", b"\\0": "file", b"7": "file", b"S": "file", b"1": "hardLink", b"2": "symbolicLink",
                 b"3": "characterDevice", b"4": "blockDevice", b"5": "directory", b"6": "fifo"}
        spell = lambda text: text.encode("utf-8", "surrogateescape").hex()
        for path in sys.argv[1:]:
            lines = []
            try:
                with tarfile.open(path, "r:") as archive:
                    for member in archive:
                        content = ""
                        if member.isfile() and member.size <= 4096:
                            content = archive.extractfile(member).read().hex()
                        size = member.size if member.isfile() else 0
                        lines.append(" ".join(map(str, [
                            "member", spell(member.name.rstrip("/")), kinds.get(member.type, member.type), size, member.uid,
                            member.gid, int(member.mtime // 1), spell(member.linkname), content])))
                print("archive", path, "good")
                print("\\n".join(lines))
            except tarfile.TarError as error:
                print("archive", path, "bad", error)
        """

    private static func line(_ member: TarMember) -> String {
        let entry = member.entry
        var path = entry.path
        while path.last == UInt8(ascii: "/") { path.removeLast() }
        var content: [UInt8] = []
        if entry.kind == .file, entry.size <= 4096 {
            content = member.data
            if let extents = entry.sparse {
                content = [UInt8](repeating: 0, count: Int(entry.size))
                var start = 0
                for extent in extents {
                    let length = Int(extent.length)
                    content.replaceSubrange(
                        Int(extent.offset)..<Int(extent.offset) + length, with: member.data[start..<start + length])
                    start += length
                }
            }
        }
        return [
            "member", hex(path), "\(entry.kind)", "\(entry.size)", "\(entry.uid)", "\(entry.gid)",
            "\(entry.mtimeSeconds)",
            hex(entry.linkTarget), hex(content),
        ].joined(separator: " ")
    }

    private static func read(_ bytes: [UInt8], pieces: Int) throws -> Result<[String], TarError> {
        do {
            return .success(try parseTar(bytes, pieces: pieces).map(line))
        } catch let error as TarError {
            return .failure(error)
        }
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    @Test func givesWhatPythonGives() throws {
        let directory = try TemporaryDirectory()
        try directory.write("list.py", Array(Self.python.utf8))
        let told = try runShell("python3 list.py \(Self.folder)/*.tar", in: directory.path)
        var theirs: [String: [String]?] = [:]
        var names: [String] = []
        for line in told.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 3)
            if words[0] == "archive" {
                names.append(String(words[1].split(separator: "/").last ?? ""))
                theirs[names[names.count - 1]] = .some(words[2] == "good" ? [] : nil)
            } else {
                theirs[names[names.count - 1]]??.append(String(line))
            }
        }
        #expect(names.count >= 38)
        for name in names {
            let bytes = try contents(of: "\(Self.folder)/\(name)")
            let ours = try Self.read(bytes, pieces: 64 << 10)
            // The same in whatever pieces it comes.
            for pieces in [1, 7, 511, 513] {
                #expect(try Self.read(bytes, pieces: pieces) == ours, "\(name) in pieces of \(pieces)")
            }
            switch (Self.differences[name], ours, theirs[name] ?? nil) {
            case (.refused(let reason), .failure(let error), _): #expect(error.reason == reason, "\(name)")
            case (.members(let lines), .success(let members), _): #expect(members == lines, "\(name)")
            case (nil, .success(let members), .some(let lines)): #expect(members == lines, "\(name)")
            case (nil, .failure, .none): break
            case (_, _, let lines): Issue.record("\(name): we give \(ours), Python \(lines ?? ["an error"])")
            }
        }
    }

    /// The formats that GNU's tar writes, with names, links and holes of every length, against what Python reads of the tree.
    @Test(arguments: [
        "--format=v7", "--format=oldgnu -S", "--format=gnu -S", "--format=ustar",
        "--format=posix -S --sparse-version=0.0",
        "--format=posix -S --sparse-version=0.1", "--format=posix -S --sparse-version=1.0", "--format=gnu -b 1",
    ])
    func readsWhatGNUTarWrites(_ options: String) throws {
        let directory = try TemporaryDirectory()
        let longest = options.contains("v7") ? 90 : options.contains("ustar") ? 99 : 250
        let script = """
            import os, sys
            os.makedirs("t/d")
            longest = \(longest)
            for length in (1, longest - 10, longest - 5):
                open("t/" + "n" * length, "w").write("x" * length)
            os.symlink("n" * (longest - 5), "t/link")
            os.link("t/n", "t/d/hard")
            for runs in (0, 1, 4, 5, 25, 26, 60):
                with open(f"t/sparse-{runs}", "wb") as file:
                    for run in range(runs):
                        file.seek(run * 65536 + 8192)
                        file.write(bytes([65 + run % 26]) * (4096 + run))
                    file.truncate(runs * 65536 + 100_000)
            """
        try directory.write("make.py", Array(script.utf8))
        let told = try runShell(
            "python3 make.py && tar \(options) --sort=name --owner=7 --group=8 -cf all.tar t && tar -xOf all.tar | md5sum",
            in: directory.path)
        let bytes = try contents(of: "\(directory.path)/all.tar")
        let members = try parseTar(bytes)
        #expect(members.count == 14)
        #expect(members.allSatisfy { $0.entry.uid == 7 && $0.entry.gid == 8 })
        // Holes and runs put together are what tar itself takes out.
        var content: [UInt8] = []
        for member in members {
            var position: Int64 = 0
            var start = 0
            for extent in member.entry.sparse ?? [TarEntry.Extent(offset: 0, length: member.entry.size)] {
                content += [UInt8](repeating: 0, count: Int(extent.offset - position))
                content += member.data[start..<start + Int(extent.length)]
                start += Int(extent.length)
                position = extent.offset + extent.length
            }
            content += [UInt8](repeating: 0, count: Int(member.entry.size - position))
        }
        try directory.write("content", content)
        #expect(try runShell("md5sum <content", in: directory.path) == told)
        let sparse = members.filter { $0.entry.sparse != nil }
        #expect((sparse.map { $0.entry.sparse?.count ?? 0 }.max() ?? 0) == (options.contains("-S") ? 60 : 0))
    }
}
