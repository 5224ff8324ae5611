import Content
import Linux
package import OCI
import RegistryClient
import Snapshots

extension ImageService {
    package func pull(
        _ reference: Reference, platform: Platform?, allTags: Bool, progress: @escaping ProgressHandler
    ) async throws -> [(reference: Reference, outcome: PullOutcome)] {
        if !allTags {
            let reference = reference.withDefaultTag
            return [(reference, try await pullOne(reference, platform: platform, progress: progress))]
        }
        if reference.tag != nil || reference.digest != nil {
            throw ImageError(.invalid, "tag can't be used with --all-tags/-a")
        }
        let tags = try await client.tags(of: reference)
        if tags.isEmpty { throw ImageError(.notFound, "\(reference.familiarRepository) has no tags") }
        var pulled: [(reference: Reference, outcome: PullOutcome)] = []
        var refusal: ImageError?
        for tag in tags {
            let tagged = try reference.with(tag: tag)
            do { pulled.append((tagged, try await pullOne(tagged, platform: platform, progress: progress))) } catch {
                // One tag that is for other platforms is no reason to leave the others.
                guard let error = error as? ImageError, error.code == .notFound else { throw error }
                refusal = error
                progress(.warning("\(tagged.familiar): \(error.message)"))
            }
        }
        if pulled.isEmpty, let refusal { throw refusal }
        return pulled
    }

    private func pullOne(
        _ reference: Reference, platform: Platform?, progress: @escaping ProgressHandler
    ) async throws -> PullOutcome {
        do { return try await pullNow(reference, platform: platform, progress: progress) } catch let error
            as RegistryError
        {
            let code: ImageError.Code =
                switch error.code {
                case .manifestUnknown, .nameUnknown, .blobUnknown: .notFound
                case .denied, .unauthorized: .denied
                default: .unavailable
                }
            throw ImageError(code, error.sentence(pulling: reference), hint: error.hint)
        }
    }

    private func pullNow(
        _ reference: Reference, platform: Platform?, progress: @escaping ProgressHandler
    ) async throws -> PullOutcome {
        let source = client.source(for: reference)
        let heading = reference.digest == nil ? reference.tag ?? "" : reference.description
        // A new store knows no name, and its database is made while the registry is asked.
        let isNew = try metadata.isNew
        if !isNew, let digest = try await upToDate(reference, platform: platform) {
            progress(.line("\(heading): Pulling from \(reference.path)"))
            progress(.line("Digest: \(digest)"))
            progress(.line("Status: Image is up to date for \(reference.familiar)"))
            return .upToDate
        }
        async let database: Void = isNew ? blocking { _ = try self.metadata.database() } : ()
        let target = try await PullTarget.resolve(reference, platform: platform, client: client, source: source)
        try await database
        progress(.line("\(heading): Pulling from \(reference.path)"))
        if platform == nil, !Platform.current.accepts(target.config.value.platform) {
            progress(
                .warning(
                    "The requested image's platform (\(target.config.value.platform)) does not match the detected host "
                        + "platform (\(Platform.current)) and no specific platform was requested"))
        }
        let lease = try blobs.lease()
        defer { lease.release() }
        let contents = try await layers(of: target, reference, lease, progress)
        let changed = try await blocking {
            try Self.explaining { try self.store(target, contents, reference, lease) }
        }
        progress(.line("Digest: \(target.top.digest)"))
        progress(
            .line(
                "Status: \(changed ? "Downloaded newer image" : "Image is up to date") for \(reference.familiar)"))
        return changed ? .downloaded : .upToDate
    }

    /// Asks the registry by HEAD whether the name still means what is here, whole; that costs no download and no pull of a
    /// rate limit.
    ///
    /// - Returns: the digest of what the registry serves under the name; nil where a pull has something to do.
    private func upToDate(_ reference: Reference, platform: Platform?) async throws -> Digest? {
        let known = try await blocking {
            try self.metadata.read { connection -> (reference: StoredReference, image: StoredImage)? in
                guard let found = try ImageStore.reference(reference, connection),
                    let image = try ImageStore.image(found.image, connection)
                else { return nil }
                return (found.reference, image)
            }
        }
        guard let known, (platform ?? .current).accepts(known.image.platform) else { return nil }
        // A better match may exist in the index than the one that was taken for another platform.
        let wanted = (platform ?? .current).normalized
        if wanted.architecture != known.image.platform.normalized.architecture { return nil }
        guard let now = try await client.head(reference), now.digest == known.reference.target.digest else {
            return nil
        }
        let isWhole = try await blocking { try self.isWhole(known.image, known.reference) }
        return isWhole ? now.digest : nil
    }

    /// Whether all of an image is here as it was left.
    func isWhole(_ image: StoredImage, _ reference: StoredReference?) throws -> Bool {
        guard let manifest = image.manifest(for: reference) else { return false }
        let needed = [image.config, manifest.descriptor] + manifest.layers + (reference.map { [$0.target] } ?? [])
        if let reference, reference.target.mediaType.isIndex,
            try !nestedIndexes(of: reference.target).leads(to: reference.manifest)
        {
            return false
        }
        for blob in needed {
            if blobs.size(of: blob.digest) != blob.size { return false }
            do { try blobs.checkSeal(blob.digest) } catch is BlobError { return false }
        }
        return try image.layers.allSatisfy { try LayerPull.whole($0.diffID, driver) != nil }
    }

    /// How many layers are under way at once: enough to fill a line and the cores, few enough to bound memory.
    private static let concurrentLayers = 3

    /// Brings all layers of an image, several at once.
    ///
    /// - Returns: what they hold, base first.
    private func layers(
        of target: PullTarget, _ reference: Reference, _ lease: Lease, _ progress: @escaping ProgressHandler
    ) async throws -> [LayerContents] {
        let bounds = layerBounds
        let pairs = Array(zip(target.manifest.value.layers, target.config.value.rootfs.diffIDs))
        // The same layer twice in an image is brought once.
        var unique: [(blob: Descriptor, diffID: Digest)] = []
        for (blob, diffID) in pairs
        where !unique.contains(where: { $0.diffID == diffID && $0.blob.digest == blob.digest }) {
            unique.append((blob, diffID))
        }
        for (blob, _) in unique { progress(.layer(id: blob.digest.short, .pullingLayer)) }
        for (blob, _) in unique.dropFirst(Self.concurrentLayers) { progress(.layer(id: blob.digest.short, .waiting)) }
        let found = try await withThrowingTaskGroup(of: (Digest, LayerContents).self) { group in
            var waiting = unique[...]
            var found: [Digest: LayerContents] = [:]
            func start() {
                guard let (blob, diffID) = waiting.popFirst() else { return }
                let id = blob.digest.short
                let source = client.source(for: reference) { seconds, reason in
                    progress(.layer(id: id, .retrying(seconds: seconds, reason: reason)))
                }
                let pull = LayerPull(
                    service: self, blob: blob, diffID: diffID, source: source, bounds: bounds, lease: lease,
                    progress: { progress(.layer(id: id, $0)) })
                group.addTask { (diffID, try await pull.run()) }
            }
            for _ in 0..<Self.concurrentLayers { start() }
            while let (diffID, contents) = try await group.next() {
                found[diffID] = contents
                start()
            }
            return found
        }
        return try pairs.map { _, diffID in
            guard let contents = found[diffID] else { throw CancellationError() }
            return contents
        }
    }

    /// Makes the image's documents durable, then names it.
    ///
    /// - Returns: whether the name means something else now than before.
    private func store(
        _ target: PullTarget, _ contents: [LayerContents], _ reference: Reference, _ lease: Lease
    ) throws -> Bool {
        let config = target.manifest.value.config.digest
        try lease.add([config, target.descriptor.digest] + target.indexes.map(\.digest))
        try blobs.put(target.config.bytes, as: config)
        try blobs.put(target.manifest.bytes, as: target.descriptor.digest)
        for index in target.indexes { try blobs.put(index.bytes, as: index.digest) }
        Failpoint.reach("documents")
        let image = NewImage(
            manifest: target.manifest, descriptor: target.descriptor, config: target.config, contents: contents,
            source: reference.untagged)
        let changed = try step(.pull) { step in
            try step.add(image)
            var before: StoredReference?
            if reference.digest == nil {
                before = try step.name(reference, manifest: target.descriptor.digest, target: target.top)
            }
            let byDigest = reference.with(digest: target.top.digest)
            let known = try step.name(byDigest, manifest: target.descriptor.digest, target: target.top)
            if reference.digest != nil { before = known }
            return before?.manifest != target.descriptor.digest || before?.target.digest != target.top.digest
        }
        Failpoint.reach("named")
        try collectIfExpired()
        return changed
    }
}
