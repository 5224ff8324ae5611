import Content
import Linux
import OCI
import Synchronization
import TestSupport
import Testing

struct BlobIngestTests {
    private let directory: TemporaryDirectory
    private let store: BlobStore
    private let content = sampleBytes(300_000)
    private let blob: Descriptor

    init() throws {
        directory = try TemporaryDirectory()
        store = try BlobStore(root: directory.path)
        blob = Descriptor(mediaType: .ociLayer, digest: Digest.sha256(of: content), size: Int64(content.count))
    }

    private func begin() async throws -> BlobIngest {
        try #require(try await store.beginIngest(blob) { _ in Issue.record("nobody else brings it in") })
    }

    private var ingests: [String] { get throws { try names(in: directory.path + "/ingest") ?? [] } }

    @Test func aBlobThatCameInPartsIsThereAfterCommitAndNotBefore() async throws {
        let ingest = try await begin()
        #expect(ingest.offset == 0)
        for start in stride(from: 0, to: content.count, by: 70_000) {
            try await ingest.write(Array(content[start..<min(start + 70_000, content.count)]))
        }
        #expect(try await ingest.verify() == blob.digest)
        #expect(store.size(of: blob.digest) == nil)
        try await ingest.commit()
        #expect(try store.readSmall(blob, limit: 1 << 20) == content)
        #expect(try ingests == [])
    }

    @Test func aSuspendedIngestGoesOnWhereItStopped() async throws {
        let first = try await begin()
        try await first.write(Array(content[..<100_000]))
        try directory.write("ingest/sha256-\(blob.digest.hex)/scratch/derived", [1])
        await first.suspend()
        #expect(try store.abandoned().map(\.digest) == [blob.digest])

        let second = try await begin()
        #expect(second.offset == 100_000)
        #expect(try names(in: second.scratchDirectory) == [], "what was derived is derived again")
        #expect(try store.abandoned().isEmpty, "somebody works on it")
        let replayed = Mutex<[UInt8]>([])
        try await second.replay { chunk in replayed.withLock { $0 += chunk } }
        #expect(replayed.withLock { $0 } == Array(content[..<100_000]))
        try await second.write(Array(content[100_000...]))
        try await second.verify()
        try await second.commit()
        try store.verify(blob.digest)
        #expect(try ingests == [])
    }

    /// Room is taken ahead of a large blob; neither a stop nor the end keeps what is too much.
    @Test func aLargeBlobTakesTheRoomThatItNeeds() async throws {
        let content = sampleBytes(5_000_000)
        let blob = Descriptor(mediaType: .ociLayer, digest: Digest.sha256(of: content), size: Int64(content.count))
        func room(_ path: String) throws -> Int64 { try FileStatus(of: directory.path + path).allocated }
        let first = try #require(try await store.beginIngest(blob) { _ in })
        try await first.write(Array(content[..<2_000_000]))
        await first.suspend()
        #expect(try room("/ingest/sha256-\(blob.digest.hex)/data") < 2_100_000)
        let second = try #require(try await store.beginIngest(blob) { _ in })
        try await second.replay { _ in }
        try await second.write(Array(content[2_000_000...]))
        try await second.verify()
        try await second.commit()
        #expect(try room("/oci/blobs/sha256/\(blob.digest.hex)") < 5_100_000)
        try store.verify(blob.digest)
    }

    struct WrongCase: Sendable {
        var bytes: @Sendable ([UInt8]) -> [UInt8]
        var why: String
    }

    @Test(arguments: [
        WrongCase(bytes: { Array($0.dropLast()) }, why: "one byte short"),
        WrongCase(bytes: { $0 + [0] }, why: "one byte long"),
        WrongCase(bytes: { $0.dropLast() + [$0[$0.count - 1] ^ 1] }, why: "one bit wrong"),
        WrongCase(bytes: { _ in [] }, why: "nothing"),
    ])
    func wrongBytesAreRefusedAndCancelLeavesNoTrace(_ wrong: WrongCase) async throws {
        let ingest = try await begin()
        try await ingest.write(wrong.bytes(content))
        await #expect(throws: BlobError.self, "\(wrong.why)") { try await ingest.verify() }
        await #expect(throws: (any Error).self, "what is not verified is not committed") { try await ingest.commit() }
        await ingest.cancel()
        #expect(store.size(of: blob.digest) == nil)
        #expect(try ingests == [])
    }

    @Test func damageInWhatAnEarlierTryLeftIsFoundAtTheEnd() async throws {
        let first = try await begin()
        try await first.write(Array(content[..<100_000]))
        await first.suspend()
        // A crash of the machine may leave a file of the right length without its bytes.
        _ = try runShell("truncate -s 0 ingest/*/data && truncate -s 100000 ingest/*/data", in: directory.path)
        let second = try await begin()
        try await second.replay { _ in }
        try await second.write(Array(content[100_000...]))
        await #expect(throws: BlobError.self) { try await second.verify() }
        await second.cancel()
        #expect(try await begin().offset == 0)
    }

    @Test func aLongerFileThanTheBlobIsNotContinued() async throws {
        try directory.write("ingest/sha256-\(blob.digest.hex)/data", content + [1])
        #expect(try await begin().offset == 0)
    }

    @Test func aBlobThatIsHereNeedsNoIngest() async throws {
        try store.put(content, as: blob.digest)
        #expect(try await store.beginIngest(blob) { _ in } == nil)
        #expect(try ingests == [])
    }

    @Test func theSecondWaitsForTheFirstAndThenNeedsNothing() async throws {
        let first = try await begin()
        try await first.write(Array(content[..<100_000]))
        let told = Channel<Int64>(capacity: 1000)
        let store = store
        let blob = blob
        async let second = store.beginIngest(blob) { done in try? told.sendBlocking(done) }
        // It waits once it tells how far the first is.
        _ = try await told.receive()
        try await first.write(Array(content[100_000...]))
        try await first.verify()
        try await first.commit()
        #expect(try await second == nil)
    }

    /// Another process holds the lock, and dies: `flock` of util-linux takes the part of one.
    @Test func whenTheProcessThatBringsItInDiesTheNextGoesOn() async throws {
        let first = try await begin()
        try await first.write(Array(content[..<100_000]))
        await first.suspend()
        let holder = try LockHolder("\(directory.path)/ingest/sha256-\(blob.digest.hex)/lock")
        let told = Channel<Int64>(capacity: 1000)
        let store = store
        let blob = blob
        async let second = store.beginIngest(blob) { done in try? told.sendBlocking(done) }
        #expect(try await told.receive() == 100_000)
        try holder.die()
        #expect(try #require(try await second).offset == 100_000)
    }

    @Test func aBlobOfUnknownDigestIsNamedWhenItIsWhole() async throws {
        let lease = try store.lease()
        let ingest = try store.beginAnonymousIngest()
        try await ingest.write(content)
        let (digest, size) = try await ingest.commit(leasing: lease)
        #expect(digest == blob.digest)
        #expect(size == blob.size)
        #expect(try store.withCollection { $0 } == [digest])
        try store.verify(digest)
    }

    @Test func aCancelledTaskStopsWaiting() async throws {
        let first = try await begin()
        let told = Channel<Int64>(capacity: 1000)
        let store = store
        let blob = blob
        let waiting = Task { try await store.beginIngest(blob) { done in try? told.sendBlocking(done) } }
        _ = try await told.receive()
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        await first.cancel()
    }

    @Test func aSinkContinuesWhereAnEarlierSourceBrokeOff() async throws {
        let source = MemoryBlobs(breakAfter: 100_000)
        let blob = source.add(content)
        await #expect(throws: MemoryBlobs.Broken.self) { try await store.write(blob, from: source) { _ in } }
        let counted = Mutex<Int64>(0)
        try await store.write(blob, from: source) { bytes in counted.withLock { $0 += bytes } }
        #expect(source.offsets == [0, 100_000])
        #expect(counted.withLock { $0 } == 200_000)
        try store.verify(blob.digest)
    }

    @Test func aSourceWithoutRangesIsReadFromTheStartAndSkipped() async throws {
        let source = MemoryBlobs(breakAfter: 100_000, startsInTheMiddle: false)
        let blob = source.add(content)
        await #expect(throws: MemoryBlobs.Broken.self) { try await store.write(blob, from: source) { _ in } }
        try await store.write(blob, from: source) { _ in }
        try store.verify(blob.digest)
    }
}
