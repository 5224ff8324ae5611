import Synchronization

/// Counts the request bodies under way and refuses more than a limit.
final class UploadGate: Sendable {
    private let limit: Int
    private let count = Mutex(0)

    init(limit: Int) { self.limit = limit }

    func enter() throws(RegistryFailure) {
        let admitted = count.withLock { count in
            if count >= limit { return false }
            count += 1
            return true
        }
        if !admitted {
            throw RegistryFailure(
                .tooManyRequests, status: 429, "\(limit) uploads are under way: try again in a moment"
            ).with(header: "Retry-After", "2")
        }
    }

    func leave() { count.withLock { $0 -= 1 } }
}
