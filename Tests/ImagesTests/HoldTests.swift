import Content
import Linux
import OCI
import Snapshots
import TestSupport
import Testing

@testable import Images

/// Between the look-up of an image and the record of the container that is made of it.
struct HoldTests {
    private func withImage(_ body: (ImageBench, StoredImage) async throws -> Void) async throws {
        try await ImageBench.run { bench in
            try bench.shell("{ \(SmallLayer.files(["a": "b"])); } > a.tar")
            let input = try open("\(bench.path)/a.tar", .read)
            let id = try await bench.service.importImage(
                from: input.raw, as: try Reference(parsing: "mine:1"), changes: [], message: "", platform: nil,
                progress: bench.progress)
            try await body(bench, try bench.service.find(id.description).image)
        }
    }

    /// Another process's service over the same store, which sees these containers.
    private func other(_ bench: ImageBench, _ users: [ImageUser] = []) throws -> ImageService {
        try ImageService(
            options: bench.service.options, client: bench.client, driver: bench.service.driver, imageUsers: { users },
            now: { 1_700_000_000 })
    }

    /// Removes the image by force and gives up undo at once.
    private func takeAway(_ image: StoredImage, _ service: ImageService) async throws {
        if (try? service.find(image.id.description)) != nil {
            _ = try await service.remove("mine:1", force: true, keepParents: false, platform: nil)
        }
        _ = try await service.prune(ImageFilter(), all: true, plan: false, now: true)
    }

    @Test func whatIsHeldStaysWhateverAnotherProcessRemoves() async throws {
        try await withImage { bench, image in
            let (found, lease) = try bench.service.hold("mine:1")
            #expect(found.image.id == image.id)
            try await takeAway(image, try other(bench))
            #expect(try bench.service.driver.layers() == image.layers.map(\.diffID))
            #expect(try bench.service.config(of: image).value.rootfs.diffIDs == image.layers.map(\.diffID))
            lease.release()
            try await takeAway(image, try other(bench))
            #expect(try bench.service.driver.layers() == [], "nobody holds it any more")
            #expect(throws: ImageError.self) { try bench.service.hold("mine:1") }
            #expect(try names(in: bench.path + "/store/leases") == [])
        }
    }

    @Test func aContainerOfARemovedImageIsCommitted() async throws {
        try await withImage { bench, image in
            let (_, lease) = try bench.service.hold("mine:1")
            try await takeAway(image, try other(bench))
            // Now the container is there, and the lease goes.
            let service = try other(bench, [ImageUser(containerID: "c", imageID: image.id, isRunning: false)])
            lease.release()
            try await takeAway(image, service)
            #expect(try service.driver.layers() == image.layers.map(\.diffID))
            try bench.shell("{ \(SmallLayer.files(["c": "d"])); } > c.tar")
            var request = CommitRequest(base: image.id, config: ContainerConfig())
            request.target = try Reference(parsing: "made:1")
            let input = try open("\(bench.path)/c.tar", .read)
            _ = try await service.commit(request, layerFrom: input.raw) {}
            let made = try service.find("made:1").image
            #expect(made.layers.count == 2 && made.layers[0].diffID == image.layers[0].diffID)
            // It stands on its own when the container and its image are gone.
            let last = try other(bench)
            _ = try await last.prune(ImageFilter(), all: false, plan: false, now: true)
            #expect(try await last.check(repair: false) { _ in }.findings.isEmpty)
            #expect(try last.driver.layers().count == 2)
        }
    }
}
