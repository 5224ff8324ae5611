package import OCI
import SQL

/// One step in the life of a tag. The entries of a repository are a chain: each holds the hash of the one before, so that
/// nobody can change or drop one without every later hash telling.
package struct TagHistoryEntry: Sendable, Hashable {
    /// 1, 2, 3 … within the repository.
    package var sequence: Int64
    package var tag: String
    /// What the tag became; nil where it was deleted.
    package var digest: Digest?
    /// What it was before; nil where there was none.
    package var previous: Digest?
    package var actor: String
    /// Milliseconds since 1970.
    package var at: Int64
    /// SHA-256, in hexadecimal digits, of `chained(after:)`.
    package var hash: String

    /// What the hash is of: the hash before (64 zeros at the beginning) and the entry's fields, each on a line of its own.
    /// No field can hold a line's end: an actor's is written as a space.
    package func chained(after hash: String, repository: String) -> String {
        [
            hash, repository, "\(sequence)", tag, digest?.description ?? "-", previous?.description ?? "-",
            String(actor.map { $0.isNewline ? " " : $0 }), "\(at)",
        ].joined(separator: "\n")
    }

    package func computedHash(after hash: String, repository: String) -> String {
        Digest.sha256(of: chained(after: hash, repository: repository).utf8).hex
    }

    package static let firstHash = String(repeating: "0", count: 64)
}

extension RegistryRecords {
    /// Appends what happened to a tag.
    func addHistory(
        _ tag: String, of name: RepositoryName, _ repository: Int64, became digest: Digest?, was previous: Digest?,
        by actor: String, at now: Int64
    ) throws {
        let last = try connection.row(
            "SELECT sequence, hash FROM tag_history WHERE repository = $1 ORDER BY sequence DESC LIMIT 1",
            [.integer(repository)])
        var entry = TagHistoryEntry(
            sequence: (last?.integer(0) ?? 0) + 1, tag: tag, digest: digest, previous: previous, actor: actor, at: now,
            hash: "")
        entry.hash = entry.computedHash(
            after: last?.text(1) ?? TagHistoryEntry.firstHash, repository: name.description)
        try connection.execute(
            """
            INSERT INTO tag_history (repository, sequence, tag, digest, previous, actor, at, hash)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            """,
            [
                .integer(repository), .integer(entry.sequence), .text(tag), .optional(digest?.description),
                .optional(previous?.description), .text(actor), .integer(now), .text(entry.hash),
            ])
    }

    /// The history of a repository's tags, oldest first.
    ///
    /// - Parameter tag: only this tag's.
    package func history(of name: RepositoryName, tag: String? = nil) throws -> [TagHistoryEntry] {
        let repository = try requireRepository(name)
        let columns = "SELECT sequence, tag, digest, previous, actor, at, hash FROM tag_history WHERE repository = $1"
        let rows =
            if let tag {
                try connection.rows("\(columns) AND tag = $2 ORDER BY sequence", [.integer(repository), .text(tag)])
            } else {
                try connection.rows("\(columns) ORDER BY sequence", [.integer(repository)])
            }
        return rows.map { row in
            TagHistoryEntry(
                sequence: row.integer(0), tag: row.text(1), digest: row.optionalDigest(2),
                previous: row.optionalDigest(3), actor: row.text(4), at: row.integer(5), hash: row.text(6))
        }
    }

    /// The first entry of a repository's history that does not follow from the one before; nil where all do.
    package func brokenHistory(of name: RepositoryName) throws -> TagHistoryEntry? {
        var hash = TagHistoryEntry.firstHash
        var sequence: Int64 = 0
        for entry in try history(of: name) {
            sequence += 1
            if entry.sequence != sequence
                || entry.hash != entry.computedHash(after: hash, repository: name.description)
            {
                return entry
            }
            hash = entry.hash
        }
        return nil
    }
}
