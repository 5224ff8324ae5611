import Dispatch
import Linux
import OCI
import Snapshots
import Synchronization
import Testing

extension SnapshotDriverSuite {
    /// Everything that a tree can hold, and GNU tar extracts.
    static let everything = isPrivileged ? everyKind : everyKind.compactMap(unprivileged)

    /// What of a member can be made in a user namespace of 65536 IDs.
    private static func unprivileged(_ member: LayerTar.Member) -> LayerTar.Member? {
        if member.type == "3" || member.type == "4" { return nil }
        return member.with { member in
            member.gid = min(member.gid, 65535)
            member.attributes.removeAll { $0.name.hasPrefix("trusted.") }
        }
    }

    private static let everyKind: [LayerTar.Member] = [
        .directory("./", mode: 0o751).with { $0.mtime = (1_500_000_000, 5) },
        .directory("dir", mode: 0o2750).with { member in
            (member.uid, member.gid) = (1000, 65536)
            member.mtime = (1_600_000_000, 123_456_789)
            member.attributes = [("user.note", Array("on a directory".utf8))]
        },
        .file("dir/file", "content").with { $0.mtime = (1_600_000_001, 1) }, .hardLink("dir/hard", to: "dir/file"),
        .file("dir/empty"), .file("setuid", "x", mode: 0o6755), .file("none", "x", mode: 0),
        .file("big", String(repeating: "0123456789abcdef", count: 40_000)),
        .file("past").with { $0.mtime = (-1, 999_999_999) }, .file("future").with { $0.mtime = (5_000_000_000, 0) },
        .directory("sticky", mode: 0o1777), .directory("empty", mode: 0),
        .symbolicLink("link", to: "dir/file").with { ($0.uid, $0.gid) = (7, 8) },
        .symbolicLink("dangling", to: String(repeating: "t", count: 3000)),
        .directory("other"), .hardLink("other/hard", to: "dir/file"), .hardLink("link2", to: "link"),
        .node("null", "3", 1, 3), .node("disk", "4", 259, 300), .node("fifo", "6").with { $0.uid = 12 },
        .file("capable", "elf", mode: 0o755).with { member in
            member.uid = 33
            member.attributes = [
                ("security.capability", netRaw), ("user.a", []), ("user.b", [0, 255]),
                ("user.large", [UInt8](repeating: 7, count: 2000)), ("trusted.t", Array("value".utf8)),
            ]
        },
        .hardLink("capable2", to: "capable"),
        .file("holes").with { member in
            // GNU tar fills runs up to 512 bytes, others do not; so these are.
            member.sparse = (5 << 30, [(4096, 5120), (1 << 30, 512), ((5 << 30) - 1, 1)])
            member.data = [UInt8](repeating: 1, count: 5633)
        },
        .file("hole").with { $0.sparse = (1 << 20, [(1 << 20, 0)]) },
        LayerTar.Member([0x80, 0x81, 0xFF], "0", mode: 0o600), .file(String(repeating: "n", count: 255), "x"),
        .file("\u{1F6A2} \"quoted\" \\ \n", "x"),
    ]

    /// cap_net_raw+ep
    private static let netRaw: [UInt8] = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]

    func isAsTarExtracts() throws {
        let tar = LayerTar(Self.everything).finished
        let record = try bench.add(tar, to: driver)
        let scratch = try bench.makeScratch()
        defer { try? removeTree(scratch) }
        try writeAtomically(tar, to: scratch + "/layer.tar")
        try makeDirectory(scratch + "/tree")
        _ = try runShell(
            "tar -xpf layer.tar -C tree --numeric-owner --xattrs --xattrs-include='*'", in: scratch)
        let wanted = try TreeListing(scratch + "/tree")
        let found = try withView([record.diffID]) { try TreeListing($0) }
        #expect(found.differences(from: wanted) == [])
        #expect(wanted.entries.count == record.contents.files + 1)
        let size = wanted.entries.filter { $0.value.kind == .regular && $0.key == $0.value.firstName }
            .reduce(0) { $0 + $1.value.size }
        #expect(record.contents.size == size)
        #expect(record.contents.leftOut == nil)
        // Holes take no space.
        #expect(try driver.storedBytes(of: record.diffID) < 4 << 20)
        try verify(tar)
    }

    // MARK: Layers above each other

    static let stackedLayers: [[LayerTar.Member]] = [
        [
            .file("keep", "1"), .file("gone", "1"), .file("dir/keep", "1"), .file("dir/gone", "1"),
            .file("opaque/hidden", "1"), .file("opaque/sub/hidden", "1"), .file("replaced/hidden", "1"),
            .file("deleted/hidden", "1"), .file("whole/sub/old", "1"), .file("file-to-dir", "1"),
            .file("dir-to-file/hidden", "1"), .file("twice/a", "1"),
        ],
        [
            .file(".wh.gone"), .file("dir/.wh.gone"), .file("dir/new", "2"), .file("opaque/new", "2"),
            .file("opaque/.wh..wh..opq"), .file("opaque/sub/new", "2"), .file(".wh.replaced"),
            .file("replaced/new", "2"), .file(".wh.deleted"), .directory("file-to-dir"),
            .file("file-to-dir/f", "2"), .file("dir-to-file", "2"), .file("whole/sub/new", "2"),
            // Nothing of these is below: they must not show.
            .file("only/.wh.never"), .file("only/file", "2"), .file(".wh.never"), .file("opaque/.wh.never"),
        ],
        [.file("gone", "3"), .file("deleted/back", "3"), .file(".wh.twice")],
        [.file(".wh.gone"), .file("opaque/third", "4"), .file("twice/b", "4"), .file("dir-to-file/f", "4")],
        [.file("whole/.wh..wh..opq"), .file("whole/top", "5"), .file("gone", "5"), .file("dir/.wh.keep")],
    ]

    func stacks() throws {
        let diffIDs = try Self.stackedLayers.map { try bench.add($0, to: driver).diffID }
        let merged = try withView(diffIDs) { view in
            // `find` reads directories, `cat` looks names up.
            try runShell("find . ! -type d | LC_ALL=C sort | while read f; do echo ${f#./} $(cat $f); done", in: view)
        }
        #expect(
            merged == """
                deleted/back 3
                dir-to-file/f 4
                dir/new 2
                file-to-dir/f 2
                gone 5
                keep 1
                only/file 2
                opaque/new 2
                opaque/sub/new 2
                opaque/third 4
                replaced/new 2
                twice/b 4
                whole/top 5

                """)
        // The same layer twice shows once.
        #expect(try withView([diffIDs[0], diffIDs[2], diffIDs[0]]) { try names(in: $0 + "/twice") } == ["a"])
        // Removed while nothing uses them: the others still stack.
        try driver.remove([diffIDs[1]])
        #expect(throws: SnapshotError.notFound(diffIDs[1])) { try withView(diffIDs) { _ in } }
        #expect(try withView([diffIDs[0], diffIDs[3]]) { try names(in: $0 + "/twice") } == ["a", "b"])
    }

    func hidesBelowAnOpaqueRoot() throws {
        let low = try bench.add([.file("low", "1")], to: driver)
        let top = try bench.add([.file(".wh..wh..opq"), .file("top", "2")], to: driver)
        #expect(!low.contents.isRootOpaque && top.contents.isRootOpaque)
        #expect(try driver.source(of: top.diffID).isRootOpaque)
        #expect(try withView([low.diffID, top.diffID]) { try names(in: $0) } == ["top"])
        #expect(try withView([top.diffID, low.diffID]) { try names(in: $0) } == ["low", "top"])
    }
}

/// Runs a body on several threads at once.
package func runThreads<Value: Sendable>(_ count: Int, _ body: @Sendable () throws -> Value) throws -> [Value] {
    let results = Mutex<[Result<Value, any Error>]>([])
    DispatchQueue.concurrentPerform(iterations: count) { _ in
        let result = Result { try body() }
        results.withLock { $0.append(result) }
    }
    return try results.withLock { try $0.map { try $0.get() } }
}
