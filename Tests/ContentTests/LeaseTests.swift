import Content
import Linux
import OCI
import Synchronization
import TestSupport
import Testing

struct LeaseTests {
    private let directory: TemporaryDirectory
    private let store: BlobStore
    private let one = Digest.sha256(of: [1])
    private let two = Digest.sha256(of: [2])

    init() throws {
        directory = try TemporaryDirectory()
        store = try BlobStore(root: directory.path)
    }

    private func held() throws -> Set<Digest> { try store.withCollection { $0 } }

    @Test func aLeaseHoldsUntilItIsReleasedOrDropped() throws {
        let lease = try store.lease()
        try lease.add(one)
        try lease.add([one, two])
        #expect(try held() == [one, two])
        lease.release()
        #expect(try held() == [])
        do {
            let dropped = try store.lease()
            try dropped.add(two)
            #expect(try held() == [two])
        }
        #expect(try held() == [])
        #expect(try names(in: directory.path + "/leases") == [])
    }

    @Test func severalServicesSeeEachOthersLeases() throws {
        let other = try BlobStore(root: directory.path)
        let lease = try other.lease()
        try lease.add(one)
        #expect(try held() == [one])
        withExtendedLifetime(lease) {}
    }

    @Test func aLeaseOfAnotherProcessEndsWithTheProcess() throws {
        try directory.write("leases/other", Array("\(one)\n\(two)\n".utf8))
        let holder = try LockHolder(directory.path + "/leases/other")
        #expect(try held() == [one, two])
        try holder.die()
        #expect(try held() == [])
        #expect(try names(in: directory.path + "/leases") == [], "a dead lease is swept")
    }

    @Test func aHalfWrittenLineOfADyingProcessHoldsNothing() throws {
        try directory.write("leases/other", Array("\(one)\nsha256:12".utf8))
        let holder = try LockHolder(directory.path + "/leases/other")
        #expect(try held() == [one])
        withExtendedLifetime(holder) {}
    }

    /// While a collection of another process runs, nobody begins to need anything: what it removes, nobody looked at.
    @Test func aLeaseWaitsForACollection() async throws {
        let holder = try LockHolder(directory.path + "/gc.lock")
        let store = store
        let one = one
        let leased = Mutex(false)
        async let lease = onThread(named: "lease") {
            let lease = try store.lease()
            try lease.add(one)
            leased.withLock { $0 = true }
            return lease
        }
        // A lock that can be had at once is taken before this one of ours is; it is not to be had.
        #expect(try FileLock.tryLock(directory.path + "/gc.lock", .shared) == nil)
        #expect(leased.withLock { $0 } == false)
        try holder.die()
        withExtendedLifetime(try await lease) {}
        #expect(leased.withLock { $0 })
    }

    @Test func aCollectionWaitsForWhoLooks() async throws {
        let holder = try LockHolder(directory.path + "/gc.lock", shared: true)
        let store = store
        let ran = Mutex(false)
        async let collection: Void = onThread(named: "collect") {
            try store.withCollection { _ in ran.withLock { $0 = true } }
        }
        #expect(try FileLock.tryLock(directory.path + "/gc.lock", .exclusive) == nil)
        #expect(ran.withLock { $0 } == false)
        try holder.die()
        try await collection
        #expect(ran.withLock { $0 })
    }

    @Test func aCollectionLeavesTheScratchOfTheLivingAlone() throws {
        let scratch = try store.makeScratchDirectory()
        let path = scratch.path
        _ = try store.withCollection { _ in try store.removeStaleIngests(all: true) }
        #expect(try FileStatus.ifExists(path) != nil)
        _ = consume scratch
        #expect(try FileStatus.ifExists(path) == nil)
    }

    @Test func anInterruptedDownloadIsKeptUnlessAllIsAskedFor() async throws {
        let blob = Descriptor(mediaType: .ociLayer, digest: one, size: 10)
        let ingest = try #require(try await store.beginIngest(blob) { _ in })
        try await ingest.write([9, 9])
        _ = try store.withCollection { _ in try store.removeStaleIngests(all: true) }
        #expect(try names(in: directory.path + "/ingest")?.count == 1, "somebody works on it")
        await ingest.suspend()
        _ = try store.withCollection { _ in try store.removeStaleIngests(all: false) }
        #expect(try store.abandoned().map(\.digest) == [one])
        _ = try store.withCollection { _ in try store.removeStaleIngests(all: true) }
        #expect(try names(in: directory.path + "/ingest") == [])
    }
}
