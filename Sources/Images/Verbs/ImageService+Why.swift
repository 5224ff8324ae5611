import Content
import OCI
import SQL
import Snapshots

extension ImageService {
    package func why(_ name: String) async throws -> [KeepReason] {
        try await blocking { try Self.explaining { try self.reasons(name) } }
    }

    private func reasons(_ name: String) throws -> [KeepReason] {
        let (images, found, ends) = try metadata.read { connection in
            let images = try ImageStore.images(.all, .full, connection)
            let found: StoredImage?
            do { found = try ImageStore.find(name, connection).image } catch let error as ImageError {
                guard error.code == .notFound else { throw error }
                found = nil
            }
            var ends: [Int64: Int64] = [:]
            try connection.query("SELECT id, until FROM steps", []) { ends[$0.integer(0)] = $0.integer(1) }
            return (images, found, ends)
        }
        let keepers = Keepers(service: self, images: images, ends: ends)
        let prefix = name.hasPrefix("sha256:") ? String(name.dropFirst(7)) : name
        // One that was removed has no name any more, but may still be asked for by its ID.
        if let image = found ?? images.first(where: { prefix.utf8.count >= 4 && $0.id.hex.hasPrefix(prefix) }) {
            return try keepers.reasons(for: image)
        }
        let layers = keepers.layers(beginning: prefix)
        if layers.isEmpty {
            throw ImageError(
                .notFound, "No such image or layer: \(name)", hint: "`strata image ls` and `history` show what is here")
        }
        return layers.flatMap { keepers.reasons(forLayer: $0) }
    }
}

/// Who keeps what.
private struct Keepers {
    let service: ImageService
    /// Those that only undo keeps, too.
    let images: [StoredImage]
    /// Until when steps can be undone, seconds since 1970.
    let ends: [Int64: Int64]

    func reasons(for image: StoredImage) throws -> [KeepReason] {
        var reasons = image.references.map { reference in
            reference.name.tag == nil ? "digest \(reference.name.familiar)" : "tag \(reference.name.familiar)"
        }
        for user in try service.imageUsers() where user.imageID == image.id {
            reasons.append("container \(user.containerID.prefix(12))\(user.isRunning ? " (running)" : "")")
        }
        if try service.blobs.withCollection({ $0.contains(image.id) }) { reasons.append("a running operation") }
        if let step = image.removedBy, let until = ends[step] { reasons.append("undo until \(rfc3339(until))") }
        if reasons.isEmpty { reasons = ["nothing but `image prune` not having run"] }
        // Bytes go with a reason only where it is the last one.
        var ledger = ByteLedger(images)
        let bytes = reasons.count == 1 ? service.storedBytes(ledger.release(image)) : 0
        var seen: Set<Digest> = []
        return reasons.map { KeepReason(subject: image.id.short, reason: $0, bytes: bytes) }
            + image.layers.filter { seen.insert($0.diffID).inserted }.flatMap { self.reasons(forLayer: $0.diffID) }
    }

    /// The layers whose diffID, or a blob of which, begins so.
    func layers(beginning prefix: String) -> [Digest] {
        guard prefix.utf8.count >= 4 else { return [] }
        var seen: Set<Digest> = []
        var found: [Digest] = []
        for image in images {
            for (position, layer) in image.layers.enumerated() {
                let fits =
                    layer.diffID.hex.hasPrefix(prefix)
                    || image.manifests.contains {
                        position < $0.layers.count && $0.layers[position].digest.hex.hasPrefix(prefix)
                    }
                if fits, seen.insert(layer.diffID).inserted { found.append(layer.diffID) }
            }
        }
        return found
    }

    func reasons(forLayer diffID: Digest) -> [KeepReason] {
        let users = images.filter { $0.layers.contains { $0.diffID == diffID } }
        var blobs: Set<Digest> = []
        for image in users {
            for manifest in image.manifests {
                for (layer, blob) in zip(image.layers, manifest.layers) where layer.diffID == diffID {
                    blobs.insert(blob.digest)
                }
            }
        }
        let bytes =
            users.count == 1 ? service.storedBytes(ByteLedger.Needs(blobs: blobs, layers: [diffID])) : 0
        return users.map { image in
            let number = (image.layers.firstIndex { $0.diffID == diffID } ?? 0) + 1
            let label = image.tags.first?.name.familiar ?? image.id.short
            let removed = image.removedBy == nil ? "" : " (removed, kept for undo)"
            return KeepReason(
                subject: "layer \(diffID.short)", reason: "layer \(number) of \(label)\(removed)", bytes: bytes)
        }
    }
}
