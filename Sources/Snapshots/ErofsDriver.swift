import Archive
import Linux
package import OCI

/// Keeps each layer as one EROFS image, `layer.erofs`, which the kernel mounts from the file.
///
/// The image is made in one pass while the tar comes; the same tar gives the same file anywhere.
package struct ErofsDriver: SnapshotDriver {
    private let store: LayerStore

    package var kind: SnapshotKind { .erofs }

    /// - Parameter layers: the directory of all layers; made where it is missing.
    package init(layers: String) throws { store = try LayerStore(opening: layers) }

    init(_ store: LayerStore) { self.store = store }

    private static let fileName = "/layer.erofs"
    package func path(of diffID: Digest) -> String { store.path(of: diffID) + Self.fileName }

    package func beginLayer(in scratch: String) throws -> any LayerWriter {
        let staged = store.staging(in: scratch)
        try makeDirectory(staged, permissions: 0o700)
        let path = staged + Self.fileName
        let file = SharedDescriptor(try open(path, .createNew, permissions: 0o600))
        return TarLayerWriter(ErofsWriter(output: LayerFileOutput(file, path, isTrimmed: true))) { writer in
            let summary = try writer.finish()
            try setLength(Int64(summary.imageSize), of: file.descriptor, path)
            try sync(file.descriptor, path)
            return LayerContents(summary)
        }
    }

    package func commit(_ contents: LayerContents, stagedIn scratch: String, as diffID: Digest) throws -> LayerRecord {
        let staged = store.staging(in: scratch)
        try store.write(try record(of: staged + Self.fileName, diffID, contents), into: staged)
        try store.publish(stagedIn: scratch, as: diffID)
        return LayerRecord(diffID: diffID, kind: kind, contents: contents)
    }

    private func record(of file: String, _ diffID: Digest, _ contents: LayerContents) throws -> LayerStore.Record {
        let seal = try FileSeal(of: file)
        return LayerStore.Record(
            diffID: diffID, kind: kind, contents: contents, fileSize: seal.size, seal: seal.description)
    }

    /// What `layer.json` says, where the file beside it has the length that it should.
    private func checkedRecord(of diffID: Digest) throws -> LayerStore.Record? {
        guard let record = try store.record(of: diffID), record.kind == kind,
            let status = try FileStatus.ifExists(path(of: diffID)), status.kind == .regular,
            status.size == record.fileSize
        else { return nil }
        return record
    }

    package func record(of diffID: Digest) throws -> LayerRecord? {
        try checkedRecord(of: diffID).map { LayerRecord(diffID: diffID, kind: kind, contents: $0.contents) }
    }

    package func distrust(_ diffID: Digest) throws { try store.distrust(diffID) }
    package func layers() throws -> [Digest] { try store.layers() }
    package func remove(_ diffIDs: [Digest]) throws { try store.remove(diffIDs) }
    package func removeLeftovers() throws { try store.removeLeftovers() }

    package func source(of diffID: Digest) throws -> LayerSource {
        let record = try sealedRecord(of: diffID)
        return LayerSource(
            diffID: diffID, kind: kind, path: path(of: diffID), seal: record.seal,
            isRootOpaque: record.contents.isRootOpaque)
    }

    package func checkSeal(_ diffID: Digest) throws { _ = try sealedRecord(of: diffID) }

    private func sealedRecord(of diffID: Digest) throws -> LayerStore.Record {
        guard let record = try store.record(of: diffID) else { throw try store.missing(diffID) }
        guard let status = try FileStatus.ifExists(path(of: diffID)) else {
            throw SnapshotError.damaged(diffID, "its file is missing")
        }
        guard status.size == record.fileSize else {
            throw SnapshotError.damaged(
                diffID, "its file has \(status.size) bytes where \(record.fileSize ?? 0) were written")
        }
        guard FileSeal(status).description == record.seal else {
            throw SnapshotError.damaged(diffID, "its file was touched since it was made and not verified again")
        }
        return record
    }

    package func verifier(of diffID: Digest) throws -> any LayerWriter {
        guard let record = try store.record(of: diffID) else { throw try store.missing(diffID) }
        let path = path(of: diffID)
        let file: SharedDescriptor
        do { file = SharedDescriptor(try open(path, .read)) } catch {
            throw error.kind == .notFound ? SnapshotError.damaged(diffID, "its file is missing") : error
        }
        // Taken before the first byte is read, so that a write during the reading makes it not fit.
        let seal = FileSeal(try FileStatus(of: file.descriptor, path))
        return TarLayerWriter(ErofsWriter(output: LayerFileComparison(file, diffID, path))) { writer in
            let summary = try writer.finish()
            guard seal.size == Int64(summary.imageSize) else {
                throw SnapshotError.damaged(
                    diffID, "its file has \(seal.size) bytes where its tar gives \(summary.imageSize)")
            }
            var verified = record
            verified.contents = LayerContents(summary)
            verified.fileSize = seal.size
            verified.seal = seal.description
            if verified != record { try store.write(verified, into: store.path(of: diffID)) }
            return verified.contents
        }
    }

    package func storedBytes(of diffID: Digest) throws -> Int64 { try allocatedBytes(of: store.path(of: diffID)) }
}

extension LayerContents {
    init(_ summary: ErofsSummary) {
        self.init(size: summary.fileBytes, files: summary.entryCount, isRootOpaque: summary.isRootOpaque)
    }
}
