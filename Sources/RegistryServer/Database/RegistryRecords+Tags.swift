package import OCI
import SQL

/// What must hold for a tag to be moved: the `If-Match` and `If-None-Match` of a request.
package enum TagCondition: Sendable, Hashable {
    /// The tag must not be there.
    case absent
    /// The tag must be there and name one of these.
    case among([Digest])
    /// The tag must be there.
    case present
}

extension RegistryRecords {
    /// Tags of a repository after a tag, in the order of distribution-spec "Listing Tags": whatever their case, and where
    /// only the case differs in ASCII order.
    package func tags(of name: RepositoryName, after last: String, limit: Int) throws -> [String] {
        try connection.rows(
            """
            SELECT name FROM tags WHERE repository = $1 AND lower(name) >= lower($2) AND (lower(name), name) > (lower($2), $2)
            ORDER BY lower(name), name LIMIT $3
            """,
            [.integer(try requireRepository(name)), .text(last), .integer(Int64(limit))]
        ).map { $0.text(0) }
    }

    /// What a tag names; nil where there is none.
    package func tag(_ tag: TagName, in name: RepositoryName) throws -> Digest? {
        try connection.row(
            "SELECT t.digest FROM tags t JOIN repositories r ON r.id = t.repository WHERE r.name = $1 AND t.name = $2",
            [.text(name.description), .text(tag.description)]
        ).map { try $0.digest(0) }
    }

    /// Makes a tag name a manifest that the repository has.
    func moveTag(
        _ tag: TagName, of name: RepositoryName, _ repository: Int64, to digest: Digest, if condition: TagCondition?,
        by actor: String, at now: Int64
    ) throws {
        let previous = try self.tag(tag, in: name)
        try require(condition, tag, of: name, previous)
        if previous == digest { return }
        if previous != nil { try requireMutable(tag.description, of: name, to: "moved") }
        try connection.execute(
            """
            INSERT INTO tags (repository, name, digest, updated) VALUES ($1, $2, $3, $4)
            ON CONFLICT (repository, name) DO UPDATE SET digest = $3, updated = $4
            """, [.integer(repository), .text(tag.description), .text(digest.description), .integer(now)])
        try addHistory(tag.description, of: name, repository, became: digest, by: actor, at: now)
        try addEvent(
            RegistryEvent(
                at: now, kind: previous == nil ? .tagCreated : .tagMoved, repository: name.description, actor: actor,
                tag: tag.description, digest: digest, previous: previous))
    }

    /// Refuses what finds a tag otherwise than it expects.
    func require(_ condition: TagCondition?, _ tag: TagName, of name: RepositoryName, _ previous: Digest?) throws {
        let holds =
            switch condition {
            case nil: true
            case .absent: previous == nil
            case .present: previous != nil
            case .among(let digests): previous.map { digests.contains($0) } ?? false
            }
        if !holds {
            throw RegistryFailure(
                .denied, status: 412,
                "tag `\(tag)` of `\(name)` names \(previous.map(\.description) ?? "nothing"), not what the request expects"
            )
        }
    }

    /// Removes a tag; its manifest stays.
    package func deleteTag(_ tag: TagName, of name: RepositoryName, by actor: String, at now: Int64) throws {
        let repository = try requireRepository(name)
        guard let digest = try self.tag(tag, in: name) else { throw RegistryFailure.manifestUnknown(.tag(tag), name) }
        try removeTag(tag.description, of: name, repository, naming: digest, by: actor, at: now)
    }

    func removeTag(
        _ tag: String, of name: RepositoryName, _ repository: Int64, naming digest: Digest, by actor: String,
        at now: Int64
    ) throws {
        try requireMutable(tag, of: name, to: "removed")
        try connection.execute(
            "DELETE FROM tags WHERE repository = $1 AND name = $2", [.integer(repository), .text(tag)])
        try addHistory(tag, of: name, repository, became: nil, by: actor, at: now)
        try addEvent(
            RegistryEvent(
                at: now, kind: .tagDeleted, repository: name.description, actor: actor, tag: tag, digest: nil,
                previous: digest))
    }
}
