package import OCI
import SQL

/// A manifest as a repository has it.
package struct ManifestRecord: Sendable, Hashable {
    package var digest: Digest
    package var mediaType: MediaType
    package var size: Int64
}

/// A manifest on its way into a repository, checked as far as it can be without the database.
package struct ManifestEntry: Sendable {
    package var digest: Digest
    package var mediaType: MediaType
    package var bytes: [UInt8]
    /// The manifest this one refers to; it may be missing.
    package var subject: Digest?
    package var artifactType: MediaType?
    package var annotations: [String: String]
    /// What must be in the repository.
    package var references: [Reference]

    /// Content that a manifest needs.
    package struct Reference: Sendable, Hashable {
        package enum Kind: String, Sendable { case blob, manifest }

        package var digest: Digest
        package var size: Int64
        package var kind: Kind
        /// Whether the repository may be without it (an entry of a sparse index).
        package var mayBeMissing = false
    }
}

extension RegistryRecords {
    /// A manifest by its tag or digest; nil where the repository does not have it.
    package func manifest(_ reference: ManifestReference, in name: RepositoryName) throws -> ManifestRecord? {
        let select = "SELECT m.digest, m.media_type, b.size FROM repositories r "
        let joins = "JOIN repository_manifests m ON m.repository = r.id AND m.digest ="
        let row =
            switch reference {
            case .tag(let tag):
                try connection.row(
                    """
                    \(select) JOIN tags t ON t.repository = r.id \(joins) t.digest JOIN manifests b ON b.digest = m.digest
                    WHERE r.name = $1 AND t.name = $2 AND m.deleted IS NULL
                    """, [.text(name.description), .text(tag.description)])
            case .digest(let digest):
                try connection.row(
                    """
                    \(select) \(joins) $2 JOIN manifests b ON b.digest = m.digest
                    WHERE r.name = $1 AND m.deleted IS NULL
                    """, [.text(name.description), .text(digest.description)])
            }
        return try row.map { row in
            ManifestRecord(
                digest: try row.digest(0), mediaType: MediaType(rawValue: row.text(1)), size: row.integer(2))
        }
    }

    /// The bytes of a manifest, whichever repository has it.
    package func manifestBytes(_ digest: Digest) throws -> [UInt8]? {
        try connection.row("SELECT bytes FROM manifests WHERE digest = $1", [.text(digest.description)])?.blob(0)
    }

    /// Takes a manifest, and makes tags name it, all or nothing.
    package func putManifest(
        _ entry: ManifestEntry, tags: [TagName], if condition: TagCondition?, to name: RepositoryName,
        by actor: String, at now: Int64
    ) throws {
        let repository = try makeRepository(name, at: now)
        let absent = try requireReferences(entry, name, repository)
        let digest = SQLValue.text(entry.digest.description)
        try connection.execute(
            "INSERT INTO manifests (digest, size, bytes) VALUES ($1, $2, $3) ON CONFLICT (digest) DO NOTHING",
            [digest, .integer(Int64(entry.bytes.count)), .blob(entry.bytes)])
        let known =
            try connection.row(
                "SELECT 1 FROM repository_manifests WHERE repository = $1 AND digest = $2 AND deleted IS NULL",
                [.integer(repository), digest]) != nil
        try connection.execute(
            """
            INSERT INTO repository_manifests
                (repository, digest, media_type, subject, artifact_type, annotations, pushed, pusher)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT (repository, digest)
            DO UPDATE SET media_type = $3, artifact_type = $5, pushed = $7, pusher = $8, deleted = NULL
            """,
            [
                .integer(repository), digest, .text(entry.mediaType.rawValue), .optional(entry.subject?.description),
                .optional(entry.artifactType?.rawValue),
                .optional(entry.annotations.isEmpty ? nil : try JSONText.encode(entry.annotations)), .integer(now),
                .text(actor),
            ])
        for reference in entry.references {
            try connection.execute(
                """
                INSERT INTO manifest_references (repository, manifest, digest, kind, absent)
                VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT (repository, manifest, digest) DO UPDATE SET absent = $5
                """,
                [
                    .integer(repository), digest, .text(reference.digest.description), .text(reference.kind.rawValue),
                    .integer(absent.contains(reference.digest) ? 1 : 0),
                ])
        }
        if !known {
            try addEvent(
                RegistryEvent(
                    at: now, kind: .manifestPushed, repository: name.description, actor: actor, digest: entry.digest,
                    mediaType: entry.mediaType, size: Int64(entry.bytes.count)))
        }
        for tag in tags {
            try moveTag(tag, of: name, repository, to: entry.digest, if: condition, by: actor, at: now)
        }
    }

    /// Takes a manifest away, with the tags that name it. One that an index of the repository lists is refused.
    package func deleteManifest(
        _ digest: Digest, from name: RepositoryName, evenIfListed: Bool, by actor: String, at now: Int64
    ) throws {
        let repository = try requireRepository(name)
        guard let record = try manifest(.digest(digest), in: name) else {
            throw RegistryFailure.manifestUnknown(.digest(digest), name)
        }
        if !evenIfListed,
            let user = try connection.row(
                """
                SELECT m.manifest FROM manifest_references m
                JOIN repository_manifests r ON r.repository = m.repository AND r.digest = m.manifest
                WHERE m.repository = $1 AND m.digest = $2 AND r.deleted IS NULL LIMIT 1
                """, [.integer(repository), .text(digest.description)])
        {
            throw RegistryFailure(
                .unsupported, status: 405,
                "manifest \(digest) is listed by the index \(user.text(0)): delete the index first")
        }
        // Whoever may take it away from an index makes that one sparse.
        try connection.execute(
            "UPDATE manifest_references SET absent = 1 WHERE repository = $1 AND digest = $2 AND kind = 'manifest'",
            [.integer(repository), .text(digest.description)])
        let tags = try connection.rows(
            "SELECT name FROM tags WHERE repository = $1 AND digest = $2 ORDER BY name",
            [.integer(repository), .text(digest.description)])
        for tag in tags {
            try removeTag(tag.text(0), of: name, repository, naming: digest, by: actor, at: now)
        }
        try connection.execute(
            "UPDATE repository_manifests SET deleted = $3 WHERE repository = $1 AND digest = $2",
            [.integer(repository), .text(digest.description), .integer(now)])
        try addEvent(
            RegistryEvent(
                at: now, kind: .manifestDeleted, repository: name.description, actor: actor, digest: digest,
                mediaType: record.mediaType, size: record.size))
    }

    /// The manifests that refer to a subject, in order of their digests.
    package func referrers(
        of subject: Digest, in name: RepositoryName, artifactType: String?, after last: String, limit: Int
    ) throws -> [Descriptor] {
        var parameters: [SQLValue] = [
            .text(name.description), .text(subject.description), .text(last), .integer(Int64(limit)),
        ]
        if let artifactType { parameters.append(.text(artifactType)) }
        return try connection.rows(
            """
            SELECT m.digest, m.media_type, b.size, m.artifact_type, m.annotations FROM repositories r
            JOIN repository_manifests m ON m.repository = r.id JOIN manifests b ON b.digest = m.digest
            WHERE r.name = $1 AND m.subject = $2 AND m.deleted IS NULL AND m.digest > $3
            \(artifactType == nil ? "" : "AND m.artifact_type = $5") ORDER BY m.digest LIMIT $4
            """, parameters
        ).map { row in
            Descriptor(
                mediaType: MediaType(rawValue: row.text(1)), digest: try row.digest(0), size: row.integer(2),
                annotations: try row.optionalText(4).map { try JSONText.decode([String: String].self, $0) },
                artifactType: row.optionalText(3).map { MediaType(rawValue: $0) })
        }
    }

    /// Refuses a manifest whose content is not all here, or is not what it says.
    ///
    /// - Returns: what is not here and may be missing.
    private func requireReferences(
        _ entry: ManifestEntry, _ name: RepositoryName, _ repository: Int64
    ) throws -> Set<Digest> {
        var missing: [Digest] = []
        var absent: Set<Digest> = []
        for reference in entry.references {
            let parameters: [SQLValue] = [.integer(repository), .text(reference.digest.description)]
            let blob = """
                SELECT b.size FROM repository_blobs l JOIN blobs b ON b.digest = l.digest
                WHERE l.repository = $1 AND l.digest = $2 AND l.deleted IS NULL
                """
            let manifest = """
                SELECT b.size FROM repository_manifests m JOIN manifests b ON b.digest = m.digest
                WHERE m.repository = $1 AND m.digest = $2 AND m.deleted IS NULL
                """
            let row = try connection.row(reference.kind == .blob ? blob : manifest, parameters)
            if let size = row?.integer(0) {
                if size != reference.size {
                    throw RegistryFailure.manifestInvalid(
                        "the manifest gives \(reference.digest) \(reference.size) bytes, but it has \(size)")
                }
            } else if reference.mayBeMissing {
                absent.insert(reference.digest)
            } else {
                missing.append(reference.digest)
            }
        }
        if !missing.isEmpty { throw RegistryFailure.manifestBlobUnknown(missing, name) }
        return absent
    }
}
