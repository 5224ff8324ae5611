import NIOCore
import OCI
import SQL
import Synchronization

/// What was looked up in the database lately, for as long as nobody commits anything, in this process or another.
///
/// A registry reads far more than it writes: between two commits an answer costs no transaction and no thread.
final class LookupCache: Sendable {
    enum Key: Sendable, Hashable {
        case manifest(RepositoryName, ManifestReference)
        case blob(RepositoryName, Digest)
        case tags(RepositoryName, after: String, count: Int)
    }

    enum Record: Sendable {
        case manifest(ManifestRecord)
        case blob(BlobRecord)
        case tags(TagPage)
    }

    private struct State {
        /// What the database was when the records were read.
        var database: DatabaseState?
        var records: [Key: Record] = [:]
        var bytes = 0
    }

    /// In bytes.
    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) { self.limit = limit }

    func record(_ key: Key, at now: DatabaseState?) -> Record? {
        state.withLock { state in state.database == now && now != nil ? state.records[key] : nil }
    }

    /// - Parameters:
    ///   - read: the state before the record was read.
    ///   - now: the state after that.
    func insert(_ record: Record, for key: Key, read: DatabaseState?, now: DatabaseState?) {
        // What was committed meanwhile may have been seen or not.
        guard let read, read == now else { return }
        let bytes = Self.bytes(key, record)
        if bytes > limit / 8 { return }
        state.withLock { state in
            if state.database != read || state.bytes + bytes > limit {
                state.records.removeAll(keepingCapacity: true)
                state.bytes = 0
                state.database = read
            }
            if state.records.updateValue(record, forKey: key) == nil { state.bytes += bytes }
        }
    }

    /// About what an entry takes.
    private static func bytes(_ key: Key, _ record: Record) -> Int {
        var bytes = 600
        if case .tags(_, let last, _) = key { bytes += last.utf8.count }
        if case .tags(let page) = record { bytes += page.body.readableBytes }
        return bytes
    }
}
