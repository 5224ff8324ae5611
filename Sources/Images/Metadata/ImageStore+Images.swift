package import OCI
package import SQL

extension ImageStore {
    /// How much of an image to read.
    package enum Depth: Sendable {
        /// Everything but the manifests' layers and sources.
        case summary
        case full
    }

    /// Which images to read.
    package enum Selection: Sendable {
        /// Those that are not removed.
        case live
        /// Those kept for undo too.
        case all
        case one(Digest)
    }

    /// Reads images, in the order they came.
    package static func images(
        _ selection: Selection, _ depth: Depth, _ connection: any SQLConnection
    ) throws -> [StoredImage] {
        // Every table is read with the same condition on the image's row, so one image costs index look-ups only.
        var condition = ""
        var parameters: [SQLValue] = []
        switch selection {
        case .live: condition = "WHERE images.removed_step IS NULL"
        case .all: break
        case .one(let digest):
            condition = "WHERE images.config_digest = $1"
            parameters = [.text(digest.description)]
        }
        var images: [StoredImage] = []
        var places: [Int64: Int] = [:]
        try connection.query(
            """
            SELECT id, config_digest, config_type, config_size, os, architecture, variant, os_version, created, size,
                added, removed_step
            FROM images \(condition) ORDER BY id
            """, parameters
        ) { row in
            places[row.integer(0)] = images.count
            images.append(try image(row))
        }
        if images.isEmpty { return [] }
        try connection.query(
            "SELECT image, name, value FROM image_labels JOIN images ON images.id = image \(condition)", parameters
        ) { row in
            if let place = places[row.integer(0)] { images[place].labels[row.text(1)] = row.text(2) }
        }
        let layers = try layers(of: images.count == 1 ? images[0].row : nil, connection)
        try connection.query(
            """
            SELECT image, layer FROM image_layers JOIN images ON images.id = image \(condition)
            ORDER BY image, position
            """, parameters
        ) { row in
            guard let layer = layers[row.integer(1)] else {
                throw SQLError(.damaged, "a row of the table `image_layers` is damaged: no layer \(row.integer(1))")
            }
            if let place = places[row.integer(0)] { images[place].layers.append(layer) }
        }
        try readManifests(condition, parameters, depth, connection, into: &images, at: places)
        try connection.query(
            """
            SELECT manifests.image, \(referenceColumns) FROM refs JOIN manifests ON manifests.id = refs.manifest
            JOIN images ON images.id = manifests.image \(condition) ORDER BY refs.name
            """, parameters
        ) { row in
            if let place = places[row.integer(0)] {
                images[place].references.append(try reference(row, from: 1))
            }
        }
        return images
    }

    /// One image by its ID; nil where it is not here, or removed.
    package static func image(
        _ id: Digest, _ connection: any SQLConnection, _ depth: Depth = .full, evenRemoved: Bool = false
    ) throws -> StoredImage? {
        let image = try images(.one(id), depth, connection).first
        return image?.removedBy == nil || evenRemoved ? image : nil
    }

    private static func image(_ row: SQLRow) throws -> StoredImage {
        StoredImage(
            row: row.integer(0),
            config: Descriptor(
                mediaType: MediaType(rawValue: row.text(2)), digest: try Digest(column: row.text(1), of: "images"),
                size: row.integer(3)),
            platform: Platform(
                os: row.text(4), architecture: row.text(5), variant: row.optionalText(6),
                osVersion: row.optionalText(7)),
            created: row.optionalInteger(8), size: row.integer(9), added: row.integer(10),
            removedBy: row.optionalInteger(11))
    }

    private static func layers(of image: Int64?, _ connection: any SQLConnection) throws -> [Int64: StoredLayer] {
        let condition = image == nil ? "" : "WHERE id IN (SELECT layer FROM image_layers WHERE image = $1)"
        var layers: [Int64: StoredLayer] = [:]
        try connection.query(
            "SELECT id, diff_id, size, files FROM layers \(condition)", image.map { [.integer($0)] } ?? []
        ) { row in layers[row.integer(0)] = try layer(row) }
        return layers
    }

    static func layer(_ row: SQLRow) throws -> StoredLayer {
        StoredLayer(
            row: row.integer(0), diffID: try Digest(column: row.text(1), of: "layers"), size: row.integer(2),
            files: Int(clamping: row.integer(3)))
    }

    private static func readManifests(
        _ condition: String, _ parameters: [SQLValue], _ depth: Depth, _ connection: any SQLConnection,
        into images: inout [StoredImage], at places: [Int64: Int]
    ) throws {
        var manifestPlaces: [Int64: (image: Int, manifest: Int)] = [:]
        try connection.query(
            """
            SELECT manifests.id, image, digest, media_type, manifests.size FROM manifests
            JOIN images ON images.id = image \(condition) ORDER BY manifests.id
            """, parameters
        ) { row in
            guard let place = places[row.integer(1)] else { return }
            manifestPlaces[row.integer(0)] = (place, images[place].manifests.count)
            images[place].manifests.append(
                StoredManifest(
                    row: row.integer(0),
                    descriptor: Descriptor(
                        mediaType: MediaType(rawValue: row.text(3)),
                        digest: try Digest(column: row.text(2), of: "manifests"), size: row.integer(4))))
        }
        if let bare = images.first(where: { $0.manifests.isEmpty }) {
            throw SQLError(.damaged, "the image \(bare.id) has no row in the table `manifests`")
        }
        if depth == .summary { return }
        try connection.query(
            """
            SELECT manifest, manifest_layers.digest, manifest_layers.media_type, manifest_layers.size
            FROM manifest_layers JOIN manifests ON manifests.id = manifest
            JOIN images ON images.id = manifests.image \(condition) ORDER BY manifest, position
            """, parameters
        ) { row in
            guard let place = manifestPlaces[row.integer(0)] else { return }
            images[place.image].manifests[place.manifest].layers.append(
                Descriptor(
                    mediaType: MediaType(rawValue: row.text(2)),
                    digest: try Digest(column: row.text(1), of: "manifest_layers"), size: row.integer(3)))
        }
        try connection.query(
            """
            SELECT manifest, repository FROM manifest_sources JOIN manifests ON manifests.id = manifest
            JOIN images ON images.id = manifests.image \(condition) ORDER BY manifest, repository
            """, parameters
        ) { row in
            guard let place = manifestPlaces[row.integer(0)] else { return }
            images[place.image].manifests[place.manifest].sources.append(row.text(1))
        }
    }

    /// The live images that use each layer of an image.
    package static func layerUsers(
        of image: StoredImage, _ connection: any SQLConnection
    ) throws -> [Digest: [Digest]] {
        var users: [Digest: [Digest]] = [:]
        try connection.query(
            """
            SELECT DISTINCT diff_id, config_digest FROM image_layers JOIN layers ON layers.id = layer
            JOIN images ON images.id = image
            WHERE layer IN (SELECT layer FROM image_layers WHERE image = $1) AND removed_step IS NULL
            ORDER BY diff_id, config_digest
            """, [.integer(image.row)]
        ) { row in
            users[try Digest(column: row.text(0), of: "layers"), default: []].append(
                try Digest(column: row.text(1), of: "images"))
        }
        return users
    }
}
