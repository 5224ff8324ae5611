import Archive
import Linux
import TestSupport
import Testing

/// What the reader gives of sound images. Damaged ones: `ErofsDamageTests`.
struct ErofsReaderTests {
    @Test func entriesHaveWhatTheArchiveSaid() throws {
        let members: [Member] = [
            Member("dir", .directory, mode: 0o1750) {
                ($0.uid, $0.gid, $0.mtimeSeconds, $0.mtimeNanoseconds) = (1000, 100_000, 1_700_000_000, 5)
                $0.attributes = [.init(name: "user.b", value: [1, 0, 2]), .init(name: "user.a", value: [])]
            },
            .file("dir/f", "content", mode: 0o4711), .hardLink("dir/hard", to: "dir/f"),
            .symbolicLink("link", to: "dir/f"),
            Member("tty", .characterDevice, mode: 0o620) { ($0.deviceMajor, $0.deviceMinor) = (5, 1) },
            .file("dir/.wh..wh..opq"), .file(".wh.gone"),
        ]
        let entries = try readEntries(makeImage(members).bytes)
        #expect(
            entries.map { String(decoding: $0.path, as: UTF8.self) } == [
                "", "dir", "dir/f", "dir/hard", "gone", "link", "tty",
            ])
        let directory = entries[1]
        #expect(directory.kind == .directory && directory.mode == 0o1750 && directory.isOpaque)
        #expect((directory.uid, directory.gid) == (1000, 100_000))
        #expect((directory.mtimeSeconds, directory.mtimeNanoseconds) == (1_700_000_000, 5))
        #expect(Set(directory.attributes.map(\.name)) == ["user.a", "user.b"])
        #expect(directory.attributes.first { $0.name == "user.b" }?.value == [1, 0, 2])
        #expect(entries[2].nid == entries[3].nid && entries[2].links == 2 && entries[2].size == 7)
        #expect(entries[4].kind == .whiteout)
        #expect(entries[5].linkTarget == Array("dir/f".utf8) && entries[5].mode == 0o777)
        #expect((entries[6].deviceMajor, entries[6].deviceMinor) == (5, 1))
    }

    @Test func findsEntriesByPath() throws {
        let names = (0..<1000).map { "d/name\($0)" }
        let members = names.map { name -> Member in .file(name, name) } + [.symbolicLink("l", to: "d")]
        let reader = try ErofsReader(MemoryInput(bytes: makeImage(members).bytes))
        for name in names where name.hasSuffix("7") {
            let entry = try #require(try reader.entry(at: Array(name.utf8)))
            #expect(entry.path == Array(name.utf8))
            #expect(try readContent(reader, entry.nid) == Array(name.utf8))
        }
        #expect(try reader.entry(at: [])?.kind == .directory)
        #expect(try reader.entry(at: Array("/./d//name5/".utf8))?.path == Array("d/name5".utf8))
        // Below a file, below a link (not followed), names that are not there.
        for path in ["d/name", "d/name10000", "zz", "d/name1/x", "l/name1", "..", "d/.."] {
            #expect(try reader.entry(at: Array(path.utf8)) == nil, "\(path)")
        }
    }

    @Test(arguments: ErofsCase.all) func readsWhatTheWriterWrites(_ test: ErofsCase) throws {
        let (bytes, summary) = try makeImage(test.members)
        let reader = try ErofsReader(MemoryInput(bytes: bytes))
        try reader.validate()
        var entries = 0
        var fileBytes: [UInt64: Int64] = [:]
        try reader.entries { entry in
            entries += 1
            if entry.kind == .file { fileBytes[entry.nid] = entry.size }
        }
        #expect(entries == summary.entryCount + 1)
        #expect(fileBytes.values.reduce(0, +) == summary.fileBytes)
    }

    @Test func sparseContent() throws {
        var expected = [UInt8](repeating: 0, count: 100_000)
        let runs = [Run(3, [1]), Run(4000, pattern(200)), Run(50_000, pattern(9000)), Run(99_999, [7])]
        for run in runs { expected.replaceSubrange(Int(run.offset)..<Int(run.offset) + run.data.count, with: run.data) }
        for pieceSize in [1, 7, 4096, 1 << 20] {
            let image = try makeImage([.sparse("f", size: 100_000, runs)], pieceSize: pieceSize).bytes
            let reader = try ErofsReader(MemoryInput(bytes: image))
            let entry = try #require(try reader.entry(at: [UInt8(ascii: "f")]))
            #expect(try readContent(reader, entry.nid) == expected)
        }
    }

    /// Other makers' images: compact inodes, inline data, shared attributes, chunks.
    @Test(arguments: ["", "-x1", "-T0", "--chunksize=4096", "-Eforce-inode-compact", "-Enoinline_data"])
    func readsImagesOfMkfs(_ option: String) throws {
        let directory = try TemporaryDirectory()
        _ = try runShell(
            """
            mkdir -p tree/d/e && cd tree && printf hello > d/small && head -c 300000 /dev/urandom > large
            ln d/small d/hard && ln -s d/small link && mkfifo fifo && mknod null c 1 3 && touch empty && ln -s empty d/e/l
            for i in $(seq 300); do echo $i > d/e/file-$i; done
            for f in large empty d/small d/e/file-1; do setfattr -n user.same -v value $f; done
            chmod 1777 d; chown 12:34 large; cd ..; mkfs.erofs \(option) image tree >log 2>&1 || { cat log; exit 1; }
            """, in: directory.path)
        let image = try readFile(directory.path + "/image", limit: 64 << 20)
        let reader = try ErofsReader(MemoryInput(bytes: image))
        try reader.validate()
        var lines: [String] = []
        try reader.entries { entry in
            let kinds: [ErofsEntry.Kind: String] = [
                .file: "f", .directory: "d", .symbolicLink: "l", .fifo: "p", .characterDevice: "c",
            ]
            let path = String(decoding: entry.path, as: UTF8.self)
            let size = entry.kind == .file ? "\(entry.size)" : ""
            let target = String(decoding: entry.linkTarget, as: UTF8.self)
            lines.append(
                "\(path) \(kinds[entry.kind] ?? "?") \(String(entry.mode, radix: 8)) \(entry.uid) \(entry.gid) \(size) \(target)"
            )
            if entry.kind == .file {
                let content = try readContent(reader, entry.nid)
                #expect(try content == readFile("\(directory.path)/tree/\(path)", limit: 1 << 20), "\(path)")
            }
            if ["large", "empty", "d/small", "d/hard", "d/e/file-1"].contains(path) {
                #expect(entry.attributes == [.init(name: "user.same", value: Array("value".utf8))])
            }
        }
        let expected = try runShell(
            "find . -type f -printf '%P %y %m %U %G %s %l\\n' -o -printf '%P %y %m %U %G  %l\\n'",
            in: directory.path + "/tree")
        #expect(lines.sorted() == expected.split(separator: "\n").map(String.init).sorted())
    }
}
