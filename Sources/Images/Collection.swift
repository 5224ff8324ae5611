import Content
import Linux
import OCI
import SQL
import Snapshots

extension ImageService {
    /// What to give up besides what nobody can want any more.
    struct CollectionReach {
        /// Interrupted downloads that nobody works on.
        var interrupted = false
        /// Images that are kept only so that undo works.
        var restorable = false
    }

    /// Removes what nothing needs: expired undo, blobs and layers without a row, what dead processes left.
    ///
    /// No other process begins to need anything meanwhile. What running operations hold by a lease stays.
    ///
    /// - Returns: bytes freed.
    @discardableResult
    func collect(_ reach: CollectionReach = CollectionReach()) throws -> Int64 {
        try Self.explaining {
            try blobs.withCollection { held in
                // Looked at after the leases: who makes a container lets go of its image only when that is there.
                let inUse = held.union(try imageUsers().map(\.imageID))
                let (needs, names) = try metadata.write { connection in
                    try Self.forget(reach, inUse: inUse, at: now(), connection)
                    return try Self.needs(at: now(), connection)
                }
                // Nothing that `index.json` lists is removed.
                try publishIndex()
                Failpoint.reach("collect")
                var freed: Int64 = 0
                let spare = try blobs.digests().filter { !needs.blobs.contains($0.0) && !held.contains($0.0) }
                let nested = try nestedIndexes(among: spare, below: names)
                for (digest, size) in spare where !nested.contains(digest) {
                    try blobs.remove(digest)
                    freed += size
                }
                let layers = try driver.layers().filter { !needs.layers.contains($0) && !held.contains($0) }
                freed += layers.reduce(0) { $0 + ((try? driver.storedBytes(of: $1)) ?? 0) }
                // All at once: each call waits for the disk.
                if !layers.isEmpty { try driver.remove(layers) }
                return try freed + blobs.removeStaleIngests(all: reach.interrupted)
            }
        }
    }

    /// Collects where there is something to collect, so that a command that frees nothing does not look through the store.
    func collectIfExpired() throws {
        let now = now()
        let expired = try metadata.read { connection in
            try connection.row(
                "SELECT 1 FROM images JOIN steps ON steps.id = removed_step WHERE until <= $1 LIMIT 1", [.integer(now)])
        }
        if expired != nil { try collect() }
    }

    /// Deletes the rows of what nobody can want any more.
    private static func forget(
        _ reach: CollectionReach, inUse: Set<Digest>, at now: Int64, _ connection: any SQLConnection
    ) throws {
        if reach.restorable { try Journal.expire(at: now, connection) }
        let removed = try connection.rows(
            """
            SELECT images.id, config_digest FROM images JOIN steps ON steps.id = removed_step WHERE until <= $1
            """, [.integer(now)])
        // A container may still stand on a removed image's layers.
        for row in removed where !inUse.contains(try Digest(column: row.text(1), of: "images")) {
            try connection.execute("DELETE FROM images WHERE id = $1", [.integer(row.integer(0))])
        }
        // A manifest that no name means is kept only where it is its image's last, or undo may name it again.
        try connection.execute(
            """
            DELETE FROM manifests WHERE
                id NOT IN (SELECT manifest FROM refs)
                AND id NOT IN (SELECT max(id) FROM manifests GROUP BY image)
                AND digest NOT IN (
                    SELECT before_manifest FROM step_refs JOIN steps ON steps.id = step
                    WHERE until > $1 AND undone = 0 AND before_manifest IS NOT NULL)
            """, [.integer(now)])
        try connection.execute("DELETE FROM layers WHERE id NOT IN (SELECT layer FROM image_layers)")
    }

    /// What must stay, and the names that mean an index, or may again, below which others may be.
    private static func needs(
        at now: Int64, _ connection: any SQLConnection
    ) throws -> (needs: ByteLedger.Needs, names: [(target: Descriptor, manifest: Digest)]) {
        let images = try ImageStore.images(.all, .full, connection)
        let ledger = ByteLedger(images)
        var names = images.flatMap(\.references).map { (target: $0.target, manifest: $0.manifest) }
        // What a name meant, as long as undo may let it mean that again.
        try connection.query(
            """
            SELECT before_target, before_type, before_size, before_manifest FROM step_refs JOIN steps ON steps.id = step
            WHERE until > $1 AND undone = 0 AND before_target IS NOT NULL
            """, [.integer(now)]
        ) { row in
            let target = Descriptor(
                mediaType: MediaType(rawValue: row.text(1)), digest: try Digest(column: row.text(0), of: "step_refs"),
                size: row.integer(2))
            names.append((target, try Digest(column: row.text(3), of: "step_refs")))
        }
        let needs = ByteLedger.Needs(
            blobs: ledger.neededBlobs.union(names.map(\.target.digest)), layers: ledger.neededLayers)
        return (needs, names.filter(\.target.mediaType.isIndex))
    }
}
