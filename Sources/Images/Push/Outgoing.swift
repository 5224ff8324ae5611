import Content
import OCI

/// What goes out when a name is pushed or saved: a manifest, or an index with all that it lists, the exact bytes of each.
struct Outgoing: Sendable {
    /// A manifest of an image, or of an artifact that an index lists beside its images.
    struct Part: Sendable {
        var descriptor: Descriptor
        var document: Document<Manifest>
        /// The image's config; nil of an artifact.
        var config: ImageConfig?

        /// DiffIDs, base first; empty where the config is no image's.
        var diffIDs: [Digest] { config?.rootfs.diffIDs ?? [] }

        var manifest: Manifest { document.value }
        /// The config and the layers, those left out whose bytes live elsewhere.
        var blobs: [Descriptor] { ([manifest.config] + manifest.layers).filter { !$0.mediaType.isForeignLayer } }
    }

    /// What the name means at the other end.
    var root: Descriptor
    var rootBytes: [UInt8]
    /// Manifests, in the order of the index.
    var parts: [Part] = []
    /// Indexes below the root, each after those it lists.
    var indexes: [(descriptor: Descriptor, bytes: [UInt8])] = []
    /// The index that the name means here, where only one of its images is here.
    var reducedFrom: Descriptor?

    /// Every blob that goes out: layers and configs, then manifests, then indexes; each once.
    var blobs: [Descriptor] {
        var seen: Set<Digest> = []
        let all = parts.flatMap(\.blobs) + parts.map(\.descriptor) + indexes.map(\.descriptor) + [root]
        return all.filter { seen.insert($0.digest).inserted }
    }
}

extension ImageService {
    /// Finds what of an image goes out: the index that the name means where everything in it is here, else the image.
    ///
    /// - Parameter platform: only that platform's image.
    /// - Throws: `ImageError` where the platform is not here, or something of the image is missing.
    func outgoing(_ found: FoundImage, name: String, platform: Platform?) throws -> Outgoing {
        guard let manifest = found.image.manifest(for: found.reference) else {
            throw ImageError(.damaged, "image \(found.image.id.short) has no manifest")
        }
        let target = found.reference?.target ?? manifest.descriptor
        if target.digest != manifest.descriptor.digest, target.mediaType.isIndex {
            if let platform, !platform.accepts(found.image.platform) {
                if let part = try part(for: platform, of: target) { return Self.single(part, of: target) }
                _ = try find(name, platform: platform)
            }
            if platform == nil {
                var whole = Outgoing(root: target, rootBytes: [])
                var seen: Set<Digest> = []
                if let bytes = try collect(target, depth: 0, into: &whole, &seen), !whole.parts.isEmpty {
                    whole.indexes.removeAll { $0.descriptor.digest == target.digest }
                    whole.rootBytes = bytes
                    return whole
                }
            }
        } else if let platform, !platform.accepts(found.image.platform) {
            _ = try find(name, platform: platform)
        }
        guard let part = try part(manifest.descriptor) else {
            throw ImageError(
                .damaged, "image \(found.image.id.short) is not whole: some of its blobs are missing",
                hint: "run `strata system check --repair`")
        }
        return Self.single(part, of: target)
    }

    private static func single(_ part: Outgoing.Part, of target: Descriptor) -> Outgoing {
        Outgoing(
            root: part.descriptor, rootBytes: part.document.bytes, parts: [part],
            reducedFrom: target.digest == part.descriptor.digest ? nil : target)
    }

    /// A manifest whose blobs are all here; nil where one is not.
    private func part(_ descriptor: Descriptor) throws -> Outgoing.Part? {
        guard blobs.size(of: descriptor.digest) != nil else { return nil }
        let bytes = try Self.explaining { try blobs.readSmall(descriptor, limit: Limits.manifestBytes) }
        guard case .manifest(let document) = try ManifestDocument(parsing: bytes, mediaType: descriptor.mediaType)
        else { return nil }
        var part = Outgoing.Part(
            descriptor: Descriptor(
                mediaType: document.value.mediaType ?? descriptor.mediaType, digest: descriptor.digest,
                size: Int64(bytes.count)),
            document: document)
        guard part.blobs.allSatisfy({ blobs.size(of: $0.digest) == $0.size }) else { return nil }
        let config = document.value.config
        if config.mediaType.isConfig, config.size <= Int64(Limits.configBytes) {
            let bytes = try Self.explaining { try blobs.readSmall(config, limit: Limits.configBytes) }
            part.config = try? ImageConfig.parse(bytes, layers: document.value.layers.count).value
        }
        return part
    }

    /// Takes an index and all that it lists, each once; nil where something is not here.
    private func collect(
        _ descriptor: Descriptor, depth: Int, into outgoing: inout Outgoing, _ seen: inout Set<Digest>
    ) throws -> [UInt8]? {
        guard depth < Limits.indexDepth, blobs.size(of: descriptor.digest) != nil else { return nil }
        let bytes = try Self.explaining { try blobs.readSmall(descriptor, limit: Limits.manifestBytes) }
        guard case .index(let index) = try ManifestDocument(parsing: bytes, mediaType: descriptor.mediaType) else {
            return nil
        }
        for entry in index.value.manifests where seen.insert(entry.digest).inserted {
            if entry.mediaType.isIndex {
                if try collect(entry, depth: depth + 1, into: &outgoing, &seen) == nil { return nil }
            } else {
                guard let part = try part(entry) else { return nil }
                outgoing.parts.append(part)
            }
        }
        outgoing.indexes.append((descriptor, bytes))
        return bytes
    }

    /// The image of an index that runs on a platform; nil where it is not here.
    private func part(for platform: Platform, of index: Descriptor) throws -> Outgoing.Part? {
        var index = index
        for _ in 0..<Limits.indexDepth {
            guard blobs.size(of: index.digest) != nil else { return nil }
            let bytes = try Self.explaining { try blobs.readSmall(index, limit: Limits.manifestBytes) }
            guard case .index(let document) = try ManifestDocument(parsing: bytes, mediaType: index.mediaType),
                let chosen = document.value.entry(for: platform)
            else { return nil }
            if !chosen.mediaType.isIndex {
                let part = try part(chosen)
                // Of an entry that names no platform the config tells.
                if chosen.platform == nil, part?.config.map({ platform.accepts($0.platform) }) != true { return nil }
                return part
            }
            index = chosen
        }
        return nil
    }
}
