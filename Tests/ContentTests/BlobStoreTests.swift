import Content
import Linux
import OCI
import TestSupport
import Testing

struct BlobStoreTests {
    private let directory: TemporaryDirectory
    private let store: BlobStore

    init() throws {
        directory = try TemporaryDirectory()
        store = try BlobStore(root: directory.path)
    }

    private func put(_ bytes: [UInt8]) throws -> Descriptor {
        let digest = Digest.sha256(of: bytes)
        try store.put(bytes, as: digest)
        return Descriptor(mediaType: .ociConfig, digest: digest, size: Int64(bytes.count))
    }

    /// Every path below the store's directories that hold work in progress.
    private var leftovers: [String] {
        get throws {
            try ["ingest", "leases"].flatMap { try names(in: "\(directory.path)/\($0)") ?? [] }
        }
    }

    @Test func passesTheSuite() async throws {
        try await BlobSuite(store).run()
        #expect(try leftovers == [])
    }

    @Test func aSmallBlobUnderAWrongDigestIsRefusedAndLeavesNothing() throws {
        let wrong = Digest.sha256(of: [1])
        #expect(throws: BlobError.digestMismatch(expected: wrong, actual: Digest.sha256(of: [2]))) {
            try store.put([2], as: wrong)
        }
        #expect(store.size(of: wrong) == nil)
        #expect(try leftovers == [])
    }

    @Test func sha512BlobsAreKeptUnderTheirOwnAlgorithm() throws {
        var hasher = DigestHasher(.sha512)
        hasher.update([1, 2, 3])
        let digest = hasher.finalize()
        try store.put([1, 2, 3], as: digest)
        #expect(store.path(of: digest).contains("/blobs/sha512/"))
        #expect(try store.digests().map(\.0) == [digest])
        try store.verify(digest)
    }

    @Test func aDamagedBlobIsNeverGivenWhole() async throws {
        let content = sampleBytes(1_500_000)
        let blob = try put(content)
        _ = try runShell("printf X | dd of='\(store.path(of: blob.digest))' bs=1 seek=700000 conv=notrunc status=none")
        let reader = try await store.open(blob, from: 0)
        var given = 0
        let error = await #expect(throws: BlobError.self) {
            while let chunk = try await reader.next() { given += chunk.count }
        }
        #expect(given < content.count)
        guard case .damaged(blob.digest, _) = try #require(error) else {
            Issue.record("not called damaged: \(String(describing: error))")
            return
        }
        #expect(throws: BlobError.self) { try store.readSmall(blob, limit: 2_000_000) }
        #expect(throws: BlobError.self) { try store.verify(blob.digest) }
    }

    @Test func aCutOffBlobIsDamagedAndReplacedByPuttingItAgain() async throws {
        let blob = try put(sampleBytes(9000))
        _ = try runShell("truncate -s 8000 '\(store.path(of: blob.digest))'")
        await #expect(throws: BlobError.self) { try await store.open(blob, from: 0) }
        #expect(try await !store.contains(blob))
        _ = try put(sampleBytes(9000))
        try store.verify(blob.digest)
    }

    @Test func openingAgainFindsEverythingAndFinishesAHalfMadeLayout() throws {
        let blob = try put([7])
        _ = try runShell("rm '\(directory.path)/oci/index.json' '\(directory.path)/oci/oci-layout'")
        let again = try BlobStore(root: directory.path)
        #expect(again.size(of: blob.digest) == 1)
        #expect(try again.layoutProblem(expecting: []) == nil)
    }

    @Test func indexJsonListsWhatItIsToldAndNothingElseIsWritten() throws {
        let blob = try put([7])
        try store.writeIndex { [blob] }
        #expect(try store.listedManifests() == [blob])
        let before = try FileSeal(of: directory.path + "/oci/index.json")
        try store.writeIndex { [blob] }
        #expect(try FileSeal(of: directory.path + "/oci/index.json") == before, "the same list is not written again")
        #expect(try store.layoutProblem(expecting: []) == "index.json does not list what the database has")
    }

    @Test func whatDeadWritersLeftIsSweptInACollection() throws {
        let blob = try put([7])
        for name in [
            "ingest/small-abc", "oci/index.json.77.abc", "oci/oci-layout.1.x", "seals/sha256-\(blob.digest.hex).zz",
            "seals/sha256-\(String(repeating: "0", count: 64))",
        ] { try directory.write(name, [1]) }
        _ = try runShell("mkdir -p ingest/scratch-1 && echo x > ingest/scratch-1/file", in: directory.path)
        let freed = try store.withCollection { _ in try store.removeStaleIngests(all: false) }
        #expect(freed > 0)
        #expect(try leftovers == [])
        #expect(try names(in: directory.path + "/oci") == ["blobs", "index.json", "oci-layout"])
        #expect(try names(in: directory.path + "/seals") == ["sha256-\(blob.digest.hex)"])
    }
}
