import Content
import Linux
import OCI
import SQL
import Snapshots

/// Makes the database anew from `index.json`, the documents and the layers. What cannot be known any more is the journal:
/// what was removed before cannot be undone after it.
struct DatabaseRebuild {
    let service: ImageService
    let lease: Lease

    private var blobs: BlobStore { service.blobs }

    /// - Returns: what it found, for people.
    /// - Throws: `ImageError(.conflict)` where another operation runs: it would go on with the old file.
    func run() async throws -> String {
        let entries = try await service.blocking { try self.entries() }
        var images: [NewImage] = []
        var names: [(entry: Descriptor, image: NewImage)] = []
        var lost = 0
        for entry in entries {
            if let image = images.first(where: { $0.descriptor.digest == entry.digest }) {
                names.append((entry, image))
                continue
            }
            do {
                let image = try await self.image(entry)
                images.append(image)
                names.append((entry, image))
            } catch {
                if error is CancellationError { throw error }
                lost += 1
            }
        }
        let (all, named) = (images, names)
        try await service.blocking { try self.replace(all, named) }
        let count = "\(all.count) image\(all.count == 1 ? "" : "s")"
        return lost == 0 ? count : "\(count); \(lost) could not be read: pull or load them again"
    }

    /// What `index.json` lists; where it is damaged too, every manifest among the blobs, without names.
    private func entries() throws -> [Descriptor] {
        if let listed = try? blobs.listedManifests() { return listed }
        var found: [Descriptor] = []
        for (digest, size) in try blobs.digests() where size <= Int64(Limits.manifestBytes) {
            var descriptor = Descriptor(mediaType: .ociManifest, digest: digest, size: size)
            guard let bytes = try? blobs.readSmall(descriptor, limit: Limits.manifestBytes),
                case .manifest(let document)? = try? ManifestDocument(parsing: bytes, mediaType: nil),
                document.value.config.mediaType.isConfig
            else { continue }
            descriptor.mediaType = document.value.mediaType ?? .ociManifest
            found.append(descriptor)
        }
        return found
    }

    private func image(_ entry: Descriptor) async throws -> NewImage {
        let bytes = try blobs.readSmall(entry, limit: Limits.manifestBytes)
        guard case .manifest(let manifest) = try ManifestDocument(parsing: bytes, mediaType: entry.mediaType) else {
            throw DocumentError.invalid("`index.json` lists an index")
        }
        let configBytes = try blobs.readSmall(manifest.value.config, limit: Limits.configBytes)
        let config = try ImageConfig.parse(configBytes, layers: manifest.value.layers.count)
        var contents: [LayerContents] = []
        for (blob, diffID) in zip(manifest.value.layers, config.value.rootfs.diffIDs) {
            if let record = try service.driver.record(of: diffID) {
                contents.append(record.contents)
                continue
            }
            try lease.add([blob.digest, diffID])
            let pull = LayerPull(
                service: service, blob: blob, diffID: diffID, source: blobs, bounds: service.layerBounds, lease: lease
            ) { _ in }
            contents.append(try await pull.rebuild())
        }
        return NewImage(manifest: manifest, descriptor: entry, config: config, contents: contents, source: nil)
    }

    /// Writes a new database beside the old one and puts it in its place.
    private func replace(_ images: [NewImage], _ names: [(entry: Descriptor, image: NewImage)]) throws {
        let path = service.metadata.path
        let staged = "\(path).rebuilt-\(uniqueSuffix())"
        let store = ImageStore(path: staged)
        do {
            try store.write { connection in
                var step = Step(.load, at: service.now(), grace: 0, connection)
                for image in images { try step.add(image) }
                for (entry, image) in names { try name(entry, image, &step) }
                // What was rebuilt is no step that anybody made.
            }
            try store.database().checkpoint()
            store.close()
            try sync(try open(staged, .read), staged)
            try blobs.withCollection { held in
                if !held.subtracting(lease.digests).isEmpty {
                    throw ImageError(
                        .conflict, "cannot replace the database: another strata works on this store",
                        hint: "try again when it has ended")
                }
                service.metadata.close()
                for suffix in ["-wal", "-shm"] { try removeFile(path + suffix) }
                try rename(staged, to: path)
                try syncDirectory(parent(of: path))
            }
        } catch {
            store.close()
            for suffix in ["", "-wal", "-shm"] { try? removeFile(staged + suffix) }
            throw error
        }
        for suffix in ["-wal", "-shm"] { try removeFile(staged + suffix) }
    }

    private func name(_ entry: Descriptor, _ image: NewImage, _ step: inout Step) throws {
        let annotations = entry.annotations ?? [:]
        for repository in (annotations[Layout.sourcesAnnotation] ?? "").split(separator: " ") {
            guard let source = try? Reference(parsing: String(repository)) else { continue }
            try ImageStore.addSource(source, of: image.descriptor.digest, step.connection)
        }
        guard let text = annotations[Layout.containerdAnnotation] ?? annotations[Layout.nameAnnotation],
            let reference = try? Reference(parsing: text), reference.tag != nil || reference.digest != nil
        else { return }
        var target = image.descriptor
        let words = (annotations[Layout.targetAnnotation] ?? "").split(separator: " ")
        if words.count == 3, let digest = try? Digest(parsing: words[1]), let size = Int64(words[2]) {
            target = Descriptor(mediaType: MediaType(rawValue: String(words[0])), digest: digest, size: size)
        }
        try step.name(reference, manifest: image.descriptor.digest, target: target)
    }
}
