package import OCI

/// A repository's tag history as a document: what the API gives, and what somebody keeps to verify it later without the
/// registry.
package struct HistoryDocument: Codable, Sendable {
    package struct Entry: Codable, Sendable {
        package var sequence: Int64
        package var tag: String
        /// Absent where the tag was removed.
        package var digest: Digest?
        /// `at` for people.
        package var time: String
        /// Seconds since 1970.
        package var at: Int64
        package var by: String
        package var previous: Digest?
        package var hash: Digest
    }

    package var repository: String
    package var entries: [Entry]
    /// The hash of the last entry as it was written.
    package var head: Digest?
    /// What does not fit; absent where the chain holds.
    package var problem: String?

    /// - Parameter tag: only this tag's entries; then they are no chain.
    package init(of repository: RepositoryName, _ entries: [HistoryEntry], head: Digest?, tag: String? = nil) {
        self.repository = repository.description
        self.entries = entries.filter { tag == nil || $0.tag == tag }.map { entry in
            Entry(
                sequence: entry.sequence, tag: entry.tag, digest: entry.digest, time: utc(entry.at), at: entry.at,
                by: entry.by, previous: entry.previous, hash: entry.hash)
        }
        self.head = head
        problem = HistoryChain.problem(in: entries, head: head)
    }

    /// Reads a document that somebody kept.
    package init(parsing bytes: [UInt8]) throws(RegistryConfigurationError) {
        do { self = try JSONText.decode(HistoryDocument.self, String(decoding: bytes, as: UTF8.self)) } catch {
            throw RegistryConfigurationError(
                "the file holds no tag history: \(JSONProblem.words(error)); want what `registry history --export` prints"
            )
        }
    }

    /// One line of JSON.
    package func text() throws -> String { try JSONText.encode(self) }

    package var history: [HistoryEntry] {
        entries.map {
            HistoryEntry(
                sequence: $0.sequence, repository: repository, tag: $0.tag, digest: $0.digest, at: $0.at, by: $0.by,
                previous: $0.previous)
        }
    }

    /// What of the document was changed since it was written; nil where nothing was. What the document itself says about that
    /// does not count.
    ///
    /// - Parameter known: the hash of an entry as somebody wrote it down; the document must hold it.
    package func changed(since known: Digest? = nil) -> String? {
        for (entry, kept) in zip(history, entries) where entry.hash != kept.hash {
            return "entry \(entry.sequence) (tag \(entry.tag)) is not the one with the hash \(kept.hash)"
        }
        if let problem = HistoryChain.problem(in: history, head: head) { return problem }
        if let known, !entries.contains(where: { $0.hash == known }) { return "no entry has the hash \(known)" }
        return nil
    }
}
