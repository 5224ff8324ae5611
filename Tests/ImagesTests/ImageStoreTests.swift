import OCI
import SQL
import TestSupport
import Testing

@testable import Images

struct ImageStoreTests {
    private let directory: TemporaryDirectory
    private let store: ImageStore

    init() throws {
        directory = try TemporaryDirectory()
        store = ImageStore(path: directory.path + "/strata.db")
    }

    /// One step of the journal; the step's number.
    @discardableResult
    private func step(_ action: StepAction, at now: Int64 = 100, _ body: (inout Step) throws -> Void) throws -> Int64? {
        try store.write { connection in
            var step = Step(action, at: now, grace: 1000, connection)
            try body(&step)
            return try step.finish()
        }
    }

    private func find(_ name: String) throws -> FoundImage { try store.read { try ImageStore.find(name, $0) } }

    private func add(_ image: NewImage, as names: String...) throws {
        try step(.pull) { step in
            try step.add(image)
            for name in names {
                try step.name(Samples.name(name), manifest: image.descriptor.digest, target: image.descriptor)
            }
        }
    }

    @Test func anImageComesBackAsItWent() throws {
        let new = try Samples.image(
            [1, 2, 1], labels: ["a": "b", "nul\0": "ü"], source: "127.0.0.1:5000/alpine")
        let index = Descriptor(mediaType: .ociIndex, digest: Digest.sha256(of: [1]), size: 77)
        try step(.pull) { step in
            try step.add(new)
            try step.name(Samples.name("alpine:3.15"), manifest: new.descriptor.digest, target: index)
            try step.name(
                Samples.name("alpine@\(index.digest)"), manifest: new.descriptor.digest, target: index)
        }
        let image = try find("alpine:3.15").image
        #expect(image.id == new.id)
        #expect(image.layers.map(\.diffID) == new.config.value.rootfs.diffIDs)
        #expect(image.layers.map(\.size) == [100, 200, 100])
        #expect(image.size == 400, "a layer that an image uses twice counts twice, as its files are there twice")
        #expect(image.labels == ["a": "b", "nul\0": "ü"])
        #expect(image.created == 1_725_624_336)
        #expect(image.manifests.map(\.descriptor) == [new.descriptor])
        #expect(image.manifests[0].layers == new.manifest.value.layers)
        #expect(image.manifests[0].sources == ["127.0.0.1:5000/alpine"])
        #expect(image.tags.map(\.name.familiar) == ["alpine:3.15"])
        #expect(image.tags.map(\.target) == [index])
        #expect(image.digests.map(\.name.familiar) == ["alpine@\(index.digest)"])
    }

    struct NameCase: Sendable {
        var typed: String
        var finds: Bool
        var why: String
    }

    @Test(arguments: [
        NameCase(typed: "alpine", finds: true, why: "latest is the default"),
        NameCase(typed: "docker.io/library/alpine:latest", finds: true, why: "the full name"),
        NameCase(typed: "alpine:3", finds: false, why: "another tag"),
        NameCase(typed: "ID", finds: true, why: "the whole ID, 64 digits"),
        NameCase(typed: "sha256:ID", finds: true, why: "with its algorithm"),
        NameCase(typed: "ID12", finds: true, why: "the short ID"),
        NameCase(typed: "sha256:ID12", finds: true, why: "a short ID with its algorithm, which also parses as a name"),
        NameCase(typed: "alpine@sha256:MANIFEST", finds: true, why: "by digest"),
        NameCase(typed: "alpine:nonsense@sha256:MANIFEST", finds: true, why: "a digest goes before a tag"),
        NameCase(typed: "busybox@sha256:MANIFEST", finds: false, why: "the digest is known of another repository"),
    ])
    func namesAreFoundAsDockerFindsThem(_ name: NameCase) throws {
        let new = try Samples.image([1])
        try step(.pull) { step in
            try step.add(new)
            for name in ["alpine", "alpine@\(new.descriptor.digest)"] {
                try step.name(Samples.name(name), manifest: new.descriptor.digest, target: new.descriptor)
            }
        }
        let typed = name.typed.replacing("ID12", with: new.id.short).replacing("ID", with: new.id.hex)
            .replacing("MANIFEST", with: new.descriptor.digest.hex)
        if name.finds {
            #expect(try find(typed).image.id == new.id, "\(name.why)")
        } else {
            let error = #expect(throws: ImageError.self, "\(name.why)") { try find(typed) }
            #expect(error?.code == .notFound)
            #expect(error?.message.hasPrefix("No such image: ") == true)
        }
    }

    @Test func anAmbiguousPrefixIsCalledSo() throws {
        for layer in 1...40 { try add(Samples.image([layer]), as: "i:\(layer)") }
        // Of 40 IDs two begin with the same of 16 digits.
        let ids = try store.read { try ImageStore.images(.live, .summary, $0) }.map(\.id)
        let shared = try #require(Dictionary(grouping: ids) { $0.hex.prefix(1) }.first { $0.value.count > 1 }?.key)
        let error = #expect(throws: ImageError.self) { try find(String(shared)) }
        #expect(error?.message == "multiple IDs found with provided prefix: \(shared)")
    }

    @Test func aMovedTagLeavesTheOldImageWithoutAName() throws {
        let old = try Samples.image([1])
        let new = try Samples.image([2])
        try add(old, as: "alpine")
        try add(new, as: "alpine")
        #expect(try find("alpine").image.id == new.id)
        #expect(try find(old.id.hex).image.references.isEmpty)
    }

    @Test func twoManifestsOfOneConfigAreOneImage() throws {
        let first = try Samples.image([1, 2])
        let second = try Samples.image([1, 2], manifestType: .dockerManifest)
        try add(first, as: "a")
        try add(second, as: "b")
        let image = try find("a").image
        #expect(image.id == (try find("b").image.id))
        #expect(image.manifests.map(\.descriptor) == [first.descriptor, second.descriptor])
        #expect(image.manifest(for: try find("b").reference)?.descriptor == second.descriptor)
        #expect(image.manifest(for: try find("a").reference)?.descriptor == first.descriptor)
    }

    @Test func aRemovedImageIsFoundByNobodyAndComesBackWhenItIsPulledAgain() throws {
        let new = try Samples.image([1])
        try add(new, as: "alpine")
        let image = try find("alpine").image
        try step(.remove) { step in
            try step.unname(Samples.name("alpine"))
            try step.remove(image)
        }
        #expect(throws: ImageError.self) { try find(new.id.hex) }
        #expect(throws: ImageError.self) { try find(String(new.id.hex.prefix(4))) }
        try add(new, as: "alpine")
        #expect(try find(new.id.hex).image.removedBy == nil)
    }

    @Test func theJournalTellsWhatWasBefore() throws {
        let old = try Samples.image([1])
        let new = try Samples.image([2])
        try add(old, as: "alpine")
        let moved = try #require(
            try step(.tag, at: 200) { step in
                try step.add(new)
                try step.name(Samples.name("alpine"), manifest: new.descriptor.digest, target: new.descriptor)
            })
        let row = try #require(
            try store.read {
                try $0.row("SELECT before_manifest, after_manifest FROM step_refs WHERE step = $1", [.integer(moved)])
            })
        #expect(row.text(0) == old.descriptor.digest.description)
        #expect(row.text(1) == new.descriptor.digest.description)
        let again = try step(.tag) { step in
            try step.name(Samples.name("alpine"), manifest: new.descriptor.digest, target: new.descriptor)
        }
        #expect(again == nil, "a step that changes nothing is none")
    }
}
