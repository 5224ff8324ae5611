package import OCI
import SQL

/// A blob as a repository has it.
package struct BlobRecord: Sendable, Hashable {
    package var size: Int64
    /// When somebody last asked for it to build on it, in milliseconds since 1970.
    package var touched: Int64
}

extension RegistryRecords {
    /// A blob of a repository; nil where the repository does not have it.
    package func blob(_ digest: Digest, in name: RepositoryName) throws -> BlobRecord? {
        try connection.row(
            """
            SELECT b.size, l.touched FROM repositories r
            JOIN repository_blobs l ON l.repository = r.id JOIN blobs b ON b.digest = l.digest
            WHERE r.name = $1 AND l.digest = $2 AND l.deleted IS NULL
            """, [.text(name.description), .text(digest.description)]
        ).map { BlobRecord(size: $0.integer(0), touched: $0.integer(1)) }
    }

    /// Writes that a blob's bytes are stored, and that a repository has it.
    package func addBlob(_ digest: Digest, size: Int64, to name: RepositoryName, at now: Int64) throws {
        let repository = try makeRepository(name, at: now)
        try connection.execute(
            "INSERT INTO blobs (digest, size, stored) VALUES ($1, $2, $3) ON CONFLICT (digest) DO NOTHING",
            [.text(digest.description), .integer(size), .integer(now)])
        try link(digest, name, repository, at: now)
    }

    /// Gives a repository a blob that another one has.
    ///
    /// - Parameter source: the repository that must have it; nil for any.
    /// - Returns: false where it is not to be had.
    package func mountBlob(_ digest: Digest, from source: RepositoryName?, to name: RepositoryName, at now: Int64)
        throws
        -> Bool
    {
        if let source {
            if try blob(digest, in: source) == nil { return false }
        } else if try connection.row(
            "SELECT 1 FROM repository_blobs WHERE digest = $1 AND deleted IS NULL LIMIT 1", [.text(digest.description)])
            == nil
        {
            return false
        }
        try link(digest, name, try makeRepository(name, at: now), at: now)
        return true
    }

    /// The repositories that have a blob, for whoever may read one of them.
    package func repositories(with digest: Digest, limit: Int) throws -> [String] {
        try connection.rows(
            """
            SELECT r.name FROM repository_blobs l JOIN repositories r ON r.id = l.repository
            WHERE l.digest = $1 AND l.deleted IS NULL ORDER BY r.name LIMIT $2
            """, [.text(digest.description), .integer(Int64(limit))]
        ).map { $0.text(0) }
    }

    /// Notes that somebody builds on a blob, so that garbage collection lets it be for the grace time.
    package func touchBlob(_ digest: Digest, in name: RepositoryName, at now: Int64) throws {
        try connection.execute(
            """
            UPDATE repository_blobs SET touched = $3
            WHERE digest = $2 AND repository = (SELECT id FROM repositories WHERE name = $1)
            """, [.text(name.description), .text(digest.description), .integer(now)])
    }

    /// Takes a blob away from a repository. One that a manifest of the repository needs is refused.
    package func deleteBlob(_ digest: Digest, from name: RepositoryName, by actor: String, at now: Int64) throws {
        let repository = try requireRepository(name)
        guard let record = try blob(digest, in: name) else { throw RegistryFailure.blobUnknown(digest) }
        if let user = try connection.row(
            """
            SELECT m.manifest FROM manifest_references m
            JOIN repository_manifests r ON r.repository = m.repository AND r.digest = m.manifest
            WHERE m.repository = $1 AND m.digest = $2 AND r.deleted IS NULL LIMIT 1
            """, [.integer(repository), .text(digest.description)])
        {
            throw RegistryFailure(
                .unsupported, status: 405,
                "blob \(digest) is part of the manifest \(user.text(0)): delete the manifest first")
        }
        try connection.execute(
            "UPDATE repository_blobs SET deleted = $3 WHERE repository = $1 AND digest = $2",
            [.integer(repository), .text(digest.description), .integer(now)])
        try addEvent(
            RegistryEvent(
                at: now, kind: .blobDeleted, repository: name.description, actor: actor, digest: digest,
                size: record.size))
    }

    private func link(_ digest: Digest, _ name: RepositoryName, _ repository: Int64, at now: Int64) throws {
        let size = try connection.row("SELECT size FROM blobs WHERE digest = $1", [.text(digest.description)])
        if try blob(digest, in: name) == nil { try requireRoom(for: size?.integer(0) ?? 0, of: digest, in: name) }
        try connection.execute(
            """
            INSERT INTO repository_blobs (repository, digest, touched) VALUES ($1, $2, $3)
            ON CONFLICT (repository, digest) DO UPDATE SET touched = $3, deleted = NULL
            """, [.integer(repository), .text(digest.description), .integer(now)])
    }
}
