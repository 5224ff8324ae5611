import OCI
import SQL

/// Something in a registry that is not what it must be.
package struct RegistryProblem: Sendable, Hashable, CustomStringConvertible {
    /// The thing: a digest, a repository, the database.
    package var subject: String
    package var message: String

    package var description: String { "\(subject): \(message)" }
}

extension Registry {
    /// Verifies everything: every blob and manifest against its digest, every reference, every history, the database's file.
    ///
    /// - Parameter progress: told of each blob's bytes when they were read.
    package func check(progress: @escaping @Sendable (Int64) -> Void = { _ in }) async throws -> [RegistryProblem] {
        try await Workers.run { [database, storage] in
            var problems = try database.problems().map { RegistryProblem(subject: "registry.db", message: $0) }
            for (digest, size) in try database.readBlocking({ try $0.allBlobs() }) {
                if let message = try storage.problem(with: digest, size: size) {
                    // It may have been collected since the list was read.
                    let stays = try database.readBlocking { try $0.hasBlob(digest) }
                    if stays { problems.append(RegistryProblem(subject: "blob \(digest)", message: message)) }
                }
                progress(size)
            }
            for digest in try database.readBlocking({ try $0.allManifests() }) {
                guard let bytes = try database.readBlocking({ try $0.manifestBytes(digest) }) else { continue }
                var hasher = DigestHasher(digest.algorithm)
                hasher.update(bytes)
                let actual = hasher.finalize()
                if actual != digest {
                    problems.append(
                        RegistryProblem(subject: "manifest \(digest)", message: "its bytes have the digest \(actual)"))
                }
            }
            try database.readBlocking { records in
                problems += try records.danglingReferences()
                for name in try records.repositories(after: "", limit: Int(Int32.max)) {
                    let repository = try RepositoryName(parsing: name)
                    let entries = try records.history(of: repository)
                    if let problem = HistoryChain.problem(in: entries, head: try records.historyHead(of: repository)) {
                        problems.append(RegistryProblem(subject: "history of \(name)", message: problem))
                    }
                }
            }
            return problems
        }
    }
}

extension RegistryRecords {
    fileprivate func allBlobs() throws -> [(Digest, Int64)] {
        try connection.rows("SELECT digest, size FROM blobs ORDER BY digest").map { (try $0.digest(0), $0.integer(1)) }
    }

    fileprivate func allManifests() throws -> [Digest] {
        try connection.rows("SELECT digest FROM manifests ORDER BY digest").map { try $0.digest(0) }
    }

    /// References of manifests that the repository has to content that it must have and does not have. A mirror has of what a
    /// manifest names only what somebody asked for.
    fileprivate func danglingReferences() throws -> [RegistryProblem] {
        try connection.rows(
            """
            SELECT r.name, f.manifest, f.digest, f.kind FROM manifest_references f
            JOIN repositories r ON r.id = f.repository
            JOIN repository_manifests m ON m.repository = f.repository AND m.digest = f.manifest
            WHERE m.deleted IS NULL AND f.absent = 0 AND m.pusher NOT LIKE 'mirror of %' AND (
                f.kind = 'blob' AND NOT EXISTS (
                    SELECT 1 FROM repository_blobs l
                    WHERE l.repository = f.repository AND l.digest = f.digest AND l.deleted IS NULL)
                OR f.kind = 'manifest' AND NOT EXISTS (
                    SELECT 1 FROM repository_manifests n
                    WHERE n.repository = f.repository AND n.digest = f.digest AND n.deleted IS NULL))
            ORDER BY r.name, f.manifest
            """
        ).map { row in
            RegistryProblem(
                subject: "manifest \(row.text(1)) of \(row.text(0))",
                message: "its \(row.text(3)) \(row.text(2)) is missing")
        }
    }
}
