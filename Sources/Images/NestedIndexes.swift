import Content
import OCI

extension ImageService {
    /// The indexes below an index that are here. An index may list others (image-spec, image index), and goes out whole only
    /// with them; the database knows but the outermost.
    ///
    /// - Returns: none of what is no index, and of an index that is not here or damaged.
    func nestedIndexes(of target: Descriptor) throws -> [Descriptor] {
        var found: [Descriptor] = []
        if target.mediaType.isIndex { try addIndexes(below: target, depth: 1, to: &found) }
        return found
    }

    /// The indexes below those that names mean, where some of them may be among blobs that nothing else needs.
    ///
    /// - Parameter spare: those blobs with their sizes. Only where one is an index at all, the targets are read.
    func nestedIndexes(of targets: [Descriptor], among spare: [(Digest, Int64)]) throws -> Set<Digest> {
        let hasIndex = try spare.contains { digest, size in
            let bytes = try storedDocument(Descriptor(mediaType: .ociIndex, digest: digest, size: size))
            guard let bytes, case .index = try? ManifestDocument(parsing: bytes, mediaType: nil) else { return false }
            return true
        }
        if !hasIndex { return [] }
        return Set(try targets.flatMap { try nestedIndexes(of: $0) }.map(\.digest))
    }

    private func addIndexes(below index: Descriptor, depth: Int, to found: inout [Descriptor]) throws {
        guard depth < Limits.indexDepth, let bytes = try storedDocument(index),
            case .index(let document) = try? ManifestDocument(parsing: bytes, mediaType: index.mediaType)
        else { return }
        for entry in document.value.manifests
        where entry.mediaType.isIndex && !found.contains(where: { $0.digest == entry.digest })
            && blobs.size(of: entry.digest) == entry.size
        {
            found.append(Descriptor(mediaType: entry.mediaType, digest: entry.digest, size: entry.size))
            try addIndexes(below: entry, depth: depth + 1, to: &found)
        }
    }

    /// A small blob; nil where it is not here, too large for a document, or damaged.
    private func storedDocument(_ descriptor: Descriptor) throws -> [UInt8]? {
        guard descriptor.size <= Int64(Limits.manifestBytes), blobs.size(of: descriptor.digest) == descriptor.size
        else { return nil }
        do { return try blobs.readSmall(descriptor, limit: Limits.manifestBytes) } catch is BlobError { return nil }
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
