import Archive
import Linux
package import OCI

/// Keeps each layer as a directory tree, `tree/`, which overlayfs stacks as it is: for who may not mount layer files.
///
/// Whiteouts are character devices 0/0 and opaque directories carry overlayfs's attribute; the `user.` one in a user
/// namespace. Devices, and attributes that the file system or the privileges do not take, are left out, and noted.
package struct DirectoryDriver: SnapshotDriver {
    private let store: LayerStore

    package var kind: SnapshotKind { .directory }

    /// - Parameter layers: the directory of all layers; made where it is missing.
    package init(layers: String) throws { store = try LayerStore(opening: layers) }

    private static let treeName = "/tree"
    package func path(of diffID: Digest) -> String { store.path(of: diffID) + Self.treeName }

    package func beginLayer(in scratch: String) throws -> any LayerWriter {
        let staged = store.staging(in: scratch)
        try makeDirectory(staged, permissions: 0o700)
        return TarLayerWriter(try TreeUnpacker(parts: scratch + "/parts")) { unpacker in
            try unpacker.finish(into: staged + Self.treeName)
        }
    }

    package func commit(_ contents: LayerContents, stagedIn scratch: String, as diffID: Digest) throws -> LayerRecord {
        let staged = store.staging(in: scratch)
        let seal = try TreeWalk(staged + Self.treeName).seal()
        try store.write(
            LayerStore.Record(diffID: diffID, kind: kind, contents: contents, fileSize: nil, seal: seal), into: staged)
        try store.publish(stagedIn: scratch, as: diffID)
        return LayerRecord(diffID: diffID, kind: kind, contents: contents)
    }

    package func record(of diffID: Digest) throws -> LayerRecord? {
        guard let record = try store.record(of: diffID), record.kind == kind,
            try FileStatus.ifExists(path(of: diffID))?.kind == .directory
        else { return nil }
        return LayerRecord(diffID: diffID, kind: kind, contents: record.contents)
    }

    package func distrust(_ diffID: Digest) throws { try store.distrust(diffID) }
    package func layers() throws -> [Digest] { try store.layers() }
    package func remove(_ diffIDs: [Digest]) throws { try store.remove(diffIDs) }
    package func removeLeftovers() throws { try store.removeLeftovers() }

    package func source(of diffID: Digest) throws -> LayerSource {
        let record = try knownRecord(of: diffID)
        return LayerSource(
            diffID: diffID, kind: kind, path: path(of: diffID), seal: record.seal,
            isRootOpaque: record.contents.isRootOpaque)
    }

    package func checkSeal(_ diffID: Digest) throws {
        let record = try knownRecord(of: diffID)
        guard try TreeWalk(path(of: diffID)).seal() == record.seal else {
            throw SnapshotError.damaged(diffID, "its tree was touched since it was made and not verified again")
        }
    }

    /// What `layer.json` says, where there is a tree beside it.
    private func knownRecord(of diffID: Digest) throws -> LayerStore.Record {
        guard let record = try store.record(of: diffID) else { throw try store.missing(diffID) }
        guard try FileStatus.ifExists(path(of: diffID))?.kind == .directory else {
            throw SnapshotError.damaged(diffID, "its tree is missing")
        }
        return record
    }

    package func verifier(of diffID: Digest) throws -> any LayerWriter {
        let record = try knownRecord(of: diffID)
        let path = path(of: diffID)
        // Taken before the first byte is read, so that a write during the reading makes it not fit.
        let seal = try TreeWalk(path).seal()
        return TarLayerWriter(TreeComparison()) { comparison in
            var verified = record
            verified.contents = try comparison.finish(
                with: path, of: diffID, leftOut: Set(record.contents.leftOut ?? []))
            verified.seal = seal
            if verified != record { try store.write(verified, into: store.path(of: diffID)) }
            return verified.contents
        }
    }

    package func entries(of diffID: Digest, _ body: (LayerEntry) throws -> Void) throws {
        _ = try knownRecord(of: diffID)
        try TreeWalk(path(of: diffID)).entries(body)
    }

    package func storedBytes(of diffID: Digest) throws -> Int64 {
        guard try FileStatus.ifExists(path(of: diffID)) != nil else { return 0 }
        return try TreeWalk(path(of: diffID)).allocatedBytes()
    }
}
