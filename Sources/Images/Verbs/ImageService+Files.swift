import OCI
import Snapshots

extension ImageService {
    package func files(_ name: String, layer: String?) async throws -> [FileEntry] {
        try await CancelFlag.watching("files") { flag in
            let found = try self.find(name)
            return try Self.explaining {
                if let layer {
                    return try self.files(of: Self.layer(layer, of: found), flag)
                }
                return try self.mergedFiles(of: found.image, flag)
            }
        }
    }

    private func mergedFiles(of image: StoredImage, _ flag: CancelFlag) throws -> [FileEntry] {
        let tree = try MergedTree(image.layers.map(\.diffID), driver, flag)
        var links = HardLinks()
        var entries: [FileEntry] = []
        tree.forEach { path, node in
            let first = links.earlier(node.entry, layer: node.layer, path: path)
            entries.append(FileEntry(node.entry, path: path, diffID: tree.layers[node.layer], first: first))
        }
        return entries
    }

    /// A layer's own entries. What hides something is shown as a whiteout: of a name under that name, of all that is below
    /// a directory as a layer's tar spells it.
    private func files(of diffID: Digest, _ flag: CancelFlag) throws -> [FileEntry] {
        var links = HardLinks()
        var entries: [FileEntry] = []
        try driver.entries(of: diffID) { entry in
            if entries.count % 1024 == 0 { try flag.check() }
            let path = [UInt8(ascii: "/")] + entry.path
            if !entry.path.isEmpty {
                let first = links.earlier(entry, layer: 0, path: path)
                entries.append(FileEntry(entry, path: path, diffID: diffID, first: first))
            }
            if entry.isOpaque {
                var mark = entry
                mark.kind = .whiteout
                let name = Array((entry.path.isEmpty ? ".wh..wh..opq" : "/.wh..wh..opq").utf8)
                entries.append(FileEntry(mark, path: path + name, diffID: diffID))
            }
        }
        return entries
    }

    /// A layer of an image: by its number from 1, or by its diffID, its blob's digest, or the beginning of one.
    static func layer(_ typed: String, of found: FoundImage) throws -> Digest {
        let layers = found.image.layers.map(\.diffID)
        let label = found.reference?.name.familiar ?? found.image.id.short
        if typed.utf8.count < 4, let number = Int(typed) {
            guard (1...max(layers.count, 1)).contains(number), number <= layers.count else {
                throw ImageError(.notFound, "\(label) has no layer \(number): it has \(layers.count)")
            }
            return layers[number - 1]
        }
        let hex = typed.hasPrefix("sha256:") ? typed.dropFirst(7) : typed[...]
        var fits = Set(layers.filter { $0.hex.hasPrefix(hex) })
        for manifest in found.image.manifests {
            for (blob, diffID) in zip(manifest.layers, layers) where blob.digest.hex.hasPrefix(hex) {
                fits.insert(diffID)
            }
        }
        guard !hex.isEmpty, let layer = fits.first else {
            throw ImageError(
                .notFound, "No such layer of \(label): \(typed)", hint: "`strata image history` shows the layers")
        }
        if fits.count > 1 {
            throw ImageError(
                .conflict, "multiple layers found with provided prefix: \(typed)",
                hint: "give more digits of the digest")
        }
        return layer
    }
}
