import Content
import OCI

/// The indexes below one that a name means, as far as the stored documents tell. An index may list others (image-spec, image
/// index), and goes out whole only with them; the database knows the outermost alone.
struct NestedIndexes {
    /// Those that are here, damaged or not.
    fileprivate(set) var here: [Descriptor] = []
    /// Whether each of them, and the outermost, could be read.
    fileprivate(set) var isReadable = true
    fileprivate var manifests: Set<Digest> = []

    /// Whether they lead to a manifest without a gap.
    func leads(to manifest: Digest) -> Bool { manifests.contains(manifest) }
}

extension ImageService {
    /// What is below an index. Nothing leads anywhere where it is not here, or damaged.
    func nestedIndexes(of target: Descriptor) throws -> NestedIndexes {
        var found = NestedIndexes()
        var seen: Set<Digest> = [target.digest]
        var level = [target]
        for _ in 0..<Limits.indexDepth {
            var next: [Descriptor] = []
            for descriptor in level {
                guard let index = try storedIndex(descriptor) else {
                    found.isReadable = false
                    continue
                }
                for entry in index.manifests where seen.insert(entry.digest).inserted {
                    found.manifests.insert(entry.digest)
                    if entry.mediaType.isIndex, blobs.size(of: entry.digest) != nil { next.append(entry) }
                }
            }
            found.here += next
            level = next
        }
        return found
    }

    /// The indexes that a name needs besides the one it means: those that are here, and where they do not lead to its manifest,
    /// those that probably should.
    func neededIndexes(of reference: StoredReference, platform: Platform) throws -> [Descriptor] {
        if !reference.target.mediaType.isIndex { return [] }
        let nested = try nestedIndexes(of: reference.target)
        if nested.leads(to: reference.manifest) { return nested.here }
        var found = nested.here
        var last = reference.target
        for _ in 1..<Limits.indexDepth {
            guard let entry = try storedIndex(last)?.entry(for: platform), entry.mediaType.isIndex else { break }
            last = entry
            if !found.contains(where: { $0.digest == entry.digest }) { found.append(entry) }
        }
        return found
    }

    /// Which of some blobs nothing needs but an index that lists them: indexes below those that names mean.
    ///
    /// - Parameters:
    ///   - spare: blobs with their sizes. Only where one of them is an index, the targets are read.
    ///   - names: indexes that names mean, and the manifests that they stand for.
    func nestedIndexes(
        among spare: [(Digest, Int64)], below names: [(target: Descriptor, manifest: Digest)]
    ) throws -> Set<Digest> {
        if names.isEmpty { return [] }
        let indexes = Set(try spare.filter { try isIndex($0.0, size: $0.1) }.map(\.0))
        if indexes.isEmpty { return [] }
        var read: [Digest: NestedIndexes] = [:]
        var needed: Set<Digest> = []
        for name in names {
            let nested = try read[name.target.digest] ?? nestedIndexes(of: name.target)
            read[name.target.digest] = nested
            needed.formUnion(nested.here.map(\.digest))
            // What a damaged or missing one lists is not known: it may be any.
            if !nested.isReadable || !nested.leads(to: name.manifest) { needed.formUnion(indexes) }
        }
        return needed
    }

    private func isIndex(_ digest: Digest, size: Int64) throws -> Bool {
        guard size <= Int64(Limits.manifestBytes) else { return false }
        let blank: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0D]
        guard try blobs.firstBytes(64, of: digest).first(where: { !blank.contains($0) }) == UInt8(ascii: "{") else {
            return false
        }
        return try storedIndex(Descriptor(mediaType: MediaType(rawValue: ""), digest: digest, size: size)) != nil
    }

    /// An index in the store; nil where it is not here, or damaged.
    private func storedIndex(_ descriptor: Descriptor) throws -> Index? {
        guard descriptor.size <= Int64(Limits.manifestBytes), blobs.size(of: descriptor.digest) == descriptor.size
        else { return nil }
        do {
            let bytes = try blobs.readSmall(descriptor, limit: Limits.manifestBytes)
            guard case .index(let index) = try ManifestDocument(parsing: bytes, mediaType: descriptor.mediaType) else {
                return nil
            }
            return index.value
        } catch is BlobError { return nil } catch is DocumentError { return nil }
    }
}

extension Index {
    /// The entry that leads to an image for a platform: the best that names one, else the first that names none and is an
    /// image or an index.
    func entry(for platform: Platform) -> Descriptor? {
        platform.select(from: manifests)
            ?? manifests.first {
                $0.platform == nil && ($0.mediaType.isManifest || $0.mediaType.isIndex) && $0.artifactType == nil
            }
    }
}
