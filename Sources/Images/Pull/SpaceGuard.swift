import Linux
import Synchronization

/// Watches that the disk keeps a reserve, so that nothing of ours fills it to the last byte.
final class SpaceGuard: Sendable {
    /// What stays free at least.
    static let reserve: Int64 = 64 << 20
    /// How many bytes are written between two looks.
    private static let interval: Int64 = 32 << 20

    private let path: String
    private let unseen = Mutex<Int64>(0)
    private let free: @Sendable (String) throws -> Int64

    init(_ path: String, free: @escaping @Sendable (String) throws -> Int64 = { try freeBytes(at: $0) }) {
        self.path = path
        self.free = free
    }

    /// Fails where fewer bytes than these and the reserve are free.
    func require(_ bytes: Int64, for what: String) throws {
        let free = try free(path)
        if free - Self.reserve < bytes {
            throw ImageError(
                .noSpace, "no space left for \(what): it needs \(bytes) bytes of `\(path)`, where \(free) are free",
                hint: "free some disk space; `strata image prune --now` frees what undo keeps")
        }
    }

    /// Notes that bytes are about to be written, and now and then looks whether the reserve is still there.
    func spend(_ bytes: Int64, on what: @autoclosure () -> String) throws {
        let isDue = unseen.withLock { unseen in
            unseen += bytes
            if unseen < Self.interval { return false }
            unseen = 0
            return true
        }
        if isDue { try require(Self.interval, for: what()) }
    }
}
