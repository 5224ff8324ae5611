import Linux
import OCI
import Snapshots
import Testing

extension SnapshotDriverSuite {
    /// What the entries of one layer make, or why they make none.
    struct MergeCase: Sendable {
        var name: String
        var members: [LayerTar.Member]
        /// Lines as `lines(of:)` gives them, the root's left out; nil where the layer is refused.
        var lines: [String]?
        /// What the refusal says.
        var refusal: String?

        var makesDevices: Bool { members.contains { $0.type == "4" || $0.type == "3" && $0.device != (0, 0) } }

        init(_ name: String, _ members: [LayerTar.Member], _ lines: String...) {
            self.name = name
            self.members = members
            self.lines = lines
        }

        init(_ name: String, _ members: [LayerTar.Member], refused: String) {
            self.name = name
            self.members = members
            refusal = refused
        }
    }

    func merges(_ test: MergeCase) throws {
        let tar = LayerTar(test.members).finished
        if let refusal = test.refusal {
            let error = try #require(
                #expect(throws: (any Error).self, "\(test.name)") { try bench.add(tar, to: driver) })
            #expect("\(error)".contains(refusal), "\(test.name)")
            #expect(try driver.layers() == [])
            return
        }
        let record = try bench.add(tar, to: driver)
        let found = try lines(of: record.diffID).dropFirst()
        #expect(Array(found) == test.lines ?? [], "\(test.name)")
        #expect(record.contents.files == found.count, "\(test.name)")
        try verify(tar)
        try driver.checkSeal(record.diffID)
        // The kernel takes it.
        try withView([record.diffID]) { _ = try TreeListing($0) }
    }

    private static let long = String(repeating: "n", count: 255)

    static let mergeCases: [MergeCase] = [
        // Paths that climb.
        MergeCase("dots climb out", [.file("../canary", "evil")], refused: "leads out of the layer"),
        MergeCase("dots climb out later", [.file("a/../../canary", "evil")], refused: "leads out of the layer"),
        MergeCase(
            "dots that stay", [.file("a/../b", "x"), .file("./c//d/.", "x")], "/b file 644 1",
            "/c directory 755", "/c/d file 644 1"),
        MergeCase("absolute", [.file("/canary", "evil")], "/canary file 644 4"),
        MergeCase(
            "through a symbolic link up", [.symbolicLink("l", to: "../../.."), .file("l/canary", "evil")],
            "/canary file 644 4", "/l symbolicLink 777 -> ../../.."),
        MergeCase(
            "through an absolute symbolic link", [.symbolicLink("l", to: "/tmp"), .file("l/canary", "evil")],
            "/l symbolicLink 777 -> /tmp", "/tmp directory 755", "/tmp/canary file 644 4"),
        MergeCase(
            "through a chain of links",
            [
                .symbolicLink("a", to: "/b"), .symbolicLink("b", to: "c/../../d"), .file("a/canary", "evil"),
            ], "/a symbolicLink 777 -> /b", "/b symbolicLink 777 -> c/../../d", "/c directory 755", "/d directory 755",
            "/d/canary file 644 4"),
        MergeCase(
            "through a loop of links",
            [
                .symbolicLink("a", to: "b"), .symbolicLink("b", to: "a"), .file("a/x"),
            ], refused: "too many symbolic links"),
        MergeCase(
            "a directory in a link's place",
            [
                .symbolicLink("d", to: "/"), .directory("d", mode: 0o700), .file("d/canary", "evil"),
            ], "/d directory 700", "/d/canary file 644 4"),
        MergeCase(
            "a link in a directory's place",
            [
                .file("d/f", "x"), .symbolicLink("d", to: ".."), .file("d/canary", "evil"),
            ], "/canary file 644 4", "/d symbolicLink 777 -> .."),
        MergeCase("below a file", [.file("f", "x"), .file("f/canary")], refused: "not a directory"),
        // Hard links.
        MergeCase("hard link up", [.hardLink("h", to: "../../etc/passwd")], refused: "leads out of the layer"),
        MergeCase("hard link to the host", [.hardLink("h", to: "/etc/passwd")], refused: "does not hold before it"),
        MergeCase(
            "hard link through a link", [.symbolicLink("l", to: "/etc"), .hardLink("h", to: "l/passwd")],
            refused: "does not hold before it"),
        MergeCase(
            "hard link to a link that leads out",
            [
                .symbolicLink("s", to: "/etc/passwd"), .hardLink("h", to: "s"), .file("h", "evil"),
            ], "/h file 644 4", "/s symbolicLink 777 -> /etc/passwd"),
        MergeCase("hard link to the root", [.hardLink("h", to: "/")], refused: "directory"),
        MergeCase("hard link to a directory", [.directory("d"), .hardLink("h", to: "d")], refused: "no such links"),
        MergeCase(
            "hard link to what comes later", [.hardLink("h", to: "f"), .file("f")],
            refused: "does not hold before it"),
        MergeCase(
            "hard link to a whiteout", [.file(".wh.f"), .hardLink("h", to: "f")],
            refused: "does not hold before it"),
        MergeCase("hard link to itself", [.file("f", "x"), .hardLink("f", to: "f")], "/f file 644 1"),
        MergeCase(
            "hard links, then another file in the first's place",
            [
                .file("a", "1"), .hardLink("b", to: "a"), .hardLink("d/c", to: "b"), .file("a", "22"),
            ], "/a file 644 2", "/b file 644 1 x2", "/d directory 755", "/d/c file 644 1 x2"),
        MergeCase(
            "hard links of links, devices and fifos",
            [
                .symbolicLink("s", to: "x"), .hardLink("s2", to: "s"), .node("p", "6"), .hardLink("p2", to: "p"),
                .node("n", "3", 1, 3), .hardLink("n2", to: "n"),
            ], "/n characterDevice 660 x2", "/n2 characterDevice 660 x2", "/p fifo 660 x2", "/p2 fifo 660 x2",
            "/s symbolicLink 777 x2 -> x", "/s2 symbolicLink 777 x2 -> x"),
        // Duplicates.
        MergeCase("the last file wins", [.file("f", "1"), .file("f", "22", mode: 0o600)], "/f file 600 2"),
        MergeCase(
            "a directory again keeps what is in it",
            [
                .directory("d"), .file("d/f", "1"), .directory("d", mode: 0o700),
            ], "/d directory 700", "/d/f file 644 1"),
        MergeCase("a file in a directory's place", [.file("d/e/f", "1"), .file("d", "22")], "/d file 644 2"),
        MergeCase(
            "a directory in a file's place", [.file("d", "22"), .file("e/f", "1"), .directory("d")],
            "/d directory 755", "/e directory 755", "/e/f file 644 1"),
        MergeCase(
            "an implied directory, told later", [.file("d/f", "1"), .directory("d", mode: 0o1777)],
            "/d directory 1777", "/d/f file 644 1"),
        MergeCase("the root itself", [.directory("./", mode: 0o700), .file("f")], "/f file 644 0"),
        MergeCase("a root that is a link", [.symbolicLink("./", to: "/")], refused: "root is not a directory"),
        MergeCase("a root that is a file", [.file(".")], refused: "root is not a directory"),
        // Whiteouts.
        MergeCase("whiteouts", [.file("d/.wh.f"), .file(".wh.g")], "/d directory 755", "/d/f whiteout", "/g whiteout"),
        MergeCase("a whiteout of the parent", [.file("d/.wh...")], refused: "whiteout that names no file"),
        MergeCase("a whiteout of the directory itself", [.file("d/.wh..")], refused: "whiteout that names no file"),
        MergeCase("a whiteout of nothing", [.file("d/.wh.")], refused: "whiteout that names no file"),
        MergeCase(
            "a whiteout through a link", [.symbolicLink("l", to: "/.."), .file("l/.wh.canary")],
            "/canary whiteout", "/l symbolicLink 777 -> /.."),
        MergeCase("a whiteout before a file of its name", [.file(".wh.f"), .file("f", "1")], "/f file 644 1"),
        MergeCase("a whiteout after a file of its name", [.file("f", "1"), .file(".wh.f")], "/f file 644 1"),
        MergeCase(
            "a whiteout beside a directory makes it opaque", [.file("d/f", "1"), .file(".wh.d")],
            "/d directory 755 opaque", "/d/f file 644 1"),
        MergeCase(
            "opaque, told last", [.file("d/f", "1"), .file("d/.wh..wh..opq")], "/d directory 755 opaque",
            "/d/f file 644 1"),
        MergeCase(
            "something in a whiteout", [.file(".wh.d"), .file("d/f", "1")], "/d directory 755 opaque",
            "/d/f file 644 1"),
        MergeCase(
            "book-keeping of AUFS", [.directory(".wh..wh.plnk"), .file(".wh..wh.plnk/1.2"), .file("f")],
            "/f file 644 0"),
        MergeCase(
            "a device 0/0 is a whiteout", [.node("f", "3", 0, 0), .node("g", "4", 0, 0)],
            "/f whiteout", "/g blockDevice 660"),
        MergeCase(
            "overlayfs's own attributes",
            [
                .directory("d").with {
                    $0.attributes = [
                        ("trusted.overlay.opaque", Array("y".utf8)), ("user.overlay.opaque", Array("y".utf8)),
                        ("trusted.overlay.redirect", Array("/etc".utf8)),
                    ]
                },
                .file("f").with { $0.attributes = [("trusted.overlay.metacopy", []), ("user.overlay.whiteout", [])] },
            ], "/d directory 755", "/f file 644 0"),
        // Names and numbers.
        MergeCase(
            "names of 255 bytes", [.file("\(long)/\(long)", "x"), .symbolicLink("l", to: long)],
            "/l symbolicLink 777 -> \(long)", "/\(long) directory 755", "/\(long)/\(long) file 644 1"),
        MergeCase("a name of 256 bytes", [.file(long + "n")], refused: "longer than 255 bytes"),
        MergeCase(
            "names around dots", [.file("..."), .file("..a"), .file(".a"), .file("-"), .file("!")],
            "/! file 644 0", "/- file 644 0", "/... file 644 0", "/..a file 644 0", "/.a file 644 0"),
        MergeCase(
            "names that are no text",
            [
                LayerTar.Member([0xFF, 0xFE], "5", mode: 0o755),
                LayerTar.Member([0xFF, 0xFE, 0x2F, 0x80], "0", mode: 0o644),
            ], "/\u{FFFD}\u{FFFD} directory 755", "/\u{FFFD}\u{FFFD}/\u{FFFD} file 644 0"),
        MergeCase("a device number that Linux does not have", [.node("n", "3", 4096, 0)], refused: "device number"),
        MergeCase("an empty link", [.symbolicLink("l", to: "")], refused: "link"),
    ]
}
