import Synchronization

/// Counts pulls in memory, so that a pull costs no write: what came together is written every few seconds. A kill loses the
/// last seconds' counts, never content.
final class PullCounter: Sendable {
    struct Key: Sendable, Hashable {
        var repository: RepositoryName
        /// A tag, or a digest.
        var reference: String
        var isTag: Bool
    }

    struct Pulls: Sendable, Hashable {
        var count: Int64
        /// Milliseconds since 1970.
        var last: Int64
    }

    private let pulls = Mutex<[Key: Pulls]>([:])

    func note(_ reference: ManifestReference, of repository: RepositoryName, at now: Int64) {
        var isTag = false
        if case .tag = reference { isTag = true }
        let key = Key(repository: repository, reference: reference.description, isTag: isTag)
        pulls.withLock { pulls in
            pulls[key] = Pulls(count: (pulls[key]?.count ?? 0) + 1, last: now)
        }
    }

    /// What came since the last time.
    func take() -> [Key: Pulls] {
        pulls.withLock { pulls in
            defer { pulls = [:] }
            return pulls
        }
    }
}

extension Registry {
    /// Writes the pulls that were counted.
    package func flushPulls() async throws {
        let taken = pulls.take()
        if taken.isEmpty { return }
        try await database.write { try $0.notePulls(taken) }
    }
}
