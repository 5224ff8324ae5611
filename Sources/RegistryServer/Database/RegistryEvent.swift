package import OCI
import SQL

/// Something that happened to a repository, written in the transaction that made it happen.
package struct RegistryEvent: Sendable, Hashable {
    /// What happened. Open: further kinds will come, and a reader keeps those it does not know.
    package struct Kind: RawRepresentable, Sendable, Hashable {
        package let rawValue: String
        package init(rawValue: String) { self.rawValue = rawValue }

        package static let manifestPushed = Kind(rawValue: "manifest.pushed")
        package static let manifestDeleted = Kind(rawValue: "manifest.deleted")
        package static let tagCreated = Kind(rawValue: "tag.created")
        package static let tagMoved = Kind(rawValue: "tag.moved")
        package static let tagDeleted = Kind(rawValue: "tag.deleted")
        package static let blobDeleted = Kind(rawValue: "blob.deleted")
        /// Pulled, perhaps several times within some seconds.
        package static let manifestPulled = Kind(rawValue: "manifest.pulled")
        /// Bytes were refused because a quota has no room for them.
        package static let quotaExceeded = Kind(rawValue: "quota.exceeded")
    }

    /// The cursor: larger than that of every event before it. 0 until it is written.
    package var id: Int64 = 0
    /// Milliseconds since 1970.
    package var at: Int64
    package var kind: Kind
    package var repository: String
    package var actor: String
    package var tag: String?
    package var digest: Digest?
    /// What the tag was before.
    package var previous: Digest?
    package var mediaType: MediaType?
    package var size: Int64?
}

extension RegistryRecords {
    func addEvent(_ event: RegistryEvent) throws {
        try connection.execute(
            """
            INSERT INTO events (at, kind, repository, actor, tag, digest, previous, media_type, size)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            """,
            [
                .integer(event.at), .text(event.kind.rawValue), .text(event.repository), .text(event.actor),
                .optional(event.tag), .optional(event.digest?.description), .optional(event.previous?.description),
                .optional(event.mediaType?.rawValue), .optional(event.size),
            ])
    }

    /// Events after a cursor, oldest first.
    package func events(after cursor: Int64, limit: Int) throws -> [RegistryEvent] {
        try connection.rows(
            """
            SELECT id, at, kind, repository, actor, tag, digest, previous, media_type, size FROM events
            WHERE id > $1 ORDER BY id LIMIT $2
            """, [.integer(cursor), .integer(Int64(limit))]
        ).map(RegistryEvent.init)
    }

    /// One event; nil where it was forgotten.
    package func event(_ id: Int64) throws -> RegistryEvent? {
        try connection.row(
            """
            SELECT id, at, kind, repository, actor, tag, digest, previous, media_type, size FROM events WHERE id = $1
            """, [.integer(id)]
        ).map(RegistryEvent.init)
    }

    /// The cursor of the newest event.
    package func lastEvent() throws -> Int64 { try connection.row("SELECT max(id) FROM events")?.integer(0) ?? 0 }
}

extension SQLRow {
    func optionalDigest(_ column: Int) -> Digest? { optionalText(column).flatMap { try? Digest(parsing: $0) } }

    /// A digest column; what is no digest is damage.
    func digest(_ column: Int) throws -> Digest {
        do { return try Digest(parsing: text(column)) } catch {
            throw SQLError(.damaged, "the registry's database holds `\(text(column).prefix(100))` for a digest")
        }
    }
}

extension RegistryEvent {
    fileprivate init(_ row: SQLRow) {
        self.init(
            id: row.integer(0), at: row.integer(1), kind: .init(rawValue: row.text(2)), repository: row.text(3),
            actor: row.text(4), tag: row.optionalText(5), digest: row.optionalDigest(6),
            previous: row.optionalDigest(7), mediaType: row.optionalText(8).map { MediaType(rawValue: $0) },
            size: row.optionalInteger(9))
    }
}
