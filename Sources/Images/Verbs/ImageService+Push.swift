import Content
package import OCI
import RegistryClient
import SQL

extension ImageService {
    package func push(
        _ reference: Reference, platform: Platform?, allTags: Bool, progress: @escaping ProgressHandler
    ) async throws {
        if reference.digest != nil { throw ImageError(.invalid, "cannot push a digest reference") }
        if allTags, reference.tag != nil {
            throw ImageError(.invalid, "tag can't be used with --all-tags/-a")
        }
        let names = try await blocking { try self.pushed(reference, allTags: allTags) }
        progress(.line("The push refers to repository [\(reference.repository)]"))
        for name in names {
            do { try await pushOne(name, platform: platform, progress: progress) } catch let error as RegistryError {
                throw ImageError(pushing: error)
            } catch { throw Self.explained(error) }
        }
    }

    /// The tags to push, each of which is here.
    private func pushed(_ reference: Reference, allTags: Bool) throws -> [Reference] {
        let tags = try metadata.read { try ImageStore.references($0) }.map(\.name)
            .filter { $0.tag != nil && $0.repository == reference.repository }
        if tags.isEmpty {
            throw ImageError(
                .notFound, "An image does not exist locally with the tag: \(reference.familiarRepository)",
                hint: "`strata image tag IMAGE \(reference.familiarRepository)` names one so")
        }
        if allTags { return tags }
        let wanted = reference.withDefaultTag
        guard tags.contains(wanted) else { throw ImageError(.notFound, "tag does not exist: \(wanted.familiar)") }
        return [wanted]
    }

    private func pushOne(_ name: Reference, platform: Platform?, progress: @escaping ProgressHandler) async throws {
        let lease = try blobs.lease()
        defer { lease.release() }
        let (outgoing, sources) = try await blocking {
            let found = try self.find(name.description)
            var outgoing = try self.outgoing(found, name: name.description, platform: platform)
            // A collection may have run since: what is held now is looked at again.
            try lease.add(outgoing.blobs.map(\.digest))
            outgoing = try self.outgoing(found, name: name.description, platform: platform)
            let digests = outgoing.blobs.map(\.digest)
            let sources = try self.metadata.read {
                try ImageStore.repositories(holding: digests, domain: name.domain, $0)
            }
            return (outgoing, sources)
        }
        if let index = outgoing.reducedFrom, platform == nil {
            progress(
                .warning(
                    "Not all multiplatform-content is present and only the available single-platform image was pushed\n"
                        + "\(index.digest) -> \(outgoing.root.digest)"))
        }
        try await send(outgoing, to: name, mounts: sources, progress: progress)
        for part in outgoing.parts where part.descriptor.digest != outgoing.root.digest {
            try await put(part.descriptor, part.document.bytes, as: name.with(digest: part.descriptor.digest))
        }
        for index in outgoing.indexes {
            try await put(index.descriptor, index.bytes, as: name.with(digest: index.descriptor.digest))
        }
        try await put(outgoing.root, outgoing.rootBytes, as: name)
        try await blocking { try self.record(outgoing, in: name) }
        let tag = name.tag ?? Reference.defaultTag
        progress(.line("\(tag): digest: \(outgoing.root.digest) size: \(outgoing.root.size)"))
    }

    private func put(_ descriptor: Descriptor, _ bytes: [UInt8], as name: Reference) async throws {
        _ = try await client.putManifest(bytes, mediaType: descriptor.mediaType, as: name)
    }

    /// As many as docker sends at once.
    private static let parallelUploads = 5

    /// Sends the layers, then the configs.
    private func send(
        _ outgoing: Outgoing, to name: Reference, mounts: [Digest: [Reference]], progress: @escaping ProgressHandler
    ) async throws {
        var jobs: [(blob: Descriptor, progress: PushProgress)] = []
        var seen: Set<Digest> = []
        for part in outgoing.parts {
            // docker begins with the top layer.
            for (position, layer) in part.manifest.layers.enumerated().reversed()
            where seen.insert(layer.digest).inserted {
                let id = position < part.diffIDs.count ? part.diffIDs[position].short : layer.digest.short
                let job = PushProgress(id: id, size: layer.size, handler: progress)
                jobs.append((layer, job))
                job.tell(.preparing)
            }
        }
        for part in outgoing.parts where seen.insert(part.manifest.config.digest).inserted {
            let config = part.manifest.config
            jobs.append((config, PushProgress(id: nil, size: config.size, handler: progress)))
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (number, job) in jobs.enumerated() {
                if number >= Self.parallelUploads { try await group.next() }
                group.addTask { try await self.send(job.blob, to: name, mounts: mounts, progress: job.progress) }
            }
            try await group.waitForAll()
        }
    }

    private func send(
        _ blob: Descriptor, to name: Reference, mounts: [Digest: [Reference]], progress: PushProgress
    ) async throws {
        // Also where the registry has the blob: what is damaged here is not named by a push either.
        if !blob.mediaType.isForeignLayer {
            try await blocking { try Self.explaining { try self.blobs.checkSeal(blob.digest) } }
        }
        let sink = client.sink(
            for: name, mountFrom: { mounts[$0] ?? [] },
            onRetry: { progress.tell(.retrying(seconds: $0, reason: $1)) })
        progress.tell(
            try await sink.push(blob, from: SealedBlobs(store: blobs)) { progress.advance($0) })
    }

    /// Notes where the image now is, too, and the name with its digest, as docker does.
    private func record(_ outgoing: Outgoing, in name: Reference) throws {
        try metadata.write { connection in
            for part in outgoing.parts {
                try ImageStore.addSource(name, of: part.descriptor.digest, connection)
            }
            guard let stored = try ImageStore.reference(name, connection)?.reference else { return }
            let pinned = name.with(digest: outgoing.root.digest)
            if try ImageStore.reference(pinned, connection) != nil { return }
            let manifest = outgoing.parts.first { $0.descriptor.digest == outgoing.root.digest }
            try ImageStore.write(
                StoredReference(
                    name: pinned, manifest: manifest?.descriptor.digest ?? stored.manifest, target: outgoing.root,
                    updated: now()), connection)
        }
        try publishIndex()
    }
}
