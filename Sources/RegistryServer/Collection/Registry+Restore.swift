package import OCI
import SQL

extension Registry {
    /// Brings back a tag that was deleted, with what it named, as long as that is here (the grace time at least).
    ///
    /// - Returns: the manifest's digest.
    @discardableResult
    package func restoreTag(_ tag: TagName, of name: RepositoryName, by actor: String) async throws -> Digest {
        let now = now()
        return try await database.write { records in
            if try records.tag(tag, in: name) != nil {
                throw RegistryFailure(.denied, status: 409, "tag `\(tag)` of `\(name)` is there: nothing to bring back")
            }
            guard let digest = try records.history(of: name, tag: tag).last(where: { $0.digest != nil })?.digest else {
                throw RegistryFailure.manifestUnknown(.tag(tag), name)
            }
            let repository = try records.requireRepository(name)
            guard try records.undelete(digest, in: repository, at: now) else {
                throw RegistryFailure(
                    .manifestUnknown, status: 404,
                    "tag `\(tag)` of `\(name)` named \(digest), which garbage collection took after the grace time")
            }
            try records.moveTag(tag, of: name, repository, to: digest, if: .absent, by: actor, at: now)
            return digest
        }
    }
}

extension RegistryRecords {
    /// Makes a deleted manifest and all that it needs present again.
    ///
    /// - Returns: false where the repository has no trace of it any more.
    fileprivate func undelete(_ digest: Digest, in repository: Int64, at now: Int64, depth: Int = 0) throws -> Bool {
        let parameters: [SQLValue] = [.integer(repository), .text(digest.description)]
        guard depth <= Limits.indexDepth,
            try connection.execute(
                "UPDATE repository_manifests SET deleted = NULL WHERE repository = $1 AND digest = $2", parameters) > 0
        else { return false }
        try connection.execute(
            """
            UPDATE repository_blobs SET deleted = NULL, touched = $3 WHERE repository = $1 AND digest IN (
                SELECT digest FROM manifest_references WHERE repository = $1 AND manifest = $2 AND kind = 'blob')
            """, parameters + [.integer(now)])
        for row in try connection.rows(
            "SELECT digest FROM manifest_references WHERE repository = $1 AND manifest = $2 AND kind = 'manifest'",
            parameters)
        {
            // A sparse index may list what was never here.
            _ = try undelete(try row.digest(0), in: repository, at: now, depth: depth + 1)
        }
        return true
    }
}
