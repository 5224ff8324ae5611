import OCI
import SQL

extension RegistryRecords {
    private static func age(_ then: Int64, _ now: Int64) -> String {
        let hours = max(now - then, 0) / 3_600_000
        return hours < 48 ? "\(hours) h ago" : "\(hours / 24) days ago"
    }

    func untagged(before cutoff: Int64, now: Int64, limit: Int) throws -> [GarbageItem] {
        try connection.rows(
            """
            SELECT r.name, m.digest, m.pushed FROM repository_manifests m JOIN repositories r ON r.id = m.repository
            WHERE \(GarbageRules.untagged) LIMIT $2
            """, [.integer(cutoff), .integer(Int64(limit))]
        ).map { row in
            GarbageItem(
                kind: .untagged, repository: row.text(0), digest: try row.digest(1), bytes: 0,
                reason: "no tag and no index names it; pushed \(Self.age(row.integer(2), now))")
        }
    }

    func garbageManifests(before cutoff: Int64, now: Int64, limit: Int) throws -> [GarbageItem] {
        try connection.rows(
            """
            SELECT r.name, m.digest, m.deleted, b.size FROM repository_manifests m
            JOIN repositories r ON r.id = m.repository JOIN manifests b ON b.digest = m.digest
            WHERE \(GarbageRules.manifest) LIMIT $2
            """, [.integer(cutoff), .integer(Int64(limit))]
        ).map { row in
            GarbageItem(
                kind: .manifest, repository: row.text(0), digest: try row.digest(1), bytes: row.integer(3),
                reason: "deleted \(Self.age(row.integer(2), now))")
        }
    }

    func garbageLinks(before cutoff: Int64, now: Int64, limit: Int) throws -> [GarbageItem] {
        try connection.rows(
            """
            SELECT r.name, l.digest, l.touched, l.deleted FROM repository_blobs l
            JOIN repositories r ON r.id = l.repository WHERE \(GarbageRules.link) LIMIT $2
            """, [.integer(cutoff), .integer(Int64(limit))]
        ).map { row in
            let last =
                row.optionalInteger(3).map { "deleted \(Self.age($0, now))" }
                ?? "last asked for \(Self.age(row.integer(2), now))"
            return GarbageItem(
                kind: .link, repository: row.text(0), digest: try row.digest(1), bytes: 0,
                reason: "no manifest needs it; \(last)")
        }
    }

    func garbageBlobs(before cutoff: Int64, limit: Int) throws -> [GarbageItem] {
        try connection.rows(
            "SELECT b.digest, b.size FROM blobs b WHERE \(GarbageRules.blob) LIMIT $2",
            [.integer(cutoff), .integer(Int64(limit))]
        ).map { row in
            GarbageItem(
                kind: .blob, repository: "", digest: try row.digest(0), bytes: row.integer(1),
                reason: "no repository needs it")
        }
    }

    /// Marks a manifest without a tag as deleted, where that is still so.
    func deleteUntagged(_ item: GarbageItem, before cutoff: Int64, at now: Int64) throws -> Bool {
        let changed = try connection.execute(
            """
            UPDATE repository_manifests AS m SET deleted = $4
            WHERE m.repository = (SELECT id FROM repositories WHERE name = $2) AND m.digest = $3
            AND \(GarbageRules.untagged)
            """, [.integer(cutoff), .text(item.repository), .text(item.digest.description), .integer(now)])
        if changed == 0 { return false }
        try addEvent(
            RegistryEvent(
                at: now, kind: .manifestDeleted, repository: item.repository, actor: "garbage collection",
                digest: item.digest))
        return true
    }

    /// Removes a hold, where nothing came to need it meanwhile.
    func removeLink(_ item: GarbageItem, before cutoff: Int64) throws -> Bool {
        try connection.execute(
            """
            DELETE FROM repository_blobs AS l
            WHERE l.repository = (SELECT id FROM repositories WHERE name = $2) AND l.digest = $3
            AND \(GarbageRules.link)
            """, [.integer(cutoff), .text(item.repository), .text(item.digest.description)]) > 0
    }

    /// Removes a deleted manifest, where it was not brought back meanwhile; its bytes, where it was the last to have them.
    func removeManifest(_ item: GarbageItem, before cutoff: Int64) throws -> Bool {
        guard let repository = try repository(RepositoryName(parsing: item.repository)) else { return false }
        let parameters: [SQLValue] = [.integer(cutoff), .integer(repository), .text(item.digest.description)]
        let condition = "m.repository = $2 AND m.digest = $3 AND \(GarbageRules.manifest)"
        if try connection.row("SELECT 1 FROM repository_manifests m WHERE \(condition)", parameters) == nil {
            return false
        }
        try connection.execute(
            "DELETE FROM manifest_references WHERE repository = $1 AND manifest = $2",
            [.integer(repository), .text(item.digest.description)])
        try connection.execute("DELETE FROM repository_manifests AS m WHERE \(condition)", parameters)
        try connection.execute(
            """
            DELETE FROM manifests WHERE digest = $1
            AND NOT EXISTS (SELECT 1 FROM repository_manifests m WHERE m.digest = $1)
            """, [.text(item.digest.description)])
        return true
    }

    /// Removes the row of a blob that no repository has.
    func removeBlob(_ digest: Digest) throws -> Bool {
        try connection.execute(
            "DELETE FROM blobs WHERE digest = $1 AND NOT EXISTS (SELECT 1 FROM repository_blobs l WHERE l.digest = $1)",
            [.text(digest.description)]) > 0
    }

    func hasBlob(_ digest: Digest) throws -> Bool {
        try connection.row("SELECT 1 FROM blobs WHERE digest = $1", [.text(digest.description)]) != nil
    }
}
