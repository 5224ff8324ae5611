import Content
import Linux
package import OCI
import Snapshots

/// An image to be made of another one and one layer more.
package struct CommitRequest: Sendable {
    /// The image ID of the one below.
    package var base: Digest
    /// The container's config; `changes` are applied to it.
    package var config: ContainerConfig
    package var changes: [ConfigChange] = []
    /// What history calls the step: the container's command.
    package var createdBy = ""
    package var author = ""
    package var message = ""
    /// What to call the image; nil for nothing.
    package var target: Reference?

    package init(base: Digest, config: ContainerConfig) {
        self.base = base
        self.config = config
    }
}

extension ImageService {
    /// Makes an image of another one and one layer more.
    ///
    /// - Parameters:
    ///   - input: gives the layer's tar to its end; a descriptor that stays open.
    ///   - confirm: called when all of the tar came: throws where it is not whole after all.
    /// - Returns: the image ID.
    package func commit(
        _ request: CommitRequest, layerFrom input: Int32, confirm: () async throws -> Void
    ) async throws -> Digest {
        if request.target?.digest != nil { throw ImageError(.invalid, "cannot commit to digest reference") }
        var container = request.config
        for change in request.changes { try change.apply(to: &container) }
        let lease = try blobs.lease()
        do {
            let layer = try await importLayer(from: input, lease) { _ in }
            try await confirm()
            Failpoint.reach("commit-layer")
            let merged = container
            let id = try await blocking {
                let image = try self.committedImage(request, merged, layer)
                try lease.add([image.id, image.descriptor.digest])
                try self.blobs.put(image.config.bytes, as: image.id)
                try self.blobs.put(image.manifest.bytes, as: image.descriptor.digest)
                Failpoint.reach("commit-documents")
                try self.step(.commit) { step in
                    try step.add(image)
                    if let target = request.target {
                        try step.name(
                            target.withDefaultTag, manifest: image.descriptor.digest, target: image.descriptor)
                    }
                }
                return image.id
            }
            lease.release()
            return id
        } catch {
            lease.release()
            _ = try? await blocking { try self.collect() }
            throw Self.explained(error)
        }
    }

    private func committedImage(
        _ request: CommitRequest, _ container: ContainerConfig, _ layer: ImportedLayer
    ) throws -> NewImage {
        // A container's image may have been removed by force meanwhile; the container keeps what it stands on.
        guard let base = try metadata.read({ try ImageStore.image(request.base, $0, evenRemoved: true) }) else {
            throw ImageError(.notFound, "No such image: \(request.base)")
        }
        guard let below = base.manifest() else {
            throw ImageError(.damaged, "image \(base.id.short) has no manifest")
        }
        let parent = try config(of: base).value
        let created = rfc3339(now())
        var config = parent
        config.created = created
        config.author = request.author.isEmpty ? parent.author : request.author
        config.comment = request.message.isEmpty ? nil : request.message
        config.config = container
        // Those say what made the base, or where its base was.
        config.dockerVersion = nil
        config.parent = nil
        config.rootfs = .init(diffIDs: parent.rootfs.diffIDs + [layer.diffID])
        var step = ImageConfig.History(
            created: created, createdBy: request.createdBy, comment: request.message.isEmpty ? nil : request.message)
        step.author = request.author.isEmpty ? nil : request.author
        config.history = Self.completeHistory(parent) + [step]
        return try NewImage(
            of: config, layers: below.layers.map(Self.ociLayer) + [layer.blob],
            contents: base.layers.map { LayerContents(size: $0.size, files: $0.files) } + [layer.contents])
    }

    /// A history that tells of every layer: without one for those below, the new step would seem to have made the first.
    private static func completeHistory(_ config: ImageConfig) -> [ImageConfig.History] {
        let told = config.history ?? []
        let missing = config.rootfs.diffIDs.count - told.count { $0.emptyLayer != true }
        guard missing > 0 else { return told }
        return told + (0..<missing).map { _ in ImageConfig.History(created: config.created, createdBy: nil) }
    }

    /// A layer of docker's manifests as an OCI manifest names it: the same bytes.
    private static func ociLayer(_ blob: Descriptor) -> Descriptor {
        let types: [MediaType: MediaType] = [
            .dockerLayer: .ociLayer, .dockerLayerGzip: .ociLayerGzip, .dockerLayerZstd: .ociLayerZstd,
        ]
        return Descriptor(mediaType: types[blob.mediaType] ?? blob.mediaType, digest: blob.digest, size: blob.size)
    }
}
