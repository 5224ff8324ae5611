import Content
import Linux
import OCI
import Snapshots

extension ImageService {
    package func diskUsage() async throws -> DiskUsage {
        try await blocking { try Self.explaining { try self.usage() } }
    }

    private func usage() throws -> DiskUsage {
        let images = try metadata.read { try ImageStore.images(.all, .full, $0) }
        let live = images.filter { $0.removedBy == nil }
        let users = Dictionary(grouping: try imageUsers(), by: \.imageID).mapValues(\.count)
        let shares = Self.imagesByLayer(live)
        let rows = live.map { image in
            let summary = Self.summary(image, shares: shares, containers: users[image.id] ?? 0)
            return DiskUsage.ImageUsage(summary: summary, uniqueSize: image.size - summary.sharedSize)
        }
        var layerSizes: [Int64: Int64] = [:]
        for layer in live.flatMap(\.layers) { layerSizes[layer.row] = layer.size }
        var layerBytes: Int64 = 0
        for diffID in try driver.layers() { layerBytes += (try? driver.storedBytes(of: diffID)) ?? 0 }
        // Bytes that go when some images go: removed ones first, they are gone already but for undo.
        var ledger = ByteLedger(images)
        func bytes(of gone: (StoredImage) -> Bool) -> Int64 {
            images.reduce(0) { gone($1) ? $0 + storedBytes(ledger.release($1)) : $0 }
        }
        let restorable = bytes { $0.removedBy != nil }
        return DiskUsage(
            images: rows, layersSize: layerSizes.values.reduce(0, +),
            blobBytes: try blobs.digests().reduce(0) { $0 + $1.1 }, layerBytes: layerBytes,
            ingestBytes: try blobs.ingestBytes(), restorableBytes: restorable,
            reclaimable: bytes { $0.removedBy == nil && users[$0.id] == nil })
    }
}
