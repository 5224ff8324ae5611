import Content
import Linux
package import OCI

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension ImageService {
    package func save(
        _ names: [String], format: SaveFormat, platform: Platform?, to output: Int32,
        progress: @escaping ProgressHandler
    ) async throws {
        if names.isEmpty { throw ImageError(.invalid, "no image to save was named") }
        let lease = try blobs.lease()
        defer { lease.release() }
        do {
            try await CancelFlag.watching("save") { flag in
                var saved = try self.saved(names, platform: platform)
                try lease.add(saved.flatMap { $0.outgoing.blobs.map(\.digest) })
                // A collection may have run before the lease grew.
                saved = try self.saved(names, platform: platform)
                for image in saved {
                    if let index = image.outgoing.reducedFrom, platform == nil {
                        progress(
                            .warning(
                                "\(image.label) is saved for \(image.platform) alone: not all of its index \(index.digest)"
                                    + " is here"))
                    }
                }
                try self.write(saved, format, to: output, flag, progress: progress)
            }
        } catch { throw Self.explained(error) }
    }

    /// One image to save.
    private struct SavedImage: Sendable {
        var outgoing: Outgoing
        /// The image that docker's `manifest.json` tells of.
        var part: Outgoing.Part
        var platform: Platform
        var tags: [Reference]
        var label: String
    }

    /// What some names mean; a repository without a tag means all its tags, as in docker.
    private func saved(_ names: [String], platform: Platform?) throws -> [SavedImage] {
        let all = try metadata.read { try ImageStore.references($0) }.map(\.name)
        var saved: [SavedImage] = []
        func add(_ name: String) throws {
            let found = try find(name)
            let outgoing = try outgoing(found, name: name, platform: platform)
            guard
                let part = outgoing.parts.first(where: { $0.manifest.config.digest == found.image.id })
                    ?? outgoing.parts.first
            else { throw ImageError(.damaged, "image \(found.image.id.short) has no manifest") }
            let tag = found.reference.flatMap { $0.name.tag == nil ? nil : $0.name }
            let same = saved.firstIndex { $0.outgoing.root.digest == outgoing.root.digest }
            if let same {
                if let tag, !saved[same].tags.contains(tag) { saved[same].tags.append(tag) }
                return
            }
            let config = try? ImageConfig.parse(
                blobs.readSmall(part.manifest.config, limit: Limits.configBytes), layers: nil)
            saved.append(
                SavedImage(
                    outgoing: outgoing, part: part, platform: config?.value.platform ?? found.image.platform,
                    tags: tag.map { [$0] } ?? [], label: tag?.familiar ?? found.image.id.short))
        }
        for name in names {
            let reference = try? Reference(parsing: name)
            let tags = all.filter { $0.tag != nil && $0.repository == reference?.repository }
            if let reference, reference.tag == nil, reference.digest == nil, !tags.isEmpty {
                try tags.forEach { try add($0.description) }
            } else {
                try add(name)
            }
        }
        return saved
    }

    private func write(
        _ saved: [SavedImage], _ format: SaveFormat, to output: Int32, _ flag: CancelFlag, progress: ProgressHandler
    ) throws {
        var seen: Set<Digest> = []
        let contents = saved.flatMap(\.outgoing.blobs).filter { seen.insert($0.digest).inserted }
            .sorted { $0.digest < $1.digest }
        // A damaged blob is told before the first byte goes out.
        for blob in contents {
            try flag.check()
            try blobs.checkSeal(blob.digest)
        }
        var writer = ArchiveWriter(blobs, to: output, flag)
        try writer.directory("blobs/")
        var algorithms: Set<Digest.Algorithm> = []
        let total = contents.reduce(0) { $0 + $1.size }
        var done: Int64 = 0
        for blob in contents {
            if algorithms.insert(blob.digest.algorithm).inserted {
                try writer.directory("blobs/\(blob.digest.algorithm.rawValue)/")
            }
            try writer.blob(blob) { count in
                done += Int64(count)
                progress(.archive(.writing, done: done, total: total))
            }
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try writer.file(ArchiveLayout.index, Array(encoder.encode(Index(manifests: saved.flatMap(Self.entries)))))
        if format == .docker {
            let entries = saved.map { image in
                ArchiveLayout.DockerEntry(
                    config: ArchiveLayout.path(of: image.part.manifest.config.digest),
                    repoTags: image.tags.isEmpty ? nil : image.tags.map(\.familiar),
                    layers: image.part.manifest.layers.map { ArchiveLayout.path(of: $0.digest) })
            }
            try writer.file(ArchiveLayout.dockerManifest, Array(encoder.encode(entries)))
        }
        try writer.file(ArchiveLayout.marker, Array(ArchiveLayout.markerText.utf8))
        try writer.finish()
        progress(.archiveDone)
    }

    /// An image's entries of `index.json`: one for each tag, with the names that docker and containerd look for.
    private static func entries(_ image: SavedImage) -> [Descriptor] {
        let root = image.outgoing.root
        func entry(_ annotations: [String: String]?) -> Descriptor {
            Descriptor(
                mediaType: root.mediaType, digest: root.digest, size: root.size, annotations: annotations,
                platform: root.mediaType.isIndex ? nil : image.platform)
        }
        if image.tags.isEmpty { return [entry(nil)] }
        return image.tags.map { tag in
            entry([Layout.containerdAnnotation: tag.description, Layout.nameAnnotation: tag.tag ?? ""])
        }
    }
}
