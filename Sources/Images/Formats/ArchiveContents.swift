import Content
import OCI

/// One image that an archive brings.
struct ArchivedImage: Sendable {
    var manifest: Document<Manifest>
    var descriptor: Descriptor
    var config: Document<ImageConfig>
    /// Names with a tag, and what each means: the manifest, or the index that led to it.
    var names: [Reference] = []
    var target: Descriptor

    var id: Digest { manifest.value.config.digest }
    /// The layers with their diffIDs, base first.
    var layers: [(blob: Descriptor, diffID: Digest)] {
        Array(zip(manifest.value.layers, config.value.rootfs.diffIDs))
    }
}

/// An index that an archive brings.
struct ArchivedIndex: Sendable {
    var digest: Digest
    var bytes: [UInt8]
    /// The indexes that it lists.
    var nested: [Digest]
}

/// What an archive holds, every document of it verified and whole, no layer of it read yet.
struct ArchiveContents: Sendable {
    var images: [ArchivedImage] = []
    /// Indexes that lead to images, each after those that it lists.
    var indexes: [ArchivedIndex] = []

    /// The indexes that names mean, and those below them.
    var namedIndexes: [ArchivedIndex] {
        var wanted = Set(images.map(\.target.digest))
        return indexes.reversed().filter { index in
            guard wanted.contains(index.digest) else { return false }
            wanted.formUnion(index.nested)
            return true
        }
    }
}

/// Reads what an OCI layout in an archive lists.
struct LayoutReader {
    let archive: StagedArchive
    let store: BlobStore
    let platform: Platform?
    /// Holds what is taken from the store instead of the archive.
    let lease: Lease

    private var contents = ArchiveContents()
    /// The places of the images that an index leads to.
    private var led: [Digest: [Int]] = [:]

    init(_ archive: StagedArchive, _ store: BlobStore, platform: Platform?, _ lease: Lease) {
        self.archive = archive
        self.store = store
        self.lease = lease
        self.platform = platform
    }

    /// - Returns: nil where the archive holds no layout.
    mutating func read() throws -> ArchiveContents? {
        guard let bytes = try archive.bytes(ArchiveLayout.index, kind: "index.json", limit: ArchiveLayout.indexBytes),
            let marker = try archive.bytes(ArchiveLayout.marker, kind: "oci-layout", limit: 4096)
        else { return nil }
        let version = try Document<ArchiveLayout.Marker>(parsing: marker, kind: "oci-layout", limit: 4096).value
            .imageLayoutVersion
        guard version.hasPrefix("1.") else {
            throw ArchiveIndexer.refused("its OCI layout has the unknown version `\(version.prefix(32))`")
        }
        let index = try Document<Index>(parsing: bytes, kind: "index.json", limit: ArchiveLayout.indexBytes).value
        guard index.manifests.count <= ArchiveLayout.images else {
            throw ArchiveIndexer.refused("it lists more than \(ArchiveLayout.images) images")
        }
        var others = 0
        for entry in index.manifests {
            let before = contents.images.count
            let found = try take(entry, depth: 0)
            if found.isEmpty {
                others += 1
                continue
            }
            try name(found, by: entry, new: before)
        }
        if contents.images.isEmpty, others > 0 {
            let what = platform.map { "no image for \($0)" } ?? "no image that is whole"
            throw ImageError(.notFound, "the archive holds \(what)")
        }
        return contents
    }

    /// Lets the names of an entry mean its image; of several, the one for this machine.
    private mutating func name(_ found: [Int], by entry: Descriptor, new: Int) throws {
        let wanted = platform ?? .current
        let descriptors = found.map { place in
            var descriptor = contents.images[place].descriptor
            descriptor.platform = contents.images[place].config.value.platform
            return descriptor
        }
        let best = wanted.select(from: descriptors)?.digest
        let main = found.first { contents.images[$0].descriptor.digest == best } ?? found[0]
        guard let name = Self.name(of: entry) else { return }
        if !contents.images[main].names.contains(name) { contents.images[main].names.append(name) }
        if entry.mediaType.isIndex {
            contents.images[main].target = Descriptor(
                mediaType: entry.mediaType, digest: entry.digest, size: entry.size)
        }
    }

    /// The name that an entry of `index.json` has: containerd's annotation, else the image-spec's where it is more than a
    /// tag alone.
    static func name(of entry: Descriptor) -> Reference? {
        let annotations = entry.annotations ?? [:]
        if let name = annotations[Layout.containerdAnnotation], let reference = try? Reference(parsing: name),
            reference.digest == nil
        {
            return reference.withDefaultTag
        }
        guard let name = annotations[Layout.nameAnnotation], name.contains(where: { $0 == ":" || $0 == "/" }),
            let reference = try? Reference(parsing: name), reference.digest == nil
        else { return nil }
        return reference.withDefaultTag
    }

    /// Takes what a descriptor leads to.
    ///
    /// - Returns: the places of its images.
    private mutating func take(_ descriptor: Descriptor, depth: Int) throws -> [Int] {
        if Self.isAttestation(descriptor) { return [] }
        guard depth <= Limits.indexDepth else {
            throw ArchiveIndexer.refused("its indexes nest deeper than \(Limits.indexDepth) levels")
        }
        if let known = contents.images.firstIndex(where: { $0.descriptor.digest == descriptor.digest }) {
            return [known]
        }
        if let places = led[descriptor.digest] { return places }
        guard let bytes = try small(descriptor, kind: "manifest", limit: Limits.manifestBytes) else {
            // An index may list platforms that were not saved with it.
            if depth > 0 { return [] }
            throw ArchiveIndexer.refused("the manifest \(descriptor.digest) is missing")
        }
        switch try ManifestDocument(parsing: bytes, mediaType: descriptor.mediaType) {
        case .index(let index):
            var found: [Int] = []
            var seen: Set<Int> = []
            for entry in index.value.manifests {
                found += try take(entry, depth: depth + 1).filter { seen.insert($0).inserted }
            }
            led[descriptor.digest] = found
            guard led.count <= ArchiveLayout.images else {
                throw ArchiveIndexer.refused("it holds more than \(ArchiveLayout.images) indexes")
            }
            if !found.isEmpty {
                let nested = index.value.manifests.filter(\.mediaType.isIndex).map(\.digest)
                contents.indexes.append(ArchivedIndex(digest: descriptor.digest, bytes: bytes, nested: nested))
            }
            return found
        case .manifest(let manifest):
            guard let image = try image(manifest, descriptor) else { return [] }
            guard contents.images.count < ArchiveLayout.images else {
                throw ArchiveIndexer.refused("it holds more than \(ArchiveLayout.images) images")
            }
            contents.images.append(image)
            return [contents.images.count - 1]
        }
    }

    /// - Returns: nil for what is no image, and for an image of another platform than the one asked for.
    private func image(_ manifest: Document<Manifest>, _ descriptor: Descriptor) throws -> ArchivedImage? {
        let config = manifest.value.config
        guard config.mediaType.isConfig, manifest.value.layers.allSatisfy(\.mediaType.isLayer) else { return nil }
        guard let bytes = try small(config, kind: "image config", limit: Limits.configBytes) else {
            throw ArchiveIndexer.refused("the config \(config.digest) is missing")
        }
        let parsed = try ImageConfig.parse(bytes, layers: manifest.value.layers.count)
        if let platform, !platform.accepts(parsed.value.platform) { return nil }
        try lease.add(manifest.value.layers.map(\.digest))
        for layer in manifest.value.layers where store.size(of: layer.digest) != layer.size {
            guard let size = try archive.size(of: layer.digest) else {
                throw ArchiveIndexer.refused("the layer \(layer.digest) is missing")
            }
            if size != layer.size {
                throw BlobError.sizeMismatch(layer.digest, expected: layer.size, actual: size)
            }
        }
        let plain = Descriptor(
            mediaType: manifest.value.mediaType
                ?? (descriptor.mediaType.isManifest ? descriptor.mediaType : .ociManifest),
            digest: descriptor.digest, size: descriptor.size)
        return ArchivedImage(manifest: manifest, descriptor: plain, config: parsed, target: plain)
    }

    /// A document from the archive, else from the store, verified.
    private func small(_ descriptor: Descriptor, kind: String, limit: Int) throws -> [UInt8]? {
        if let bytes = try archive.bytes(of: descriptor, kind: kind, limit: limit) { return bytes }
        guard store.size(of: descriptor.digest) == descriptor.size else { return nil }
        return try store.readSmall(descriptor, limit: limit)
    }

    /// What BuildKit puts beside an image: no image.
    private static func isAttestation(_ descriptor: Descriptor) -> Bool {
        descriptor.annotations?["vnd.docker.reference.type"] == "attestation-manifest"
    }
}
