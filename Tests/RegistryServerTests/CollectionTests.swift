import OCI
import RegistryServer
import Synchronization
import TestSupport
import Testing

/// Garbage collection, checks and bringing back, under a clock of the test's own.
struct CollectionTests {
    private final class Clock: Sendable {
        private let milliseconds = Mutex<Int64>(1_800_000_000_000)
        var now: Int64 { milliseconds.withLock { $0 } }
        func advance(hours: Int64) { milliseconds.withLock { $0 += hours * 3_600_000 } }
    }

    private final class Bench: Sendable {
        let directory: TemporaryDirectory
        let clock: Clock
        let registry: Registry
        let name: RepositoryName

        init(_ change: (inout RegistryPolicy) -> Void = { _ in }) throws {
            directory = try TemporaryDirectory()
            var policy = RegistryPolicy()
            change(&policy)
            let clock = Clock()
            self.clock = clock
            registry = Registry(
                storage: try FileBlobStorage(path: directory.path),
                database: try RegistryDatabase(path: directory.path + "/registry.db"), policy: policy,
                now: { clock.now })
            name = try RepositoryName(parsing: "team/app")
        }

        deinit { try? registry.database.close() }

        @discardableResult
        func blob(_ text: String, in name: RepositoryName? = nil) async throws -> Digest {
            let bytes = Array(text.utf8)
            let digest = Digest.sha256(of: bytes)
            let id = try await registry.startUpload(to: name ?? self.name, hashing: .sha256)
            try await registry.withUpload(id, of: name ?? self.name) { upload in
                try unsafe bytes.withUnsafeBytes { try unsafe upload.append($0) }
                try await registry.finish(upload, id, as: digest, in: name ?? self.name)
            }
            return digest
        }

        /// Pushes an image of one config under a tag, or by digest.
        @discardableResult
        func image(_ text: String, tag: String?) async throws -> Digest {
            let config = try await blob(text)
            let bytes = Array(
                """
                {"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":\
                "application/vnd.test","digest":"\(config)","size":\(text.utf8.count)},"layers":[]}
                """.utf8)
            let reference = try ManifestReference(parsing: tag ?? Digest.sha256(of: bytes).description)
            return try await registry.putManifest(
                bytes, mediaType: .ociManifest, as: reference, tags: [], if: nil, to: name, by: "ci"
            ).digest
        }

        func delete(_ reference: String) async throws {
            try await registry.deleteManifest(try ManifestReference(parsing: reference), from: name, by: "ci")
        }
    }

    @Test func onlyWhatNothingNeedsGoesAndOnlyAfterTheGraceTime() async throws {
        let bench = try Bench()
        let kept = try await bench.image("kept", tag: "kept")
        let gone = try await bench.image("gone", tag: "gone")
        let loose = try await bench.blob("loose")
        try await bench.delete(gone.description)
        #expect(try await bench.registry.garbage().isEmpty)
        #expect(try await bench.registry.collectGarbage().isEmpty)
        bench.clock.advance(hours: 25)
        let fresh = try await bench.blob("fresh")
        let preview = try await bench.registry.garbage()
        let removed = try await bench.registry.collectGarbage()
        #expect(Set(preview) == Set(removed))
        #expect(
            Set(removed.filter { $0.kind == .blob }.map(\.digest)) == [loose, Digest.sha256(of: Array("gone".utf8))])
        #expect(removed.filter { $0.kind == .manifest }.map(\.digest) == [gone])
        let storage = bench.registry.storage
        #expect(try storage.size(of: loose) == nil)
        #expect(try storage.size(of: fresh) == 5)
        #expect(try storage.size(of: Digest.sha256(of: Array("kept".utf8))) == 4)
        #expect(try await bench.registry.manifest(.digest(kept), in: bench.name).digest == kept)
        #expect(try await bench.registry.check() == [])
        #expect(try await bench.registry.collectGarbage().isEmpty)
    }

    @Test func aBlobThatAnotherRepositoryHasStays() async throws {
        let bench = try Bench()
        let other = try RepositoryName(parsing: "other")
        let digest = try await bench.blob("shared")
        bench.clock.advance(hours: 25)
        #expect(try await bench.registry.mount(digest, from: bench.name, to: other))
        let removed = try await bench.registry.collectGarbage()
        #expect(removed.map(\.kind) == [.link])
        #expect(try await bench.registry.blob(digest, in: other, building: false) == 6)
        await #expect(throws: RegistryFailure.self) {
            _ = try await bench.registry.blob(digest, in: bench.name, building: false)
        }
    }

    @Test func whatAClientAsksForInOrderToBuildOnItStays() async throws {
        let bench = try Bench()
        let digest = try await bench.blob("base")
        bench.clock.advance(hours: 25)
        _ = try await bench.registry.blob(digest, in: bench.name, building: true)
        #expect(try await bench.registry.collectGarbage().isEmpty)
    }

    @Test func untaggedManifestsGoByPolicyOnly() async throws {
        for removes in [false, true] {
            let bench = try Bench { $0.removesUntagged = removes }
            let byDigest = try await bench.image("by digest", tag: nil)
            let moved = try await bench.image("first", tag: "latest")
            bench.clock.advance(hours: 25)
            try await bench.image("second", tag: "latest")
            let removed = try await bench.registry.collectGarbage()
            // What the tag named until now can still be brought back.
            #expect(removed.filter { $0.kind == .untagged }.map(\.digest) == (removes ? [byDigest] : []))
            bench.clock.advance(hours: 25)
            let later = try await bench.registry.collectGarbage()
            #expect(later.filter { $0.kind == .untagged }.map(\.digest) == (removes ? [moved] : []))
            #expect(try await bench.registry.check() == [])
        }
    }

    @Test func aDeletedTagComesBackWhole() async throws {
        let bench = try Bench()
        let digest = try await bench.image("image", tag: "v1")
        let tag = try #require(TagName(parsing: "v1"))
        try await bench.delete(digest.description)
        try await bench.registry.deleteBlob(Digest.sha256(of: Array("image".utf8)), from: bench.name, by: "ci")
        bench.clock.advance(hours: 23)
        try await bench.registry.collectGarbage()
        #expect(try await bench.registry.restoreTag(tag, of: bench.name, by: "admin") == digest)
        #expect(try await bench.registry.manifest(.tag(tag), in: bench.name).digest == digest)
        #expect(try await bench.registry.check() == [])
        bench.clock.advance(hours: 48)
        #expect(try await bench.registry.collectGarbage().isEmpty)
        try await bench.delete("v1")
        try await bench.delete(digest.description)
        bench.clock.advance(hours: 25)
        try await bench.registry.collectGarbage()
        let error = await #expect(throws: RegistryFailure.self) {
            try await bench.registry.restoreTag(tag, of: bench.name, by: "admin")
        }
        #expect(error?.message.contains("grace") == true)
    }

    @Test func orphansGoAndDamageIsNamed() async throws {
        let bench = try Bench()
        try await bench.image("image", tag: "v1")
        let config = Digest.sha256(of: Array("image".utf8))
        let path = "\(bench.directory.path)/blobs/sha256"
        // A push that died between the rename and the row.
        let orphan = Digest.sha256(of: Array("orphan".utf8))
        _ = try runShell(
            "mkdir -p \(path)/\(orphan.hex.prefix(2)); printf orphan > \(path)/\(orphan.hex.prefix(2))/\(orphan.hex)")
        #expect(try await bench.registry.check() == [])
        #expect(try await bench.registry.collectGarbage().map(\.kind) == [.orphan])
        _ = try runShell("printf IMAGE > \(path)/\(config.hex.prefix(2))/\(config.hex)")
        let problems = try await bench.registry.check()
        #expect(problems.count == 1 && problems[0].subject == "blob \(config)", "\(problems)")
        _ = try runShell("rm \(path)/\(config.hex.prefix(2))/\(config.hex)")
        #expect(try await bench.registry.check().first?.message.contains("missing") == true)
        // Pushing it again mends it.
        try await bench.blob("image")
        #expect(try await bench.registry.check() == [])
    }

    @Test func forgottenUploadsGo() async throws {
        let bench = try Bench { $0.uploadLifetime = .seconds(3600) }
        let id = try await bench.registry.startUpload(to: bench.name, hashing: .sha256)
        // The clock of the test is far ahead of the file's own time.
        #expect(try await bench.registry.expireUploads() == 1)
        #expect(try bench.registry.storage.uploads().isEmpty)
        await #expect(throws: RegistryFailure.self) { try await bench.registry.cancelUpload(id, of: bench.name) }
    }

    /// Pushes, deletions and collections at once: no push fails, nothing that was pushed is lost.
    @Test func pushesAndCollectionsAtOnce() async throws {
        // The clock is days ahead of the uploads' files: they must not count as forgotten.
        let bench = try Bench { $0.uploadLifetime = .seconds(1 << 40) }
        let registry = bench.registry
        let name = bench.name
        var removed = 0
        for round in 0..<12 {
            // What the round before deleted is garbage from now on, and is pushed again while it is collected.
            bench.clock.advance(hours: 25)
            removed += try await withThrowingTaskGroup(of: Int.self) { group in
                for worker in 0..<4 {
                    group.addTask {
                        let text = "layer \(worker % 2)"
                        let digest = Digest.sha256(of: Array(text.utf8))
                        let id = try await registry.startUpload(to: name, hashing: .sha256)
                        try await registry.withUpload(id, of: name) { upload in
                            try unsafe Array(text.utf8).withUnsafeBytes { try unsafe upload.append($0) }
                            try await registry.finish(upload, id, as: digest, in: name)
                        }
                        let bytes = Array(
                            """
                            {"schemaVersion":2,"config":{"mediaType":"a/b","digest":"\(digest)",\
                            "size":\(text.utf8.count)},"layers":[],"annotations":{"n":"\(worker).\(round)"}}
                            """.utf8)
                        let put = try await registry.putManifest(
                            bytes, mediaType: .ociManifest, as: try ManifestReference(parsing: "w\(worker)"), tags: [],
                            if: nil, to: name, by: "ci")
                        try await registry.deleteManifest(.digest(put.digest), from: name, by: "ci")
                        return 0
                    }
                }
                group.addTask { try await registry.collectGarbage().count }
                return try await group.reduce(0, +)
            }
        }
        #expect(removed > 0)
        #expect(try await registry.check() == [])
    }
}
