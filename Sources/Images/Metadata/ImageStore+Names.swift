import OCI
package import SQL

/// What a person's name for an image came to.
package struct FoundImage: Sendable {
    package var image: StoredImage
    /// The reference that the name is; nil where it was an ID or a prefix of one.
    package var reference: StoredReference?
}

extension ImageStore {
    /// Finds an image by what a person types: a reference, an ID, or an unambiguous prefix of an ID. As docker, a
    /// reference goes before a prefix.
    ///
    /// - Throws: `ImageError` with docker's sentence.
    package static func find(_ name: String, _ connection: any SQLConnection) throws -> FoundImage {
        let bare = name.hasPrefix("sha256:") ? String(name.dropFirst(7)) : name
        if let id = try? Digest(.sha256, hex: bare) {
            if let image = try image(id, connection) { return FoundImage(image: image) }
            throw ImageError(.notFound, "No such image: \(id)")
        }
        let reference: Reference
        do { reference = try Reference(parsing: name) } catch { throw ImageError(.invalid, "\(error)") }
        if let found = try Self.reference(reference.withDefaultTag, connection),
            let image = try image(found.image, connection)
        {
            return FoundImage(image: image, reference: found.reference)
        }
        if let image = try image(prefix: bare, typed: name, connection) { return FoundImage(image: image) }
        throw ImageError(.notFound, "No such image: \(reference.withDefaultTag.familiar)")
    }

    /// The live image whose ID begins with some hexadecimal digits.
    private static func image(
        prefix: String, typed: String, _ connection: any SQLConnection
    ) throws -> StoredImage? {
        guard (1..<64).contains(prefix.utf8.count),
            prefix.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) })
        else { return nil }
        // `g` follows the last hexadecimal digit.
        let rows = try connection.rows(
            """
            SELECT config_digest FROM images
            WHERE config_digest >= $1 AND config_digest < $2 AND removed_step IS NULL LIMIT 2
            """, [.text("sha256:\(prefix)"), .text("sha256:\(prefix)g")])
        if rows.count > 1 {
            throw ImageError(
                .conflict, "multiple IDs found with provided prefix: \(typed)", hint: "give more digits of the ID")
        }
        guard let row = rows.first else { return nil }
        return try image(Digest(column: row.text(0), of: "images"), connection)
    }
}
