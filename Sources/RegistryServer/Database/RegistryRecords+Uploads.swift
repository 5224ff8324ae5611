package import OCI
import SQL

/// An upload session as the database knows it.
package struct UploadRecord: Sendable, Hashable {
    package var id: UploadID
    package var repository: String
    package var algorithm: Digest.Algorithm
    /// Milliseconds since 1970.
    package var started: Int64
}

extension RegistryRecords {
    package func addUpload(_ id: UploadID, to name: RepositoryName, hashing algorithm: Digest.Algorithm, at now: Int64)
        throws
    {
        try connection.execute(
            "INSERT INTO uploads (id, repository, algorithm, started) VALUES ($1, $2, $3, $4)",
            [
                .text(id.description), .integer(try makeRepository(name, at: now)), .text(algorithm.rawValue),
                .integer(now),
            ])
    }

    package func upload(_ id: UploadID) throws -> UploadRecord? {
        try uploadRows("WHERE u.id = $1", [.text(id.description)]).first
    }

    package func uploads() throws -> [UploadRecord] { try uploadRows("ORDER BY u.started", []) }

    package func removeUpload(_ id: UploadID) throws {
        try connection.execute("DELETE FROM uploads WHERE id = $1", [.text(id.description)])
    }

    private func uploadRows(_ condition: String, _ parameters: [SQLValue]) throws -> [UploadRecord] {
        try connection.rows(
            """
            SELECT u.id, r.name, u.algorithm, u.started FROM uploads u JOIN repositories r ON r.id = u.repository
            \(condition)
            """, parameters
        ).compactMap { row in
            guard let id = UploadID(parsing: row.text(0)), let algorithm = Digest.Algorithm(rawValue: row.text(2))
            else {
                return nil
            }
            return UploadRecord(id: id, repository: row.text(1), algorithm: algorithm, started: row.integer(3))
        }
    }
}
