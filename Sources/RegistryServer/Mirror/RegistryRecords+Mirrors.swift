import OCI
import SQL

extension Registry {
    /// Keeps what another registry gave: whole in itself, though what it lists comes only when somebody asks for it.
    func keep(
        _ bytes: [UInt8], _ descriptor: Descriptor, as reference: ManifestReference, in name: RepositoryName,
        by actor: String
    ) async throws {
        var entry = try await Workers.run {
            try ManifestEntry(
                parsing: bytes, mediaType: descriptor.mediaType, as: .digest(descriptor.digest), sparse: .images)
        }
        for index in entry.references.indices { entry.references[index].mayBeMissing = true }
        let kept = entry
        var tags: [TagName] = []
        if case .tag(let tag) = reference { tags = [tag] }
        let names = tags
        let now = now()
        try await database.write { records in
            try records.putManifest(kept, tags: names, if: nil, to: name, by: actor, at: now)
        }
    }

    /// Removes mirrored manifests that were not pulled within the policy's time, and the longest unused ones above its
    /// bound, so that the next collection may take them at once: their registry still has them.
    ///
    /// - Returns: how many.
    func trimMirrors(_ mirrors: MirrorPolicy) async throws -> Int {
        let folders = mirrors.upstreams.map(\.folder)
        let now = now()
        let oldest = now - mirrors.keep.milliseconds
        return try await database.write { records in
            var removed = 0
            for manifest in try records.mirroredManifests(folders) {
                let isOld = manifest.used < oldest
                if !isOld {
                    guard let limit = mirrors.limit, try records.mirroredBytes(folders) > limit else { break }
                }
                if try records.release(manifest, at: now) { removed += 1 }
            }
            return removed
        }
    }
}

/// A mirrored manifest that no index lists.
struct MirroredManifest: Sendable {
    var repository: RepositoryName
    var digest: Digest
    /// When it, or what it lists, was last pulled or came, in milliseconds since 1970.
    var used: Int64
}

extension RegistryRecords {
    /// `r` of `repositories`: below one of the folders. The names hold nothing that SQL's patterns mean something by but `_`.
    private func isMirrored(_ folders: [String]) -> (condition: String, parameters: [SQLValue]) {
        let conditions = folders.indices.map { "substr(r.name, 1, length($\($0 + 1))) = $\($0 + 1)" }
        return ("(\(conditions.isEmpty ? "0" : conditions.joined(separator: " OR ")))", folders.map { .text("\($0)/") })
    }

    /// The bytes that mirrored repositories have, each blob once.
    func mirroredBytes(_ folders: [String]) throws -> Int64 {
        let (condition, parameters) = isMirrored(folders)
        return try connection.row(
            """
            SELECT coalesce(sum(size), 0) FROM blobs WHERE digest IN (
                SELECT l.digest FROM repository_blobs l JOIN repositories r ON r.id = l.repository
                WHERE l.deleted IS NULL AND \(condition))
            """, parameters)?.integer(0) ?? 0
    }

    /// The manifests of mirrored repositories that no index lists, those first that were used longest ago.
    func mirroredManifests(_ folders: [String]) throws -> [MirroredManifest] {
        let (condition, parameters) = isMirrored(folders)
        func used(_ manifest: String) -> String {
            """
            max(\(manifest).pushed, coalesce(\(manifest).pulled, 0), coalesce((
                SELECT max(p.pulled) FROM tags t JOIN tag_pulls p ON p.repository = t.repository AND p.tag = t.name
                WHERE t.repository = \(manifest).repository AND t.digest = \(manifest).digest), 0))
            """
        }
        return try connection.rows(
            """
            SELECT r.name, m.digest, max(\(used("m")), coalesce((
                SELECT max(\(used("c"))) FROM manifest_references f
                JOIN repository_manifests c ON c.repository = f.repository AND c.digest = f.digest
                WHERE f.repository = m.repository AND f.manifest = m.digest AND c.deleted IS NULL), 0)) AS used
            FROM repository_manifests m JOIN repositories r ON r.id = m.repository
            WHERE m.deleted IS NULL AND \(condition) AND NOT EXISTS (
                SELECT 1 FROM manifest_references f
                JOIN repository_manifests i ON i.repository = f.repository AND i.digest = f.manifest
                WHERE f.repository = m.repository AND f.digest = m.digest AND i.deleted IS NULL)
            ORDER BY used
            """, parameters
        ).map { row in
            MirroredManifest(
                repository: try RepositoryName(parsing: row.text(0)), digest: try row.digest(1), used: row.integer(2))
        }
    }

    /// Removes a mirrored manifest with its tags, what only it lists, and the hold on its blobs. One that an immutable tag
    /// names stays.
    ///
    /// - Returns: whether it went.
    func release(_ manifest: MirroredManifest, at now: Int64) throws -> Bool {
        let name = manifest.repository
        let repository = try requireRepository(name)
        let tags = try connection.rows(
            "SELECT name FROM tags WHERE repository = $1 AND digest = $2",
            [.integer(repository), .text(manifest.digest.description)]
        ).map { $0.text(0) }
        if try tags.contains(where: { try isImmutable($0, of: name) }) { return false }
        for tag in tags {
            try removeTag(tag, of: name, repository, naming: manifest.digest, by: "mirror", at: now)
        }
        // As if it were deleted long ago: nobody needs time to bring back what its registry has.
        let gone = [SQLValue.integer(repository), .text(manifest.digest.description)]
        try connection.execute(
            "UPDATE repository_manifests SET deleted = 1 WHERE repository = $1 AND digest = $2", gone)
        let isNeeded = """
            EXISTS (
                SELECT 1 FROM manifest_references o
                JOIN repository_manifests i ON i.repository = o.repository AND i.digest = o.manifest
                WHERE o.repository = $1 AND o.digest = f.digest AND i.deleted IS NULL)
            """
        let children = try connection.rows(
            """
            SELECT f.digest FROM manifest_references f
            WHERE f.repository = $1 AND f.manifest = $2 AND f.kind = 'manifest' AND NOT \(isNeeded)
            AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.repository = $1 AND t.digest = f.digest)
            """, gone)
        for row in children {
            try connection.execute(
                "UPDATE repository_manifests SET deleted = 1 WHERE repository = $1 AND digest = $2",
                [.integer(repository), .text(row.text(0))])
        }
        for owner in [manifest.digest.description] + children.map({ $0.text(0) }) {
            try connection.execute(
                """
                UPDATE repository_blobs SET deleted = 1, touched = 1 WHERE repository = $1 AND digest IN (
                    SELECT f.digest FROM manifest_references f
                    WHERE f.repository = $1 AND f.manifest = $2 AND f.kind = 'blob' AND NOT \(isNeeded))
                """, [.integer(repository), .text(owner)])
        }
        return true
    }

    /// The size that a manifest of the repository gives a blob; nil where none names it.
    func size(of digest: Digest, listedIn name: RepositoryName) throws -> Int64? {
        guard
            let row = try connection.row(
                """
                SELECT b.bytes FROM repositories r JOIN manifest_references f ON f.repository = r.id
                JOIN repository_manifests m ON m.repository = r.id AND m.digest = f.manifest AND m.deleted IS NULL
                JOIN manifests b ON b.digest = f.manifest WHERE r.name = $1 AND f.digest = $2 LIMIT 1
                """, [.text(name.description), .text(digest.description)])
        else { return nil }
        let listed: [Descriptor] =
            switch try? ManifestDocument(parsing: row.blob(0), mediaType: nil) {
            case .manifest(let manifest): [manifest.value.config] + manifest.value.layers
            case .index(let index): index.value.manifests
            case nil: []
            }
        return listed.first { $0.digest == digest }?.size
    }
}
