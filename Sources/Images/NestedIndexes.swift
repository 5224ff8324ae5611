import Content
import OCI

extension ImageService {
    /// The indexes from what a name means to an image, but for the first; the database knows that one alone. An index may list
    /// others (image-spec, image index), and goes out whole only with them.
    ///
    /// - Returns: those that are missing or damaged here too, as far as the way can be told without them.
    func indexesOnTheWay(from target: Descriptor, to platform: Platform) throws -> [Descriptor] {
        var found: [Descriptor] = []
        var last = target
        while last.mediaType.isIndex, found.count < Limits.indexDepth, let index = try storedIndex(last),
            let entry = index.entry(for: platform), entry.mediaType.isIndex
        {
            last = Descriptor(mediaType: entry.mediaType, digest: entry.digest, size: entry.size)
            found.append(last)
        }
        return found
    }

    /// Which of some blobs nothing needs but an index that lists them: indexes below those that names mean.
    ///
    /// - Parameters:
    ///   - spare: blobs with their sizes. Only where one of them is an index, the targets are read.
    ///   - targets: indexes that names mean.
    func nestedIndexes(among spare: [(Digest, Int64)], below targets: [Descriptor]) throws -> Set<Digest> {
        if targets.isEmpty { return [] }
        let indexes = Set(try spare.filter { try isIndex($0.0, size: $0.1) }.map(\.0))
        if indexes.isEmpty { return [] }
        var seen: Set<Digest> = []
        var level = targets.filter { seen.insert($0.digest).inserted }
        for _ in 1..<Limits.indexDepth {
            var next: [Descriptor] = []
            for descriptor in level {
                // What a damaged one lists is not known: it may be any.
                guard let index = try storedIndex(descriptor) else { return indexes }
                next += index.manifests.filter {
                    $0.mediaType.isIndex && blobs.size(of: $0.digest) != nil && seen.insert($0.digest).inserted
                }
            }
            level = next
        }
        return indexes.intersection(seen)
    }

    private func isIndex(_ digest: Digest, size: Int64) throws -> Bool {
        guard size <= Int64(Limits.manifestBytes), try blobs.firstBytes(1, of: digest) == [UInt8(ascii: "{")] else {
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
