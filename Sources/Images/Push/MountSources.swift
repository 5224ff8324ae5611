import OCI
import SQL

extension ImageStore {
    /// The repositories of a registry that are known to hold some blobs: whence a push has them mounted.
    static func repositories(
        holding blobs: [Digest], domain: String, _ connection: any SQLConnection
    ) throws -> [Digest: [Reference]] {
        var found: [Digest: [Reference]] = [:]
        for blob in Set(blobs) {
            try connection.query(
                """
                SELECT DISTINCT repository FROM manifest_sources WHERE manifest IN (
                    SELECT manifest FROM manifest_layers WHERE digest = $1
                    UNION SELECT manifests.id FROM manifests JOIN images ON images.id = image
                    WHERE config_digest = $1)
                ORDER BY repository
                """, [.text(blob.description)]
            ) { row in
                guard let repository = try? Reference(parsing: row.text(0)), repository.domain == domain else { return }
                found[blob, default: []].append(repository)
            }
        }
        return found
    }
}
