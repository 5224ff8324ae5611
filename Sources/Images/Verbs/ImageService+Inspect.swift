import Content
package import OCI
import Snapshots

extension ImageService {
    package func inspect(_ name: String, platform: Platform?) async throws -> ImageDetail {
        try await blocking { try self.detail(name, platform: platform) }
    }

    private func detail(_ name: String, platform: Platform?) throws -> ImageDetail {
        let found = try find(name, platform: platform)
        let image = found.image
        let users = try metadata.read { try ImageStore.layerUsers(of: image, $0) }
        let shares = image.layers.reduce(into: [:]) { $0[$1.row] = users[$1.diffID]?.count }
        let containers = try imageUsers().count { $0.imageID == image.id }
        guard let manifest = image.manifest(for: found.reference) else {
            throw ImageError(.damaged, "image \(image.id.short) has no manifest")
        }
        return ImageDetail(
            summary: Self.summary(image, shares: shares, containers: containers),
            config: try config(of: image), descriptor: manifest.descriptor,
            layers: layers(of: image, manifest, users: users), lastTagged: image.tags.map(\.updated).max(),
            driver: driver.kind.rawValue, lowerPaths: image.layers.reversed().map { driver.path(of: $0.diffID) })
    }

    /// An image's layers, base first, with what they take here.
    func layers(
        of image: StoredImage, _ manifest: StoredManifest, users: [Digest: [Digest]]
    ) -> [LayerSummary] {
        zip(image.layers, manifest.layers).map { layer, blob in
            let stored = try? driver.storedBytes(of: layer.diffID)
            return LayerSummary(
                diffID: layer.diffID, blob: blob, size: layer.size,
                storedBytes: (blobs.size(of: blob.digest) ?? 0) + (stored ?? 0), files: layer.files,
                usedBy: users[layer.diffID] ?? [])
        }
    }

    package func history(_ name: String, platform: Platform?) async throws -> [HistoryStep] {
        try await blocking {
            let found = try self.find(name, platform: platform)
            let manifest = found.image.manifest(for: found.reference)
            return Self.history(of: found.image, try self.config(of: found.image).value, blobs: manifest?.layers ?? [])
        }
    }

    /// The steps, newest first. Layers that the config's history does not tell of come as steps without a command.
    static func history(of image: StoredImage, _ config: ImageConfig, blobs: [Descriptor]) -> [HistoryStep] {
        var steps: [HistoryStep] = []
        var next = 0
        func step(_ told: ImageConfig.History?, makesLayer: Bool) {
            let layer = makesLayer && next < image.layers.count ? image.layers[next] : nil
            steps.append(
                HistoryStep(
                    imageID: nil, created: told?.created.flatMap { secondsSince1970(rfc3339: $0) },
                    createdBy: told?.createdBy ?? "", comment: told?.comment ?? "", size: layer?.size ?? 0,
                    diffID: layer?.diffID, blob: layer != nil && next < blobs.count ? blobs[next] : nil, tags: []))
            if layer != nil { next += 1 }
        }
        for told in config.history ?? [] { step(told, makesLayer: told.emptyLayer != true) }
        while next < image.layers.count { step(nil, makesLayer: true) }
        steps.reverse()
        if !steps.isEmpty {
            steps[0].imageID = image.id
            steps[0].tags = image.tags.map(\.name)
        }
        return steps
    }

    package func tag(_ name: String, as target: Reference) async throws {
        if target.digest != nil { throw ImageError(.invalid, "refusing to create a tag with a digest reference") }
        if target.familiarRepository == "sha256" || target.familiarRepository == "sha512" {
            throw ImageError(.invalid, "refusing to create an ambiguous tag using digest algorithm as name")
        }
        try await blocking {
            let found = try self.find(name)
            guard let manifest = found.image.manifest(for: found.reference) else {
                throw ImageError(.damaged, "image \(found.image.id.short) has no manifest")
            }
            try self.step(.tag) { step in
                _ = try step.name(
                    target.withDefaultTag, manifest: manifest.descriptor.digest,
                    target: found.reference?.target ?? manifest.descriptor)
            }
        }
    }
}
