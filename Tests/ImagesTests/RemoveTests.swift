import Content
import Linux
import OCI
import Snapshots
import TestSupport
import Testing

@testable import Images

/// What is removed comes back, or is gone at once.
struct RemoveTests {
    private func add(_ name: String, _ bench: ImageBench) async throws {
        try bench.shell("{ \(SmallLayer.files([name: "content of \(name)"])); } > \(name).tar")
        let input = try open("\(bench.path)/\(name).tar", .read)
        _ = try await bench.service.importImage(
            from: input.raw, as: try Reference(parsing: "\(name):1"), changes: [], message: "", platform: nil,
            progress: bench.progress)
    }

    @Test func whatIsRemovedAtOnceIsFreedAndTakesNoOtherStepWithIt() async throws {
        try await ImageBench.run { bench in
            let service = bench.service
            try await add("kept", bench)
            let kept = try service.driver.layers()
            try await add("gone", bench)
            #expect(try service.driver.layers().count == 2)
            _ = try await service.remove("kept:1", force: false, keepParents: false, platform: nil)
            _ = try await service.remove("gone:1", force: false, keepParents: false, platform: nil, now: true)
            #expect(try service.driver.layers() == kept, "only what went at once is freed")
            #expect(try service.blobs.digests().count == 3, "layer, config and manifest of the other")
            // The newest step that can be taken back is the one before.
            #expect(try await service.undoEntries().first?.changes.contains { $0.contains("kept:1") } == true)
            _ = try await service.undo(nil)
            #expect(try service.find("kept:1").image.layers.map(\.diffID) == kept)
            #expect(throws: ImageError.self) { try service.find("gone:1") }
        }
    }

    /// Steps that only the one that cannot be taken back stood in the way of are given up, too; what was before them is not.
    @Test func undoGoesOnToWhatCanBeTakenBack() async throws {
        try await ImageBench.run { bench in
            let service = bench.service
            func remove(_ name: String, now: Bool = false) async throws {
                _ = try await service.remove(name, force: false, keepParents: false, platform: nil, now: now)
            }
            try await add("a", bench)
            let first = try service.find("a:1").image.id
            try await remove("a:1")
            try bench.shell("rm a.tar; { \(SmallLayer.files(["other": "another one"])); } > b.tar")
            let input = try open("\(bench.path)/b.tar", .read)
            _ = try await service.importImage(
                from: input.raw, as: try Reference(parsing: "a:1"), changes: [], message: "", platform: nil,
                progress: bench.progress)
            try await service.tag("a:1", as: try Reference(parsing: "b:1"))
            try await remove("b:1")
            try await remove("a:1", now: true)
            // What brought the second image and what tagged it is gone with it; that `a:1` was removed before is not.
            #expect(try await service.undoEntries().map(\.action) == ["rm", "import"])
            let undone = try await service.undo(nil)
            #expect(undone.action == "rm")
            #expect(try service.find("a:1").image.id == first)
            #expect(throws: ImageError.self) { try service.find("b:1") }
        }
    }

    /// A name that is taken off at once leaves the image to its other names.
    @Test func anotherNameKeepsTheImage() async throws {
        try await ImageBench.run { bench in
            let service = bench.service
            try await add("one", bench)
            try await service.tag("one:1", as: try Reference(parsing: "two:1"))
            let removals = try await service.remove(
                "one:1", force: false, keepParents: false, platform: nil, now: true)
            #expect(
                removals.contains(.untagged("one:1"))
                    && removals.allSatisfy { if case .untagged = $0 { true } else { false } })
            let left = try service.find("two:1").image
            #expect(try service.config(of: left).value.rootfs.diffIDs == service.driver.layers())
        }
    }
}
