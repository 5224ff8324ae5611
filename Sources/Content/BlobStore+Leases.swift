import Linux
public import OCI
import Synchronization

/// Digests that an operation needs: no collection removes them while the lease is held. It ends with `release`, or when
/// the lease is dropped, or when its process dies.
public final class Lease: Sendable {
    private struct State: ~Copyable {
        var lock: FileLock?
        var held: Set<Digest> = []
    }

    private let store: BlobStore
    private let path: String
    private let state: Mutex<State>

    init(_ store: BlobStore) throws {
        self.store = store
        path = "\(store.leaseDirectory)/\(uniqueSuffix())"
        let collection = try FileLock.wait(store.collectionLockPath, .shared)
        state = Mutex(State(lock: try FileLock.wait(path, .exclusive)))
        _ = consume collection
    }

    deinit { release() }

    /// Holds a blob, or a layer by its diffID, whether it is here already or not. A collection under way is waited for:
    /// look only afterwards whether the thing is here.
    public func add(_ digest: Digest) throws { try add([digest]) }

    /// Holds several.
    public func add(_ digests: [Digest]) throws {
        try state.withLock { state in
            let new = digests.filter { !state.held.contains($0) }
            if new.isEmpty { return }
            let collection = try FileLock.wait(store.collectionLockPath, .shared)
            for digest in new {
                try state.lock?.append(digest.description)
                state.held.insert(digest)
            }
            _ = consume collection
        }
    }

    /// What is held.
    public var digests: Set<Digest> { state.withLock { $0.held } }

    /// Lets go of everything.
    public func release() {
        state.withLock { state in
            guard let lock = state.lock.take() else { return }
            try? removeFile(path)
            _ = consume lock
        }
    }
}

extension BlobStore {
    /// Starts to hold digests against collection.
    public func lease() throws -> Lease { try Lease(self) }

    /// Runs a collection: no lease begins or grows meanwhile, in any process.
    ///
    /// - Parameter body: given all digests that leases hold. It must look what else is needed only now: an operation
    ///   writes its rows before it lets go of its lease.
    public func withCollection<Result>(_ body: (_ held: Set<Digest>) throws -> Result) throws -> Result {
        let lock = try FileLock.wait(collectionLockPath, .exclusive)
        defer { _ = lock }
        var held: Set<Digest> = []
        for name in try names(in: leaseDirectory) ?? [] {
            let path = "\(leaseDirectory)/\(name)"
            // A lease that can be locked has no owner any more.
            if let orphan = try FileLock.tryLock(path, .exclusive) {
                try removeFile(path)
                _ = consume orphan
                continue
            }
            let bytes = try readFile(path, limit: 64 << 20)
            for line in bytes.split(separator: 10) {
                if let digest = try? Digest(parsing: String(decoding: line, as: UTF8.self)) { held.insert(digest) }
            }
        }
        return try body(held)
    }
}
