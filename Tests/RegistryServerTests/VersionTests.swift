import OCI
import RegistryServer
import Synchronization
import TestSupport
import Testing

/// Policies over versions: immutable tags, moves together, retention, quotas, space.
struct VersionTests {
    private final class Bench: Sendable {
        let directory: TemporaryDirectory
        let registry: Registry
        let name: RepositoryName

        init() throws {
            directory = try TemporaryDirectory()
            let box = Box()
            self.box = box
            registry = Registry(
                storage: try FileBlobStorage(path: directory.path),
                database: try RegistryDatabase(path: directory.path + "/registry.db"), now: { box.now })
            name = try RepositoryName(parsing: "team/app")
        }

        private final class Box: Sendable {
            private let value = Mutex<Int64>(1_800_000_000_000)
            var now: Int64 { value.withLock { $0 } }
            func advance(_ milliseconds: Int64) { value.withLock { $0 += milliseconds } }
        }

        private let box: Box

        deinit { try? registry.database.close() }

        func advance(days: Int64) { box.advance(days * 86_400_000) }

        func tag(_ text: String) throws -> TagName { try #require(TagName(parsing: text)) }

        func blob(_ bytes: [UInt8], in name: RepositoryName) async throws -> Digest {
            let digest = Digest.sha256(of: bytes)
            let id = try await registry.startUpload(to: name, hashing: .sha256)
            try await registry.withUpload(id, of: name) { upload in
                try unsafe bytes.withUnsafeBytes { try unsafe upload.append($0) }
                try await registry.finish(upload, id, as: digest, in: name)
            }
            return digest
        }

        /// Pushes an image of a config and layers.
        @discardableResult
        func image(_ tag: String, layers: [[UInt8]], in name: RepositoryName? = nil) async throws -> (
            digest: Digest, size: Int
        ) {
            let name = name ?? self.name
            let config = Array("config of \(layers.map(\.count))".utf8)
            let configDigest = try await blob(config, in: name)
            var list: [String] = []
            for layer in layers {
                let digest = try await blob(layer, in: name)
                list.append(
                    #"{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"\#(digest)","size":\#(layer.count)}"#
                )
            }
            let bytes = Array(
                """
                {"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":\
                "application/vnd.test","digest":"\(configDigest)","size":\(config.count)},"layers":[\(list.joined(separator: ","))]}
                """.utf8)
            let digest = try await registry.putManifest(
                bytes, mediaType: .ociManifest, as: ManifestReference(parsing: tag), tags: [], if: nil, to: name,
                by: "ci"
            ).digest
            return (digest, bytes.count + config.count)
        }

        func tags() async throws -> [String] {
            let name = name
            return try await registry.database.read { try $0.tags(of: name, after: "", limit: 100) }
        }
    }

    @Test func immutableTagsNeitherMoveNorGo() async throws {
        let bench = try Bench()
        let rule = ImmutableTags(repositories: try RepositoryPattern("team/*"), tags: try TagPattern("v*"))
        try await bench.registry.database.write { try $0.addImmutableTags(rule) }
        try await bench.image("v1", layers: [[1]])
        // The same again is no move.
        try await bench.image("v1", layers: [[1]])
        await #expect(throws: RegistryFailure.self) { try await bench.image("v1", layers: [[2], [3]]) }
        let one = try bench.tag("v1")
        let name = bench.name
        await #expect(throws: RegistryFailure.self) {
            try await bench.registry.deleteManifest(.tag(one), from: name, by: "ci")
        }
        let digest = try #require(try await bench.registry.database.read { try $0.tag(one, in: name) })
        await #expect(throws: RegistryFailure.self) {
            try await bench.registry.deleteManifest(.digest(digest), from: name, by: "ci")
        }
        try await bench.image("latest", layers: [[1]])
        try await bench.image("latest", layers: [[2], [3]])
        try await bench.registry.database.write { try $0.removeImmutableTags(rule) }
        try await bench.registry.deleteManifest(.tag(one), from: name, by: "ci")
        #expect(try await bench.tags() == ["latest"])
        await #expect(throws: AccountError.self) {
            try await bench.registry.database.write { try $0.removeImmutableTags(rule) }
        }
    }

    /// All or none, with the history and the events of what happened and nothing else.
    @Test func severalTagsMoveTogether() async throws {
        let bench = try Bench()
        let old = try await bench.image("blue", layers: [[1]]).digest
        let new = try await bench.image("green", layers: [[2], [3]]).digest
        let (blue, green, live) = (try bench.tag("blue"), try bench.tag("green"), try bench.tag("live"))
        let name = bench.name
        try await bench.registry.moveTags(
            [
                TagMove(tag: live, digest: new, condition: .absent),
                TagMove(tag: blue, digest: new, condition: .among([old])),
                TagMove(tag: green, digest: nil),
            ], of: name, by: "ops")
        #expect(try await bench.tags() == ["blue", "live"])
        let before = try await bench.registry.database.read { (try $0.history(of: name).count, try $0.lastEvent()) }
        await #expect(throws: RegistryFailure.self) {
            try await bench.registry.moveTags(
                [TagMove(tag: blue, digest: old), TagMove(tag: live, digest: old, condition: .absent)], of: name,
                by: "ops")
        }
        let after = try await bench.registry.database.read { (try $0.history(of: name).count, try $0.lastEvent()) }
        #expect(before == after && before.0 == 5)
        #expect(try await bench.registry.database.read { try $0.tag(blue, in: name) } == new)
        let unknown = Digest.sha256(of: [9])
        await #expect(throws: RegistryFailure.self) {
            try await bench.registry.moveTags([TagMove(tag: blue, digest: unknown)], of: name, by: "ops")
        }
        let entries = try await bench.registry.database.read { try $0.history(of: name) }
        #expect(HistoryChain.problem(in: entries) == nil && entries.last?.by == "ops")
    }

    @Test func retentionDoesWhatItsPreviewSays() async throws {
        let bench = try Bench()
        for number in 1...5 {
            try await bench.image("nightly-\(number)", layers: [[UInt8(number)]])
            bench.advance(days: 1)
        }
        try await bench.image("v1", layers: [[100]])
        let policy = RetentionPolicy(rules: [
            try .init(parsing: "nightly-*: newest 2, pulled 1d"), try .init(parsing: "v*: always"),
        ])
        let pattern = try RepositoryPattern("team/**")
        let time = bench.registry.now()
        try await bench.registry.database.write { try $0.setRetention(policy, for: pattern, at: time) }
        #expect(try await bench.registry.database.read { try $0.retentionPolicies() }.first?.policy == policy)
        // Somebody uses an old one.
        _ = try await bench.registry.manifestContent(.tag(bench.tag("nightly-1")), in: bench.name)
        let preview = try await bench.registry.retentionPreview()
        let goes = preview.flatMap(\.decisions).filter { !$0.keeps }
        #expect(goes.map(\.tag.name).sorted() == ["nightly-2", "nightly-3"])
        #expect(preview.flatMap(\.decisions).allSatisfy { !$0.reason.isEmpty })
        #expect(try await bench.tags().count == 6)
        let removed = try await bench.registry.applyRetention()
        #expect(removed.map(\.decision) == goes)
        #expect(try await bench.tags() == ["nightly-1", "nightly-4", "nightly-5", "v1"])
        #expect(try await bench.registry.applyRetention().isEmpty)
        // Within the grace time it can be undone.
        try await bench.registry.restoreTag(bench.tag("nightly-3"), of: bench.name, by: "ann")
        #expect(try await bench.tags().contains("nightly-3"))
    }

    @Test(arguments: [
        "v*", "v*:", "v*: some 3", "v*: newest x", "v*: moved 3", "v*: moved 99999999999999999999d", "v *: always",
    ])
    func retentionRulesThatAreNone(_ text: String) {
        #expect(throws: AccountError.self) { _ = try RetentionPolicy.Rule(parsing: text) }
    }

    @Test(arguments: ["v*: newest 10, moved 90d", "a: always", "*: pulled 12h, moved 90s", "x: newest 0"])
    func retentionRulesReadAsTheyWereWritten(_ text: String) throws {
        #expect(try RetentionPolicy.Rule(parsing: text).text == text)
    }

    @Test func quotasRefuseWhatHasNoRoom() async throws {
        let bench = try Bench()
        let pattern = try RepositoryPattern("team/*")
        try await bench.registry.database.write { try $0.setQuota(Quota(pattern: pattern, bytes: 100)) }
        let name = bench.name
        _ = try await bench.blob([UInt8](repeating: 1, count: 60), in: name)
        // The same blob in a second repository of the pattern takes nothing more.
        let second = try RepositoryName(parsing: "team/second")
        _ = try await bench.blob([UInt8](repeating: 1, count: 60), in: second)
        #expect(try await bench.registry.database.read { try $0.usage(of: pattern) } == 60)
        do {
            _ = try await bench.blob([UInt8](repeating: 2, count: 41), in: name)
            Issue.record("41 bytes found room beside 60 of 100")
        } catch let failure as RegistryFailure {
            #expect(failure.status == 403 && failure.message.contains("quota of `team/*`"), "\(failure)")
        }
        // Nothing of the refused upload is left, and what fits still comes.
        #expect(try bench.registry.storage.uploads().isEmpty)
        _ = try await bench.blob([UInt8](repeating: 3, count: 40), in: name)
        await #expect(throws: RegistryFailure.self) {
            _ = try await bench.registry.startUpload(to: name, hashing: .sha256)
        }
        let kinds = try await bench.registry.database.read { try $0.events(after: 0, limit: 100) }.map(\.kind)
        #expect(kinds == [.quotaExceeded, .quotaExceeded])
        // Elsewhere there is room, but not for mounting from there.
        let other = try RepositoryName(parsing: "other")
        let digest = try await bench.blob([UInt8](repeating: 4, count: 50), in: other)
        await #expect(throws: RegistryFailure.self) {
            _ = try await bench.registry.mount(digest, from: other, to: name)
        }
    }

    @Test func spaceIsExplained() async throws {
        let bench = try Bench()
        let shared = [UInt8](repeating: 1, count: 1000)
        let one = try await bench.image("a", layers: [shared, [UInt8](repeating: 2, count: 200)])
        let two = try await bench.image("b", layers: [shared, [UInt8](repeating: 3, count: 300)])
        let other = try RepositoryName(parsing: "other")
        let third = [UInt8](repeating: 4, count: 4000)
        try await bench.image("x", layers: [third], in: other)
        try await bench.image("c", layers: [third])
        let name = bench.name
        let report = try await bench.registry.database.read { try $0.space(of: name) }
        #expect(report.tags.map(\.name) == ["a", "b", "c"])
        #expect(report.tags[0].bytes == Int64(1200 + one.size) && report.tags[0].uniqueBytes == Int64(200 + one.size))
        #expect(report.tags[1].uniqueBytes == Int64(300 + two.size))
        // Another repository has the same image: nothing is freed by removing it here.
        #expect(report.tags[2].uniqueBytes == 0 && report.tags[2].bytes > 4000)
        #expect(report.uniqueBytes == Int64(1500 + one.size + two.size))
        #expect(report.bytes == report.uniqueBytes + report.tags[2].bytes && report.untagged == 0)
        // Two tags of one manifest: removing one of them frees nothing.
        try await bench.registry.moveTags(
            [TagMove(tag: bench.tag("a2"), digest: one.digest)], of: name, by: "ci")
        let later = try await bench.registry.database.read { try $0.space(of: name) }
        #expect(later.tags.filter { $0.name.hasPrefix("a") }.allSatisfy { $0.uniqueBytes == 0 })
        // Without its tags a manifest still holds its bytes.
        try await bench.registry.moveTags(
            [TagMove(tag: bench.tag("a"), digest: nil), TagMove(tag: bench.tag("a2"), digest: nil)], of: name, by: "ci")
        let loose = try await bench.registry.database.read { try $0.space(of: name) }
        #expect(loose.untagged == 1 && loose.untaggedBytes == Int64(200 + one.size))
    }
}
