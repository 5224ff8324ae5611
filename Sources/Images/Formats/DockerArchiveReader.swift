import Content
import OCI
import SQL

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Reads what docker's `manifest.json` lists. Such an archive has no manifests: one is made for each image, unless the
/// image or its layers are known here by one.
struct DockerArchiveReader {
    let archive: StagedArchive
    let service: ImageService
    let platform: Platform?
    /// Holds what is taken from the store instead of the archive.
    let lease: Lease
    let flag: CancelFlag
    /// Layers that several images of the archive share are packed once.
    private var packed: [String: (blob: Descriptor, diffID: Digest?)] = [:]

    init(_ archive: StagedArchive, _ service: ImageService, platform: Platform?, _ lease: Lease, _ flag: CancelFlag) {
        self.archive = archive
        self.service = service
        self.platform = platform
        self.lease = lease
        self.flag = flag
    }

    /// Adds the archive's images, and the tags of those that are there already.
    ///
    /// - Returns: whether there is a `manifest.json`.
    mutating func read(into contents: inout ArchiveContents) throws -> Bool {
        guard
            let bytes = try archive.bytes(
                ArchiveLayout.dockerManifest, kind: ArchiveLayout.dockerManifest, limit: ArchiveLayout.indexBytes)
        else { return false }
        let entries = try Document<[ArchiveLayout.DockerEntry]>(
            parsing: bytes, kind: ArchiveLayout.dockerManifest, limit: ArchiveLayout.indexBytes
        ).value
        guard entries.count + contents.images.count <= ArchiveLayout.images else {
            throw ArchiveIndexer.refused("it lists more than \(ArchiveLayout.images) images")
        }
        var wrongPlatform = false
        for entry in entries {
            guard
                let config = try archive.bytes(entry.config, kind: "image config", limit: Limits.configBytes)
            else { throw ArchiveIndexer.refused("the config `\(entry.config.prefix(200))` is missing") }
            let id = Digest.sha256(of: config)
            // Every writer names a config by its digest; a damaged one would come in as another image.
            let name = entry.config.split(separator: "/").last?.split(separator: ".").first ?? ""
            if let named = try? Digest(.sha256, hex: name), named != id {
                throw BlobError.digestMismatch(expected: named, actual: id)
            }
            let names = try (entry.repoTags ?? []).map { text in
                guard let name = try? Reference(parsing: text), name.digest == nil else {
                    throw ArchiveIndexer.refused("`\(text.prefix(200))` is no name for an image")
                }
                return name.withDefaultTag
            }
            if let known = contents.images.firstIndex(where: { $0.id == id }) {
                // The layout beside it has told more of it; only a name may be new.
                let told = Set(contents.images.flatMap(\.names))
                contents.images[known].names += names.filter { !told.contains($0) }
                continue
            }
            let parsed = try ImageConfig.parse(config, layers: entry.layers.count)
            if let platform, !platform.accepts(parsed.value.platform) {
                wrongPlatform = true
                continue
            }
            var image = try image(parsed, id, entry.layers)
            image.names = names
            contents.images.append(image)
        }
        if contents.images.isEmpty, wrongPlatform, let platform {
            throw ImageError(.notFound, "the archive holds no image for \(platform)")
        }
        return true
    }

    private mutating func image(
        _ config: Document<ImageConfig>, _ id: Digest, _ paths: [String]
    ) throws -> ArchivedImage {
        let diffIDs = config.value.rootfs.diffIDs
        if let known = try knownManifest(of: id) {
            return ArchivedImage(
                manifest: known.document, descriptor: known.descriptor, config: config, target: known.descriptor)
        }
        var layers: [Descriptor] = []
        for (path, diffID) in zip(paths, diffIDs) { layers.append(try layer(path, diffID)) }
        let manifest = Manifest(
            config: Descriptor(mediaType: .ociConfig, digest: id, size: Int64(config.bytes.count)), layers: layers)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let bytes = Array(try encoder.encode(manifest))
        let descriptor = Descriptor(
            mediaType: .ociManifest, digest: Digest.sha256(of: bytes), size: Int64(bytes.count))
        return ArchivedImage(
            manifest: try Document(parsing: bytes, kind: "manifest", limit: Limits.manifestBytes),
            descriptor: descriptor, config: config, target: descriptor)
    }

    private mutating func layer(_ path: String, _ diffID: Digest) throws -> Descriptor {
        if let known = try knownBlob(of: diffID) { return known }
        guard let member = try archive.member(path) else {
            throw ArchiveIndexer.refused("the layer `\(path.prefix(200))` is missing")
        }
        let made = try packed[path] ?? archive.makeBlob(of: member, flag)
        packed[path] = made
        if let actual = made.diffID, actual != diffID {
            throw ImageError(
                .invalid, "layer `\(path.prefix(200))` of the archive has the digest \(actual), not \(diffID)",
                hint: "the archive is damaged: make it again")
        }
        return made.blob
    }

    /// The manifest under which an image is here, with all its blobs.
    private func knownManifest(of id: Digest) throws -> (document: Document<Manifest>, descriptor: Descriptor)? {
        guard let image = try service.metadata.read({ try ImageStore.image(id, $0) }) else { return nil }
        for manifest in image.manifests.reversed() {
            let needed = manifest.layers + [image.config, manifest.descriptor]
            try lease.add(needed.map(\.digest))
            guard needed.allSatisfy({ service.blobs.size(of: $0.digest) == $0.size }),
                let document = try? service.document(of: manifest)
            else { continue }
            return (document, manifest.descriptor)
        }
        return nil
    }

    /// A blob that is here of a layer, so that what comes back keeps the digest that it had.
    private func knownBlob(of diffID: Digest) throws -> Descriptor? {
        let known = try service.metadata.read { try ImageStore.layerBlobs(of: diffID, $0) }
        try lease.add(known.map(\.digest))
        return known.first { service.blobs.size(of: $0.digest) == $0.size }
    }
}

extension ImageStore {
    /// The blobs by which images here know a layer, oldest first.
    static func layerBlobs(of diffID: Digest, _ connection: any SQLConnection) throws -> [Descriptor] {
        var found: [Descriptor] = []
        try connection.query(
            """
            SELECT manifest_layers.digest, manifest_layers.media_type, manifest_layers.size FROM layers
            JOIN image_layers ON image_layers.layer = layers.id
            JOIN manifests ON manifests.image = image_layers.image
            JOIN manifest_layers ON manifest_layers.manifest = manifests.id
                AND manifest_layers.position = image_layers.position
            WHERE diff_id = $1 ORDER BY manifests.id
            """, [.text(diffID.description)]
        ) { row in
            found.append(
                Descriptor(
                    mediaType: MediaType(rawValue: row.text(1)),
                    digest: try Digest(column: row.text(0), of: "manifest_layers"), size: row.integer(2)))
        }
        return found
    }
}
