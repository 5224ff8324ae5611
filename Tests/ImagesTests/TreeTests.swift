import Linux
import OCI
import Snapshots
import TestSupport
import Testing

@testable import Images

/// Merged trees, held against what the kernel's overlayfs shows; differences; and who keeps what.
struct TreeTests {
    /// A layer with all kinds of entries, one that hides some of them, and one that hides more.
    private static let layers = [
        """
        d=$(mktemp -d); cd $d; mkdir -p a/b/c gone/x keep dir2file opaque/old; echo 1 > a/one; echo 22 > a/b/two
        echo x > gone/x/y; echo k > keep/k; ln keep/k keep/hard; ln -s ../a/one keep/soft; mkfifo keep/fifo
        mknod keep/null c 1 3; echo o > opaque/old/o; echo f > dir2file/f; echo t > file2dir; chmod 4755 a/one
        tar --sort=name --owner=3 --group=4 --mtime=@1600000000 -cf - .; rm -rf $d
        """,
        """
        d=$(mktemp -d); cd $d; mkdir -p a/b opaque file2dir; : > .wh.gone; : > a/b/.wh.two; : > opaque/.wh..wh..opq
        echo n > opaque/new; echo now-a-file > dir2file; echo in > file2dir/in
        tar --sort=name --owner=0 --group=0 --mtime=@1600000000 -cf - .; rm -rf $d
        """,
        """
        d=$(mktemp -d); cd $d; mkdir -p gone a; echo back > gone/again; chmod 700 a
        tar --sort=name --owner=0 --group=0 --mtime=@1600000000 -cf - .; rm -rf $d
        """,
    ]

    /// Images of the first one, two and three of the layers, `t:1` to `t:3`.
    private func prepare(_ bench: ImageBench) async throws {
        for count in 1...3 {
            try bench.layout("l\(count)", layers: Array(Self.layers.prefix(count)))
            try bench.shell("skopeo copy -q oci:l\(count):latest oci-archive:\(count).tar:t:\(count)")
            try await bench.load("\(count).tar")
        }
    }

    /// What overlayfs shows of an image: a line for each entry.
    private func shown(_ bench: ImageBench, _ name: String) throws -> String {
        let image = try bench.service.find(name).image
        let mounts = image.layers.enumerated().map { number, layer in
            "mkdir m\(number); mount -t erofs -o ro,loop '\(bench.service.driver.path(of: layer.diffID))' m\(number)"
        }
        let lower = image.layers.indices.reversed().map { "m\($0)" }.joined(separator: ":")
        let stack =
            image.layers.count == 1
            ? "ln -s m0 all" : "mkdir all; mount -t overlay -o ro,lowerdir=\(lower) overlay all"
        // In a mount namespace of its own, so that nothing stays mounted.
        return try bench.shell(
            """
            unshare -m sh -c "set -e; \(mounts.joined(separator: "; ")); \(stack)
            cd all/; find . -mindepth 1 -printf '%P %y %m %U %G %s %l\\\\n' | sort; cd .."; rm -rf m? all
            """)
    }

    @Test(arguments: 1...3) func theMergedTreeIsWhatTheKernelShows(_ count: Int) async throws {
        try await ImageBench.run { bench in
            try await prepare(bench)
            let entries = try await bench.service.files("t:\(count)", layer: nil)
            let letters: [FileEntry.Kind: String] = [
                .file: "f", .hardlink: "f", .directory: "d", .symlink: "l", .fifo: "p", .character: "c",
            ]
            func line(_ entry: FileEntry, _ size: String) -> String {
                let target = entry.kind == .symlink ? entry.linkTarget ?? "" : ""
                return
                    "\(entry.path.dropFirst()) \(letters[entry.kind] ?? "?") \(String(entry.mode, radix: 8)) \(entry.uid) \(entry.gid) \(size) \(target)"
            }
            let seen = try shown(bench, "t:\(count)").split(separator: "\n").map(String.init)
            // Sizes count where there is content: directories have whatever the file system likes.
            let sizes = Dictionary(
                seen.map { ($0.split(separator: " ")[0], String($0.split(separator: " ")[5])) },
                uniquingKeysWith: { $1 })
            let ours = entries.map { entry in
                line(
                    entry,
                    entry.kind == .file || entry.kind == .hardlink
                        ? "\(entry.size)" : sizes[entry.path.dropFirst()[...]] ?? "missing")
            }
            #expect(ours.sorted() == seen.sorted())
            #expect(entries.map(\.path) == entries.map(\.path).sorted { Self.precedes($0, $1) })
            let links = entries.filter { $0.kind == .hardlink }
            #expect(links.map(\.path) == ["/keep/k"] && links.map(\.linkTarget) == ["/keep/hard"])
        }
    }

    /// By components, each by its bytes.
    private static func precedes(_ left: String, _ right: String) -> Bool {
        let parts = { (path: String) in path.split(separator: "/").map { Array($0.utf8) } }
        for (one, other) in zip(parts(left), parts(right)) where one != other {
            return one.lexicographicallyPrecedes(other)
        }
        return parts(left).count < parts(right).count
    }

    private static let drivers: [SnapshotKind] = [.erofs, .directory]

    @Test(arguments: drivers) func aLayerShowsItsOwnEntriesAndIsFoundByAnyOfItsNames(_ kind: SnapshotKind) async throws
    {
        try await ImageBench.run(kind) { bench in
            try await prepare(bench)
            let image = try bench.service.find("t:3").image
            let second = try await bench.service.files("t:3", layer: "2")
            #expect(
                second.filter { $0.kind == .whiteout }.map(\.path)
                    == ["/a/b/two", "/gone", "/opaque/.wh..wh..opq"].sorted { Self.precedes($0, $1) })
            #expect(second.allSatisfy { $0.diffID == image.layers[1].diffID })
            let blob = image.manifests[0].layers[1].digest
            for name in [
                image.layers[1].diffID.description, image.layers[1].diffID.short, blob.description, blob.short,
            ] {
                #expect(try await bench.service.files("t:3", layer: name) == second, "\(name)")
            }
            for wrong in ["0", "4", "sha256:", "feedfeedfeed"] {
                let error = await #expect(throws: ImageError.self, "\(wrong)") {
                    try await bench.service.files("t:3", layer: wrong)
                }
                #expect(error?.code == .notFound)
            }
        }
    }

    @Test(arguments: drivers) func differencesAreFoundInBothDirections(_ kind: SnapshotKind) async throws {
        try await ImageBench.run(kind) { bench in
            try await prepare(bench)
            let there = try await bench.service.diff("t:1", "t:2")
            #expect(
                there.map { "\($0.change.rawValue) \($0.path) \($0.oldSize ?? -1) \($0.newSize ?? -1)" } == [
                    // The second layer's directories belong to somebody else.
                    "C / -1 -1", "C /a -1 -1", "C /a/b -1 -1", "D /a/b/two 3 -1", "C /dir2file -1 11",
                    "D /dir2file/f 2 -1", "C /file2dir 2 -1", "A /file2dir/in -1 3", "D /gone -1 -1", "D /gone/x -1 -1",
                    "D /gone/x/y 2 -1", "C /opaque -1 -1", "A /opaque/new -1 2", "D /opaque/old -1 -1",
                    "D /opaque/old/o 2 -1",
                ])
            let back = try await bench.service.diff("t:2", "t:1")
            let turned: [FileDifference.Change: FileDifference.Change] = [
                .added: .deleted, .deleted: .added, .changed: .changed,
            ]
            #expect(
                back.map { "\($0.change) \($0.path)" } == there.map { "\(turned[$0.change] ?? .changed) \($0.path)" })
            #expect(try await bench.service.diff("t:2", "t:2").isEmpty)
        }
    }

    @Test(arguments: drivers) func contentIsComparedWhereTheLayersDiffer(_ kind: SnapshotKind) async throws {
        try await ImageBench.run(kind) { bench in
            for (number, text) in ["same", "same", "diff"].enumerated() {
                // The second is the first built again: other times alone.
                let command =
                    "d=$(mktemp -d); printf \(text) > $d/f; truncate -s 100000 $d/hole; tar -S -C $d --owner=0 --group=0 --mtime=@\(1_600_000_000 + number) -cf - f hole; rm -rf $d"
                try bench.layout("l\(number)", layers: [command])
                try bench.shell("skopeo copy -q oci:l\(number):latest oci-archive:\(number).tar:c:\(number)")
                try await bench.load("\(number).tar")
            }
            #expect(try await bench.service.diff("c:0", "c:1").isEmpty)
            #expect(
                try await bench.service.diff("c:0", "c:2")
                    == [FileDifference(change: .changed, path: "/f", oldSize: 4, newSize: 4)])
        }
    }

    @Test func whoKeepsAnImageAndItsLayersIsTold() async throws {
        try await ImageBench.run { bench in
            try await prepare(bench)
            let image = try bench.service.find("t:3").image
            var reasons = try await bench.service.why("t:3")
            #expect(reasons[0].subject == image.id.short && reasons[0].reason == "tag t:3")
            #expect(reasons[0].bytes > 0, "the tag alone keeps it")
            let shared = reasons.filter { $0.subject == "layer \(image.layers[0].diffID.short)" }
            #expect(shared.map(\.reason) == ["layer 1 of t:1", "layer 1 of t:2", "layer 1 of t:3"])
            #expect(shared.allSatisfy { $0.bytes == 0 }, "nothing is freed when one of several goes")
            let own = reasons.filter { $0.subject == "layer \(image.layers[2].diffID.short)" }
            #expect(own.map(\.reason) == ["layer 3 of t:3"])
            #expect(own[0].bytes > 0)
            #expect(try await bench.service.why(image.layers[2].diffID.short) == own)
            #expect(try await bench.service.why(image.manifests[0].layers[2].digest.description) == own)
            try await bench.service.tag("t:3", as: Reference(parsing: "other:1"))
            reasons = try await bench.service.why("t:3")
            #expect(reasons.prefix(2).map(\.reason) == ["tag other:1", "tag t:3"])
            #expect(reasons.prefix(2).allSatisfy { $0.bytes == 0 })
            for name in ["t:3", "other:1"] {
                _ = try await bench.service.remove(name, force: false, keepParents: false, platform: nil)
            }
            reasons = try await bench.service.why(image.id.short)
            #expect(reasons[0].reason == "undo until 2023-11-15T22:13:20Z")
            #expect(reasons[0].bytes > 0)
            await #expect(throws: ImageError.self) { try await bench.service.why("nosuch") }
        }
    }
}
