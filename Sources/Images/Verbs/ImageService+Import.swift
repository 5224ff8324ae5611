import Content
import Linux
package import OCI
import Snapshots

extension ImageService {
    package func importImage(
        from input: Int32, as target: Reference?, changes: [ConfigChange], message: String, platform: Platform?,
        progress: @escaping ProgressHandler
    ) async throws -> Digest {
        if target?.digest != nil { throw ImageError(.invalid, "cannot import digest reference") }
        var container = ContainerConfig()
        for change in changes { try change.apply(to: &container) }
        let lease = try blobs.lease()
        do {
            let layer = try await importLayer(from: input, lease, progress: progress)
            let image = try importedImage(
                layer, container, message: message, platform: (platform ?? .current).normalized)
            try await blocking {
                try lease.add([image.id, image.descriptor.digest])
                try self.blobs.put(image.config.bytes, as: image.id)
                try self.blobs.put(image.manifest.bytes, as: image.descriptor.digest)
                try self.step(.import) { step in
                    try step.add(image)
                    if let target {
                        try step.name(
                            target.withDefaultTag, manifest: image.descriptor.digest, target: image.descriptor)
                    }
                }
            }
            lease.release()
            return image.id
        } catch {
            lease.release()
            _ = try? await blocking { try self.collect() }
            throw Self.explained(error)
        }
    }

    struct ImportedLayer: Sendable {
        var blob: Descriptor
        var diffID: Digest
        var contents: LayerContents
    }

    /// Makes a layer, and a packed blob of the same tar, of what comes.
    func importLayer(
        from input: Int32, _ lease: Lease, progress: @escaping ProgressHandler
    ) async throws -> ImportedLayer {
        let space = SpaceGuard(options.root)
        let scratch = try blobs.makeScratchDirectory()
        let directory = scratch.path
        let sink = try FileSink(creating: directory + "/blob", for: "the image", space: space, hashes: true)
        let build = try LayerBuild(
            "that is imported", size: 0, expecting: nil,
            writer: PackingWriter(try driver.beginLayer(in: directory), into: sink),
            bounds: LayerBuild.Bounds(limit: InflationLimit(floor: .max), space: space))
        let result: LayerBuild.Result
        let total = ArchiveInput.bytesLeft(in: input)
        var done: Int64 = 0
        do {
            var chunk = try await blocking { try ArchiveInput.read(512, from: input) }
            if chunk.isEmpty { throw ImageError(.invalid, "the archive is empty") }
            _ = try ArchiveInput.compression(of: chunk)
            while !chunk.isEmpty {
                try Task.checkCancellation()
                try await build.write(chunk)
                done += Int64(chunk.count)
                progress(.archive(.reading, done: done, total: total))
                chunk = try await blocking { try readSome(from: input, upTo: 1 << 20, "archive") }
            }
            result = try await build.finish()
            progress(.archiveDone)
        } catch {
            await build.abandon()
            throw error
        }
        guard let digest = sink.digest, let contents = result.contents else { throw CancellationError() }
        let blob = Descriptor(mediaType: .ociLayerGzip, digest: digest, size: sink.position)
        try lease.add([digest, result.diffID])
        try await blobs.write(blob, from: FileSource(path: sink.path)) { _ in }
        let kept = try await blocking { [driver] in
            if let here = try LayerPull.whole(result.diffID, driver) { return here }
            return try driver.commit(contents, stagedIn: directory, as: result.diffID).contents
        }
        _ = consume scratch
        return ImportedLayer(blob: blob, diffID: result.diffID, contents: kept)
    }

    private func importedImage(
        _ layer: ImportedLayer, _ container: ContainerConfig, message: String, platform: Platform
    ) throws -> NewImage {
        let created = rfc3339(now())
        let comment = message.isEmpty ? "Imported from -" : message
        var config = ImageConfig(
            platform: platform, rootfs: .init(diffIDs: [layer.diffID]), created: created, config: container,
            history: [.init(created: created, createdBy: nil, comment: comment)])
        config.comment = comment
        return try NewImage(of: config, layers: [layer.blob], contents: [layer.contents])
    }
}
