import Archive
import TestSupport
import Testing

/// What tree a layer's entries make.
struct LayerTreeTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let members: [Member]
        let tree: [String]
        /// `tar -x` makes the same tree of it.
        let asTar: Bool

        init(_ name: String, _ members: [Member], _ tree: [String], asTar: Bool = true) {
            testDescription = name
            self.members = members
            self.tree = tree
            self.asTar = asTar
        }
    }

    static let cases = [
        Case("nothing", [], []),
        Case("implied directories", [.file("a/b/c", "x")], ["a/ 755", "a/b/ 755", "a/b/c 644 =x"]),
        Case(
            "a directory after what is in it", [.file("a/f"), .directory("a", mode: 0o700)], ["a/ 700", "a/f 644 ="]),
        Case(
            "a directory twice: the later metadata",
            [.directory("a", mode: 0o700), .file("a/f"), .directory("a/", mode: 0o751)], ["a/ 751", "a/f 644 ="]),
        Case("the last file of a path", [.file("f", "old"), .file("f", "newer", mode: 0o600)], ["f 600 =newer"]),
        // tar refuses to replace a directory that is not empty; docker and containerd do not.
        Case(
            "a file in place of a directory", [.file("a/b/c"), .file("a/d"), .file("a", "x")], ["a 644 =x"],
            asTar: false),
        Case(
            "a directory in place of that file", [.file("a/b/c"), .file("a"), .directory("a"), .file("a/d")],
            ["a/ 755", "a/d 644 ="], asTar: false),
        Case("a symbolic link in place of a file", [.file("a"), .symbolicLink("a", to: "b")], ["a -> b"]),
        Case(
            "a directory in place of a symbolic link is not made where it leads",
            [.directory("b", mode: 0o700), .symbolicLink("a", to: "b"), .directory("a"), .file("a/f")],
            ["a/ 755", "a/f 644 =", "b/ 700"]),
        Case(
            "a file in place of a symbolic link is not written where it leads",
            [.file("b", "kept"), .symbolicLink("a", to: "b"), .file("a", "new")], ["a 644 =new", "b 644 =kept"]),
        Case(
            "a fifo and the spelling of paths",
            [Member("./a//b/../c", .fifo, mode: 0o600), .file("/d/", "x")], ["a/ 755", "a/c| 600", "d 644 =x"],
            // tar makes a/b on the way.
            asTar: false),
        Case("the root's metadata", [.directory("./", mode: 0o1777), .file("f")], ["/ 1777", "f 644 ="]),
        Case(
            "the root spelled `/`, after its entries", [.file("f"), .directory("/", mode: 0o700)], ["/ 700", "f 644 ="]),

        // Hard links.
        Case(
            "hard links, in a chain",
            [.file("a", "x", mode: 0o4755), .hardLink("b", to: "a"), .hardLink("d/c", to: "./b")],
            ["a 4755 x3 =x", "b 4755 x3 =x", "d/ 755", "d/c 4755 x3 =x"]),
        Case(
            "a hard link keeps what its target was",
            [.file("a", "old"), .hardLink("b", to: "a"), .file("a", "new")], ["a 644 =new", "b 644 =old"]),
        Case(
            "a hard link in a file's place", [.file("a", "x"), .file("b", "y"), .hardLink("b", to: "/a")],
            ["a 644 x2 =x", "b 644 x2 =x"]),
        // tar writes this for a file that it is given twice.
        Case("a hard link to itself", [.file("a", "x"), .hardLink("a", to: "a")], ["a 644 =x"]),
        Case(
            "a hard link to a symbolic link", [.symbolicLink("a", to: "nowhere"), .hardLink("b", to: "a")],
            ["a -> nowhere x2", "b -> nowhere x2"]),
        Case(
            "a hard link's target found through a symbolic link",
            [.file("usr/lib/f", "x"), .symbolicLink("lib", to: "usr/lib"), .hardLink("g", to: "lib/f")],
            ["g 644 x2 =x", "lib -> usr/lib", "usr/ 755", "usr/lib/ 755", "usr/lib/f 644 x2 =x"]),
        Case(
            "a hard link's target outlives its dropped directory",
            [.file("a/f", "x"), .hardLink("g", to: "a/f"), .file("a")], ["a 644 =", "g 644 =x"], asTar: false),

        // Symbolic links on the way, as containerd and umoci resolve them: in the layer's root.
        Case(
            "through a symbolic link",
            [.directory("usr/lib", mode: 0o750), .symbolicLink("lib", to: "usr/lib"), .file("lib/f", "x")],
            ["lib -> usr/lib", "usr/ 755", "usr/lib/ 750", "usr/lib/f 644 =x"]),
        Case(
            "through an absolute one", [.symbolicLink("lib", to: "/usr/lib"), .file("lib/f", "x")],
            ["lib -> /usr/lib", "usr/ 755", "usr/lib/ 755", "usr/lib/f 644 =x"], asTar: false),
        Case(
            "through one that climbs", [.symbolicLink("a/b", to: "../../../../etc"), .file("a/b/passwd", "x")],
            ["a/ 755", "a/b -> ../../../../etc", "etc/ 755", "etc/passwd 644 =x"], asTar: false),
        Case(
            "through two, with dots",
            [.symbolicLink("a", to: "./b/."), .symbolicLink("b", to: "c//d"), .file("a/../f", "x"), .file("a/g")],
            // `a/../f` is `f`: paths lose their dots before links are followed, as in docker.
            ["a -> ./b/.", "b -> c//d", "c/ 755", "c/d/ 755", "c/d/g 644 =", "f 644 =x"], asTar: false),
        Case(
            "through one that was replaced",
            [.symbolicLink("a", to: "b"), .file("a/f"), .directory("a"), .file("a/g")],
            ["a/ 755", "a/g 644 =", "b/ 755", "b/f 644 ="], asTar: false),
        Case(
            "a link on the way that comes later",
            [.file("a/f"), .symbolicLink("b", to: "a"), .directory("b/d", mode: 0o700)],
            ["a/ 755", "a/d/ 700", "a/f 644 =", "b -> a"]),

        // Whiteouts.
        Case("a whiteout", [.file("a/.wh.b")], ["a/ 755", "a/b whiteout"], asTar: false),
        Case(
            "a whiteout below a whiteout", [.file(".wh.a"), .file("a/.wh.b")], ["a/ 755 opaque", "a/b whiteout"],
            asTar: false),
        Case("a whiteout and a file", [.file(".wh.a"), .file("a", "x")], ["a 644 =x"], asTar: false),
        Case("a file and its whiteout", [.file("a", "x"), .file(".wh.a")], ["a 644 =x"], asTar: false),
        // Of the lower directory nothing may shine through.
        Case("a whiteout and a directory", [.file(".wh.a"), .directory("a")], ["a/ 755 opaque"], asTar: false),
        Case(
            "a directory and its whiteout", [.file("a/f"), .file(".wh.a")], ["a/ 755 opaque", "a/f 644 ="], asTar: false
        ),
        Case(
            "a whiteout, a file and a directory", [.file(".wh.a"), .file("a"), .directory("a")], ["a/ 755 opaque"],
            asTar: false),
        Case(
            "an opaque marker that comes late", [.file("a/f"), .file("a/.wh..wh..opq")],
            ["a/ 755 opaque", "a/f 644 ="], asTar: false),
        Case(
            "an opaque marker, then the directory",
            [.file("a/.wh..wh..opq"), .directory("a", mode: 0o700), .file("a/f")],
            ["a/ 700 opaque", "a/f 644 ="], asTar: false),
        Case("an opaque root", [.file(".wh..wh..opq"), .file("f")], ["/ 755 opaque", "f 644 ="], asTar: false),
        Case(
            "a whiteout through a symbolic link", [.symbolicLink("lib", to: "usr"), .file("lib/.wh.f")],
            ["lib -> usr", "usr/ 755", "usr/f whiteout"], asTar: false),
        Case(
            "two whiteouts", [.file(".wh.a"), .file(".wh.a"), .file(".wh.b")], ["a whiteout", "b whiteout"],
            asTar: false),
        Case(
            "AUFS's own", [.directory(".wh..wh.plnk"), .file(".wh..wh.aufs", "data"), .file("f", "x")], ["f 644 =x"],
            asTar: false),
        // overlayfs takes such a device for a whiteout, so it can be nothing else.
        Case("device 0:0", [Member("a", .characterDevice)], ["a whiteout"], asTar: false),
    ]

    @Test(arguments: cases) func entriesMakeATree(_ test: Case) throws {
        let (image, summary) = try makeImage(test.members)
        #expect(try describe(image) == test.tree)
        let rootLines = test.tree.count { $0.hasPrefix("/") }
        #expect(summary.entryCount == test.tree.count - rootLines)
        #expect(summary.isRootOpaque == test.tree.contains("/ 755 opaque"))
        try ErofsReader(MemoryInput(bytes: image)).validate()
    }

    /// GNU tar, extracting as root into an empty directory, makes the same tree where nothing says otherwise.
    @Test(arguments: cases.filter(\.asTar)) func tarMakesTheSameTree(_ test: Case) throws {
        let directory = try TemporaryDirectory()
        var tar = RawTar()
        for member in test.members { tar.add(member) }
        try directory.write("layer.tar", tar.bytes + [UInt8](repeating: 0, count: 1024))
        let script = """
            mkdir tree && tar -C tree -xpf layer.tar || exit 1
            cd tree && find . -mindepth 1 -printf '%P\\t%y\\t%m\\t%n\\t%l\\n'
            """
        let listing = try runShell(script, in: directory.path).split(separator: "\n").map(String.init)
        let expected = try readEntries(makeImage(test.members).bytes).dropFirst().map { entry in
            let kinds: [ErofsEntry.Kind: String] = [.file: "f", .directory: "d", .symbolicLink: "l", .fifo: "p"]
            let path = String(decoding: entry.path, as: UTF8.self)
            let target = String(decoding: entry.linkTarget, as: UTF8.self)
            return "\(path)\t\(kinds[entry.kind] ?? "?")\t\(String(entry.mode, radix: 8))\t\(entry.links)\t\(target)"
        }
        #expect(listing.sorted() == expected.sorted())
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let members: [Member]
        let error: LayerError

        init(_ name: String, _ members: [Member], _ error: LayerError) {
            testDescription = name
            self.members = members
            self.error = error
        }
    }

    static let refusals = [
        Refusal(
            "a hard link to nothing", [.file("a"), .hardLink("b", to: "c/d")],
            .hardLinkTargetMissing(path: "/b", target: "/c/d")),
        Refusal(
            "a hard link before its target", [.hardLink("b", to: "a"), .file("a")],
            .hardLinkTargetMissing(path: "/b", target: "/a")),
        Refusal(
            "a hard link to a whiteout", [.file(".wh.a"), .hardLink("b", to: "a")],
            .hardLinkTargetMissing(path: "/b", target: "/a")),
        Refusal(
            "a hard link to what was dropped", [.file("a/f"), .file("a"), .hardLink("b", to: "a/f")],
            .notADirectory(path: "/b", component: "/a")),
        Refusal(
            "a hard link to a directory", [.directory("a"), .hardLink("b", to: "a")],
            .hardLinkToDirectory(path: "/b", target: "/a")),
        Refusal("a hard link to the root", [.hardLink("b", to: "/")], .hardLinkToDirectory(path: "/b", target: "/")),
        Refusal("below a file", [.file("a"), .file("a/b/c")], .notADirectory(path: "/a/b/c", component: "/a")),
        Refusal(
            "below a file, found through a link", [.file("b/c"), .symbolicLink("a", to: "b/c"), .file("a/f")],
            .notADirectory(path: "/a/f", component: "/b/c")),
        Refusal(
            "a link to itself", [.symbolicLink("a", to: "a"), .file("a/f")], .tooManySymbolicLinks(path: "/a/f")),
        Refusal(
            "two links to each other", [.symbolicLink("a", to: "/b/x"), .symbolicLink("b", to: "a"), .file("a/f")],
            .tooManySymbolicLinks(path: "/a/f")),
        Refusal(
            "a path that grows by a link",
            [.symbolicLink("l", to: longPath), .file("l/" + longPath + "/f")],
            .pathTooLong(path: "/l/" + longPath + "/f")),
        Refusal("an empty target", [.symbolicLink("a", to: "")], .invalidLinkTarget(path: "/a")),
        Refusal("a target with a NUL", [.symbolicLink("a", to: "b\0c")], .invalidLinkTarget(path: "/a")),
        Refusal(
            "a target of 4096 bytes", [.symbolicLink("a", to: String(repeating: "x", count: 4096))],
            .invalidLinkTarget(path: "/a")),
        Refusal(
            "a major number of 13 bits", [Member("a", .blockDevice) { $0.deviceMajor = 4096 }],
            .invalidDevice(path: "/a")),
        Refusal(
            "a minor number of 21 bits", [Member("a", .characterDevice) { $0.deviceMinor = 1 << 20 }],
            .invalidDevice(path: "/a")),
        Refusal("a root that is a file", [.file("./", "x")], .rootIsNoDirectory),
        Refusal("a root that is a link", [.symbolicLink("/", to: "a")], .rootIsNoDirectory),
        Refusal(
            "an attribute of 64 KiB",
            [
                Member("a", .file) {
                    $0.attributes = [.init(name: "user.a", value: [UInt8](repeating: 1, count: 65536))]
                }
            ],
            .attributeTooLarge(path: "/a", attribute: "user.a")),
        Refusal(
            "an attribute name of 256 bytes",
            [
                Member("a", .file) {
                    $0.attributes = [.init(name: "user." + String(repeating: "n", count: 251), value: [])]
                }
            ],
            .attributeTooLarge(path: "/a", attribute: "user." + String(repeating: "n", count: 251))),
        Refusal(
            "attributes of 300 KiB",
            [
                Member("a", .file) {
                    $0.attributes = (0..<5).map {
                        .init(name: "user.\($0)", value: [UInt8](repeating: 1, count: 60000))
                    }
                }
            ], .attributeTooLarge(path: "/a", attribute: "user.0")),
        Refusal(
            "runs that overlap", [.sparse("a", size: 100, [Run(0, [1, 2]), Run(1, [3])])], .invalidSparseMap(path: "a")),
        Refusal(
            "runs out of order", [.sparse("a", size: 100, [Run(9, [1]), Run(1, [3])])], .invalidSparseMap(path: "a")),
        Refusal("a run beyond the end", [.sparse("a", size: 100, [Run(99, [1, 2])])], .invalidSparseMap(path: "a")),
        Refusal(
            "a run at the end of all numbers", [.sparse("a", size: 100, [Run(.max, [1])])], .invalidSparseMap(path: "a")
        ),
        Refusal("a negative run", [.sparse("a", size: 100, [Run(-1, [1])])], .invalidSparseMap(path: "a")),
        Refusal("a sparse file of 2^62 bytes", [.sparse("a", size: 1 << 62, [Run(0, [1])])], .tooLarge(path: "a")),
        Refusal("a file of 2^62 bytes", [Member("a", .file) { $0.size = 1 << 62 }], .tooLarge(path: "a")),
        Refusal("a file of 16 TiB", [Member("a", .file) { $0.size = 16 << 40 }], .tooLarge(path: "a")),
        Refusal("a negative size", [Member("a", .file) { $0.size = -1 }], .dataLengthMismatch(path: "/a")),
        Refusal("too little data", [Member("a", .file, data: "x") { $0.size = 2 }], .dataLengthMismatch(path: "a")),
        Refusal("too much data", [Member("a", .file, data: "xyz") { $0.size = 2 }], .dataLengthMismatch(path: "a")),
        Refusal(
            "too little data of a sparse file",
            [
                Member("a", .file, data: "x") {
                    $0.size = 9; $0.sparse = [.init(offset: 4, length: 2)]
                }
            ],
            .dataLengthMismatch(path: "a")),
        Refusal(
            "too much data of a sparse file",
            [
                Member("a", .file, data: "xyz") {
                    $0.size = 9; $0.sparse = [.init(offset: 4, length: 2)]
                }
            ],
            .dataLengthMismatch(path: "a")),
    ]

    /// Two of them one below the other are longer than a path may be.
    private static let longPath = [String](repeating: String(repeating: "d", count: 250), count: 9).joined(
        separator: "/")

    @Test(arguments: refusals) func refuses(_ test: Refusal) throws {
        let error = #expect(throws: LayerError.self) { _ = try makeImage(test.members) }
        #expect(error == test.error)
        #expect(error?.description.isEmpty == false)
    }

    /// Paths are made safe by `LayerPath`; its errors pass through.
    @Test(arguments: ["../a", "", "a/../../b"]) func refusesPathsThatLeave(_ path: String) {
        #expect(throws: LayerPathError.self) { _ = try makeImage([.file(path)]) }
        #expect(throws: LayerPathError.self) { _ = try makeImage([.file("a"), .hardLink("b", to: path)]) }
    }

    @Test func boundsTheNumberOfEntries() throws {
        var tree = LayerTree(maximumEntries: 100)
        let error = #expect(throws: LayerError.self) {
            for number in 0..<200 { _ = try tree.insert(TarEntry(path: Array("f\(number)".utf8), kind: .file)) }
        }
        #expect(error == .tooManyEntries(limit: 100))
        // The same path again and again takes room too.
        tree = LayerTree(maximumEntries: 100)
        #expect(throws: LayerError.tooManyEntries(limit: 100)) {
            for _ in 0..<200 { _ = try tree.insert(TarEntry(path: Array("f".utf8), kind: .file)) }
        }
        tree = LayerTree(maximumEntries: 100)
        #expect(throws: LayerError.tooManyEntries(limit: 100)) {
            for number in 0..<200 {
                _ = try tree.insert(TarEntry(path: Array("d".utf8), kind: number % 2 == 0 ? .directory : .fifo))
            }
        }
    }

    /// An image's entries, one a line: path, mode, the number of names where it is not one, content or target.
    private func describe(_ image: [UInt8]) throws -> [String] {
        let reader = try ErofsReader(MemoryInput(bytes: image))
        var lines: [String] = []
        try reader.entries { entry in
            let path = String(decoding: entry.path, as: UTF8.self)
            let mode = String(entry.mode, radix: 8)
            let links = entry.links > 1 && entry.kind != .whiteout ? " x\(entry.links)" : ""
            let opaque = entry.isOpaque ? " opaque" : ""
            switch entry.kind {
            case .directory:
                // The root is shown where it is not the implied one.
                if path.isEmpty, entry.mode == 0o755, !entry.isOpaque { return }
                lines.append("\(path)/ \(mode)\(opaque)")
            case .file:
                let content = try readContent(reader, entry.nid)
                lines.append("\(path) \(mode)\(links) =\(String(decoding: content, as: UTF8.self))")
            case .symbolicLink: lines.append("\(path) -> \(String(decoding: entry.linkTarget, as: UTF8.self))\(links)")
            case .fifo: lines.append("\(path)| \(mode)")
            case .whiteout: lines.append("\(path) whiteout")
            default: lines.append("\(path) \(entry.kind)")
            }
        }
        return lines
    }
}

extension RawTar {
    /// Adds a member of a short path.
    fileprivate mutating func add(_ member: Member) {
        let types: [TarEntry.Kind: Character] = [
            .file: "0", .hardLink: "1", .symbolicLink: "2", .directory: "5", .fifo: "6",
        ]
        var header = Header(type: types[member.entry.kind] ?? "0")
        header.nameBytes = member.entry.path
        header.mode = String(decoding: RawTar.octal(Int(member.entry.mode), 8), as: UTF8.self)
        header.link = String(decoding: member.entry.linkTarget, as: UTF8.self)
        add(header, data: member.data)
    }
}
