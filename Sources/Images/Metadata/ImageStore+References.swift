package import OCI
package import SQL

extension ImageStore {
    static var referenceColumns: String {
        "refs.name, manifests.digest, refs.target_digest, refs.target_type, refs.target_size, refs.updated"
    }

    /// Reads `referenceColumns`.
    static func reference(_ row: SQLRow, from column: Int) throws -> StoredReference {
        let name: Reference
        do { name = try Reference(parsing: row.text(column)) } catch {
            throw SQLError(.damaged, "a row of the table `refs` is damaged: `\(row.text(column))`: \(error)")
        }
        return StoredReference(
            name: name, manifest: try Digest(column: row.text(column + 1), of: "manifests"),
            target: Descriptor(
                mediaType: MediaType(rawValue: row.text(column + 3)),
                digest: try Digest(column: row.text(column + 2), of: "refs"), size: row.integer(column + 4)),
            updated: row.integer(column + 5))
    }

    /// A full name with a tag or a digest; nil where it names nothing here.
    package static func reference(
        _ name: Reference, _ connection: any SQLConnection
    ) throws -> (reference: StoredReference, image: Digest)? {
        let row = try connection.row(
            """
            SELECT images.config_digest, \(referenceColumns) FROM refs JOIN manifests ON manifests.id = refs.manifest
            JOIN images ON images.id = manifests.image WHERE refs.name = $1
            """, [.text(name.stored)])
        guard let row else { return nil }
        return (try reference(row, from: 1), try Digest(column: row.text(0), of: "images"))
    }

    /// The image of a manifest; nil where it is not here, not even removed.
    static func imageID(of manifest: Digest, _ connection: any SQLConnection) throws -> Digest? {
        let row = try connection.row(
            "SELECT config_digest FROM images JOIN manifests ON image = images.id WHERE digest = $1",
            [.text(manifest.description)])
        return try row.map { try Digest(column: $0.text(0), of: "images") }
    }

    /// All names, sorted.
    package static func references(_ connection: any SQLConnection) throws -> [StoredReference] {
        var found: [StoredReference] = []
        try connection.query(
            """
            SELECT \(referenceColumns) FROM refs JOIN manifests ON manifests.id = refs.manifest ORDER BY refs.name
            """, []
        ) { found.append(try reference($0, from: 0)) }
        return found
    }

    /// Puts a name in its place, whatever it named before.
    static func write(_ reference: StoredReference, _ connection: any SQLConnection) throws {
        guard
            let manifest = try connection.row(
                "SELECT id FROM manifests WHERE digest = $1", [.text(reference.manifest.description)])
        else {
            throw SQLError(.constraint, "cannot name the manifest \(reference.manifest): it has no row")
        }
        try connection.execute(
            """
            INSERT INTO refs (name, manifest, target_digest, target_type, target_size, updated, seal)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (name) DO UPDATE SET manifest = excluded.manifest, target_digest = excluded.target_digest,
                target_type = excluded.target_type, target_size = excluded.target_size, updated = excluded.updated,
                seal = excluded.seal
            """,
            [
                .text(reference.name.stored), .integer(manifest.integer(0)),
                .text(reference.target.digest.description), .text(reference.target.mediaType.rawValue),
                .integer(reference.target.size), .integer(reference.updated), .text(reference.seal),
            ])
    }

    static func delete(_ name: Reference, _ connection: any SQLConnection) throws {
        try connection.execute("DELETE FROM refs WHERE name = $1", [.text(name.stored)])
    }
}

extension Reference {
    /// How the database spells it: in full, by digest where there is one, else by tag.
    var stored: String { digest.map { untagged.with(digest: $0).description } ?? withDefaultTag.description }
}

extension StoredReference {
    /// What a changed byte in the row breaks.
    var seal: String {
        rowSeal([
            name.stored, manifest.description, target.digest.description, target.mediaType.rawValue, "\(target.size)",
            "\(updated)",
        ])
    }
}

/// The seal of a row: enough of a hash of its fields that a changed byte shows.
func rowSeal(_ fields: [String?]) -> String {
    let text = fields.map { $0.map { "\($0.utf8.count):\($0)" } ?? "-" }.joined(separator: ",")
    return String(Digest.sha256(of: Array(text.utf8)).hex.prefix(16))
}
