import Content
import Linux
package import OCI
import Snapshots
import Synchronization

extension ImageService {
    package func load(
        from input: Int32, platform: Platform?, progress: @escaping ProgressHandler
    ) async throws -> [LoadedImage] {
        let lease = try blobs.lease()
        do {
            let loaded = try await load(from: input, platform: platform, lease, progress: progress)
            lease.release()
            return loaded
        } catch {
            // What came of an archive that was refused, or broke off, goes at once.
            lease.release()
            _ = try? await blocking { try self.collect() }
            switch error {
            case let error as DocumentError: throw ArchiveIndexer.refused("\(error)")
            case BlobError.digestMismatch, BlobError.sizeMismatch: throw ArchiveIndexer.refused("\(error)")
            default: throw Self.explained(error)
            }
        }
    }

    private func load(
        from input: Int32, platform: Platform?, _ lease: Lease, progress: @escaping ProgressHandler
    ) async throws -> [LoadedImage] {
        let (archive, contents) = try await CancelFlag.watching("load") { flag in
            let total = ArchiveInput.bytesLeft(in: input)
            let archive = try StagedArchive(input, in: self.blobs, space: SpaceGuard(self.options.root), flag) { done in
                progress(.archive(.reading, done: done, total: total))
            }
            progress(.archiveDone)
            return (archive, try self.contents(of: archive, platform: platform, lease, flag))
        }
        let facts = try await bring(contents, from: archive, lease, progress: progress)
        return try await blocking {
            for image in contents.images {
                try self.blobs.put(image.config.bytes, as: image.id)
                try self.blobs.put(image.manifest.bytes, as: image.descriptor.digest)
            }
            let indexes = contents.namedIndexes
            try lease.add(indexes.map(\.digest))
            for index in indexes { try self.blobs.put(index.bytes, as: index.digest) }
            let lines = Mutex<[String]>([])
            let loaded = try self.step(.load) { step in
                try Self.record(contents, facts, &step) { text in lines.withLock { $0.append(text) } }
            }
            lines.withLock { $0 }.forEach { progress(.line($0)) }
            return loaded
        }
    }

    /// What an archive holds: by its OCI layout, by docker's `manifest.json`, or by both.
    private func contents(
        of archive: StagedArchive, platform: Platform?, _ lease: Lease, _ flag: CancelFlag
    ) throws -> ArchiveContents {
        var layout = LayoutReader(archive, blobs, platform: platform, lease)
        let listed = try layout.read()
        var contents = listed ?? ArchiveContents()
        var docker = DockerArchiveReader(archive, self, platform: platform, lease, flag)
        let hasManifest = try docker.read(into: &contents)
        if listed == nil, !hasManifest {
            let isOld = try archive.member("repositories") != nil
            throw ArchiveIndexer.refused(
                isOld
                    ? "it was made by docker before 1.10, which wrote no manifest.json"
                    : "it holds neither a manifest.json of docker's nor an OCI layout")
        }
        return contents
    }

    /// Layers that are made at once.
    private static let parallelLayers = 4

    /// Brings every layer here, once, and makes it.
    private func bring(
        _ contents: ArchiveContents, from archive: StagedArchive, _ lease: Lease, progress: @escaping ProgressHandler
    ) async throws -> [Digest: LayerContents] {
        var jobs: [LayerPull] = []
        var seen: Set<String> = []
        let bounds = layerBounds
        for image in contents.images {
            try lease.add([image.id, image.descriptor.digest, image.target.digest])
            for (blob, diffID) in image.layers where seen.insert("\(blob.digest) \(diffID)").inserted {
                jobs.append(
                    LayerPull(
                        service: self, blob: blob, diffID: diffID, source: archive, bounds: bounds, lease: lease
                    ) { status in
                        if let bytes = status.bytes {
                            progress(.layer(id: diffID.short, .loading(done: bytes.done, total: bytes.total)))
                        }
                    })
            }
        }
        // What several blobs of one diffID have in common must not be made twice at once: they take turns.
        return try await withThrowingTaskGroup(of: (Digest, LayerContents).self) { group in
            var facts: [Digest: LayerContents] = [:]
            let chains = Dictionary(grouping: jobs, by: \.diffID)
            var ordered: Set<Digest> = []
            let order = jobs.map(\.diffID).filter { ordered.insert($0).inserted }
            for (number, diffID) in order.enumerated() {
                if number >= Self.parallelLayers, let done = try await group.next() { facts[done.0] = done.1 }
                let chain = chains[diffID] ?? []
                group.addTask {
                    var contents = LayerContents(size: 0, files: 0)
                    for job in chain { contents = try await job.run() }
                    return (diffID, contents)
                }
            }
            for try await done in group { facts[done.0] = done.1 }
            return facts
        }
    }

    private static func record(
        _ contents: ArchiveContents, _ facts: [Digest: LayerContents], _ step: inout Step, tell: (String) -> Void
    ) throws -> [LoadedImage] {
        var loaded: [LoadedImage] = []
        for image in contents.images {
            try step.add(
                NewImage(
                    manifest: image.manifest, descriptor: image.descriptor, config: image.config,
                    contents: image.layers.compactMap { facts[$0.diffID] }, source: nil))
            for name in image.names {
                let before = try ImageStore.reference(name, step.connection)
                try step.name(name, manifest: image.descriptor.digest, target: image.target)
                if let before, before.image != image.id {
                    tell(
                        "The image \(name.familiar) already exists, renaming the old one with ID \(before.image) to"
                            + " empty string")
                }
                loaded.append(LoadedImage(id: image.id, reference: name))
            }
            if image.names.isEmpty { loaded.append(LoadedImage(id: image.id, reference: nil)) }
        }
        return loaded
    }
}
