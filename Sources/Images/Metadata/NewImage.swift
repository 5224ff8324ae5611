package import OCI
import SQL
package import Snapshots

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// An image whose blobs and layers are durable here, about to get its rows.
package struct NewImage: Sendable {
    package var manifest: Document<Manifest>
    /// Media type, digest and size of the manifest.
    package var descriptor: Descriptor
    package var config: Document<ImageConfig>
    /// What each layer holds, base first.
    package var contents: [LayerContents]
    /// The repository it came from, where there is one.
    package var source: Reference?

    /// - Parameter contents: one for each layer of the config.
    package init(
        manifest: Document<Manifest>, descriptor: Descriptor, config: Document<ImageConfig>, contents: [LayerContents],
        source: Reference?
    ) {
        self.manifest = manifest
        self.descriptor = Descriptor(
            mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size)
        self.config = config
        self.contents = contents
        self.source = source
    }

    /// An image that was made here: encodes its config, and the manifest that names it and the layers.
    ///
    /// - Parameters:
    ///   - layers: the blobs, base first.
    ///   - contents: what each holds.
    init(of config: ImageConfig, layers: [Descriptor], contents: [LayerContents]) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let configBytes = Array(try encoder.encode(config))
        let manifest = Manifest(
            config: Descriptor(
                mediaType: .ociConfig, digest: Digest.sha256(of: configBytes), size: Int64(configBytes.count)),
            layers: layers)
        let bytes = Array(try encoder.encode(manifest))
        self.init(
            manifest: try Document(parsing: bytes, kind: "manifest", limit: Limits.manifestBytes),
            descriptor: Descriptor(
                mediaType: .ociManifest, digest: Digest.sha256(of: bytes), size: Int64(bytes.count)),
            config: try ImageConfig.parse(configBytes, layers: layers.count), contents: contents, source: nil)
    }

    /// The image ID.
    package var id: Digest { manifest.value.config.digest }
}

extension ImageStore {
    /// Writes the rows of an image, or revives those of one that was removed.
    ///
    /// - Returns: whether the image is new here, or back.
    static func write(_ new: NewImage, at now: Int64, _ connection: any SQLConnection) throws -> Bool {
        let known = try connection.row(
            "SELECT id, removed_step FROM images WHERE config_digest = $1", [.text(new.id.description)])
        let image: Int64
        if let known {
            image = known.integer(0)
            if known.optionalInteger(1) != nil {
                try connection.execute("UPDATE images SET removed_step = NULL WHERE id = $1", [.integer(image)])
            }
        } else {
            image = try insert(new, at: now, connection)
        }
        try writeManifest(new, of: image, connection)
        return known == nil || known?.optionalInteger(1) != nil
    }

    private static func insert(_ new: NewImage, at now: Int64, _ connection: any SQLConnection) throws -> Int64 {
        let config = new.config.value
        let platform = config.platform
        let descriptor = new.manifest.value.config
        try connection.execute(
            """
            INSERT INTO images (config_digest, config_type, config_size, os, architecture, variant, os_version, created,
                size, added)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            """,
            [
                .text(descriptor.digest.description), .text(descriptor.mediaType.rawValue), .integer(descriptor.size),
                .text(platform.os), .text(platform.architecture), .optional(platform.variant),
                .optional(platform.osVersion), .optional(config.created.flatMap { secondsSince1970(rfc3339: $0) }),
                .integer(new.contents.reduce(0) { $0 + $1.size }), .integer(now),
            ])
        let image = try lastRow(connection)
        for (name, value) in config.config?.labels ?? [:] {
            try connection.execute(
                "INSERT INTO image_labels (image, name, value) VALUES ($1, $2, $3)",
                [.integer(image), .text(name), .text(value)])
        }
        for (position, (diffID, contents)) in zip(config.rootfs.diffIDs, new.contents).enumerated() {
            try connection.execute(
                """
                INSERT INTO layers (diff_id, size, files) VALUES ($1, $2, $3)
                ON CONFLICT (diff_id) DO UPDATE SET size = excluded.size, files = excluded.files
                """, [.text(diffID.description), .integer(contents.size), .integer(Int64(contents.files))])
            try connection.execute(
                """
                INSERT INTO image_layers (image, position, layer)
                VALUES ($1, $2, (SELECT id FROM layers WHERE diff_id = $3))
                """, [.integer(image), .integer(Int64(position)), .text(diffID.description)])
        }
        return image
    }

    private static func writeManifest(_ new: NewImage, of image: Int64, _ connection: any SQLConnection) throws {
        let digest = SQLValue.text(new.descriptor.digest.description)
        if try connection.row("SELECT 1 FROM manifests WHERE digest = $1", [digest]) == nil {
            try connection.execute(
                "INSERT INTO manifests (image, digest, media_type, size) VALUES ($1, $2, $3, $4)",
                [
                    .integer(image), digest, .text(new.descriptor.mediaType.rawValue), .integer(new.descriptor.size),
                ])
            let manifest = try lastRow(connection)
            for (position, layer) in new.manifest.value.layers.enumerated() {
                try connection.execute(
                    """
                    INSERT INTO manifest_layers (manifest, position, digest, media_type, size)
                    VALUES ($1, $2, $3, $4, $5)
                    """,
                    [
                        .integer(manifest), .integer(Int64(position)), .text(layer.digest.description),
                        .text(layer.mediaType.rawValue), .integer(layer.size),
                    ])
            }
        }
        if let source = new.source { try addSource(source, of: new.descriptor.digest, connection) }
    }

    /// Notes a repository that has a manifest and its blobs.
    static func addSource(_ repository: Reference, of manifest: Digest, _ connection: any SQLConnection) throws {
        try connection.execute(
            """
            INSERT OR IGNORE INTO manifest_sources (manifest, repository)
            SELECT id, $2 FROM manifests WHERE digest = $1
            """, [.text(manifest.description), .text(repository.repository)])
    }

    static func lastRow(_ connection: any SQLConnection) throws -> Int64 {
        try connection.row("SELECT last_insert_rowid()")?.integer(0) ?? 0
    }
}
