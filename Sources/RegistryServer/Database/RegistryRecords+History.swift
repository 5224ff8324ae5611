package import OCI
import SQL

extension RegistryRecords {
    /// Appends what happened to a tag.
    ///
    /// - Parameter digest: what it became; nil where it was removed.
    func addHistory(
        _ tag: String, of name: RepositoryName, _ repository: Int64, became digest: Digest?, by actor: String,
        at now: Int64
    ) throws {
        let last = try connection.row(
            "SELECT sequence, hash FROM tag_history WHERE repository = $1 ORDER BY sequence DESC LIMIT 1",
            [.integer(repository)])
        let entry = HistoryEntry(
            sequence: (last?.integer(0) ?? 0) + 1, repository: name.description, tag: tag, digest: digest,
            at: now / 1000, by: actor, previous: try last?.digest(1))
        try connection.execute(
            """
            INSERT INTO tag_history (repository, sequence, tag, digest, actor, at, previous, hash)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            """,
            [
                .integer(repository), .integer(entry.sequence), .text(tag), .optional(digest?.description),
                .text(actor), .integer(entry.at), .optional(entry.previous?.description),
                .text(entry.hash.description),
            ])
    }

    /// The history of a repository's tags, oldest first, read as it is: `HistoryChain` says whether it holds.
    ///
    /// - Parameter tag: only this tag's; then it is no chain.
    package func history(of name: RepositoryName, tag: TagName? = nil) throws -> [HistoryEntry] {
        let repository = try requireRepository(name)
        let columns = "SELECT sequence, tag, digest, at, actor, previous FROM tag_history WHERE repository = $1"
        let rows =
            if let tag {
                try connection.rows(
                    "\(columns) AND tag = $2 ORDER BY sequence", [.integer(repository), .text(tag.description)])
            } else {
                try connection.rows("\(columns) ORDER BY sequence", [.integer(repository)])
            }
        return rows.map { row in
            HistoryEntry(
                sequence: row.integer(0), repository: name.description, tag: row.text(1),
                digest: row.optionalDigest(2), at: row.integer(3), by: row.text(4), previous: row.optionalDigest(5))
        }
    }

    /// The hash of the last entry as it was written; nil where there is none.
    package func historyHead(of name: RepositoryName) throws -> Digest? {
        try connection.row(
            "SELECT hash FROM tag_history WHERE repository = $1 ORDER BY sequence DESC LIMIT 1",
            [.integer(try requireRepository(name))]
        )?.optionalDigest(0)
    }
}
