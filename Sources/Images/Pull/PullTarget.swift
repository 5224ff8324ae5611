import Content
import OCI
import RegistryClient

/// What a name at a registry comes to for one platform: the manifest and config of one image, and the indexes on the way.
struct PullTarget {
    /// What the registry serves under the name.
    var top: Descriptor
    /// The exact bytes of every index on the way, the outermost first; empty where the name means the manifest.
    var indexes: [(digest: Digest, bytes: [UInt8])]
    var manifest: Document<Manifest>
    var descriptor: Descriptor
    var config: Document<ImageConfig>

    /// Follows a name to an image for a platform.
    ///
    /// - Parameter platform: asked for by a person; nil takes this machine's, and of an image without a choice whatever it is.
    /// - Throws: `ImageError` with docker's sentence where there is none; `RegistryError`, `DocumentError`.
    static func resolve(
        _ reference: Reference, platform: Platform?, client: RegistryClient, source: any BlobSource
    ) async throws -> PullTarget {
        let top = try await client.resolve(reference)
        var found = top
        var indexes: [(digest: Digest, bytes: [UInt8])] = []
        while case .index(let index) = found.document {
            indexes.append((found.descriptor.digest, found.bytes))
            if indexes.count > Limits.indexDepth {
                throw ImageError(
                    .invalid, "\(reference.familiar): indexes nest deeper than \(Limits.indexDepth) levels")
            }
            let entry = try select(from: index.value, platform ?? .current)
            found = try await client.resolve(reference.with(digest: entry.digest))
        }
        guard case .manifest(let manifest) = found.document else {
            throw ImageError(.invalid, "\(reference.familiar) leads to no manifest")
        }
        let config = try await imageConfig(of: manifest.value, reference, source)
        let target = PullTarget(
            top: top.descriptor, indexes: indexes, manifest: manifest, descriptor: found.descriptor, config: config)
        if let platform, !platform.accepts(config.value.platform) {
            throw ImageError(
                .notFound,
                "image with reference \(reference.familiar) was found but its platform (\(config.value.platform)) does not"
                    + " match the specified platform (\(platform))",
                hint: "pull it without --platform, or build one for \(platform)")
        }
        return target
    }

    private static func select(from index: Index, _ platform: Platform) throws -> Descriptor {
        if let entry = index.entry(for: platform) { return entry }
        let offered = index.manifests.compactMap(\.platform).filter { $0.os != "unknown" }
            .map { $0.normalized.description }
        throw ImageError(
            .notFound, "no matching manifest for \(platform) in the manifest list entries",
            hint: offered.isEmpty
                ? "the index names no platform" : "it has \(offered.joined(separator: ", ")): choose with --platform")
    }

    private static func imageConfig(
        of manifest: Manifest, _ reference: Reference, _ source: any BlobSource
    ) async throws -> Document<ImageConfig> {
        guard manifest.config.mediaType.isConfig else {
            let type = manifest.artifactType ?? manifest.config.mediaType
            throw ImageError(
                .invalid, "\(reference.familiar) is an artifact of the type \(type), not a container image")
        }
        if let layer = manifest.layers.first(where: { !$0.mediaType.isLayer }) {
            throw ImageError(
                .invalid, "\(reference.familiar): the layer \(layer.digest) has the unknown type \(layer.mediaType)")
        }
        let bytes = try await source.readAll(manifest.config, limit: Limits.configBytes)
        return try ImageConfig.parse(bytes, layers: manifest.layers.count)
    }
}
