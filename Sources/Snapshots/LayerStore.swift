import Linux
import OCI

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// What both drivers keep alike below `layers/`: a directory for each layer, with `layer.json` in it.
///
/// A layer's directory appears by one rename, complete and durable, and goes by one rename. Names that begin with a dot
/// are layers on their way out, left behind where a process died.
struct LayerStore: Sendable {
    /// What `layer.json` holds.
    struct Record: Codable, Equatable {
        static let currentFormat = 1

        /// Of this file and of the layer beside it.
        var format = Record.currentFormat
        var diffID: Digest
        var kind: SnapshotKind
        var contents: LayerContents
        /// Length of the layer file; nil for a tree.
        var fileSize: Int64?
        /// How the layer file, or tree, looked when its bytes were last known to be right.
        var seal: String
    }

    let directory: String

    /// Makes the directory where it is missing.
    init(opening directory: String) throws {
        self.directory = directory
        // Trees hold setuid files that nobody but their owner may reach.
        if try FileStatus.ifExists(directory) == nil { try makeDirectories(directory, permissions: 0o700) }
    }

    func path(of diffID: Digest) -> String { "\(directory)/\(diffID.hex)" }
    /// Where a writer stages what `commit` moves: one name in the caller's directory.
    func staging(in scratch: String) -> String { "\(scratch)/layer" }

    /// All layers that have a directory here; whether one is whole is for `record` to say.
    func layers() throws -> [Digest] {
        try (names(in: directory) ?? []).compactMap { name in
            Digest.Algorithm.allCases.lazy.compactMap { try? Digest($0, hex: name) }.first
        }
    }

    /// What `layer.json` says; nil where there is none that can be read.
    func record(of diffID: Digest) throws -> Record? {
        let path = path(of: diffID) + "/layer.json"
        let bytes: [UInt8]
        do { bytes = try readFile(path, limit: 64 << 10) } catch {
            if error.kind == .notFound { return nil }
            throw error
        }
        guard let record = try? JSONDecoder().decode(Record.self, from: Data(bytes)), record.diffID == diffID else {
            return nil
        }
        // What a later version wrote is not damaged, but nothing here knows how to use it.
        if record.format > Record.currentFormat {
            throw SnapshotError.unsupported(
                "layer \(diffID) was made by a newer version: use that, or remove the layer")
        }
        return record
    }

    /// Says of a layer without a readable record what is wrong with it.
    func missing(_ diffID: Digest) throws -> SnapshotError {
        try FileStatus.ifExists(path(of: diffID)) == nil
            ? .notFound(diffID) : .damaged(diffID, "its `layer.json` is missing or damaged")
    }

    /// Breaks a layer's seal.
    func distrust(_ diffID: Digest) throws {
        guard var record = try record(of: diffID) else { return }
        record.seal = "damaged"
        try write(record, into: path(of: diffID))
    }

    /// Writes `layer.json` into a layer's directory, staged or in place.
    func write(_ record: Record, into layer: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try writeAtomically(Array(try encoder.encode(record)), to: layer + "/layer.json")
    }

    /// Makes a staged directory, whole and durable, the layer; what was in its place is removed.
    func publish(stagedIn scratch: String, as diffID: Digest) throws {
        let staged = staging(in: scratch)
        let path = path(of: diffID)
        try syncDirectory(staged)
        while true {
            do {
                try renameNew(staged, to: path)
                break
            } catch  where error.kind == .exists {}
            do {
                try exchange(staged, with: path)
                break
            } catch {
                // Another process removed it: the name is free again.
                if error.kind == .notFound { continue }
                guard error.kind == .notSupported else { throw error }
            }
            // A file system that cannot swap: for a moment the layer is not here, never half here.
            try withdraw(diffID)
        }
        try syncDirectory(directory)
        try removeTree(staged)
    }

    /// Takes layers' names away, durably, then their files.
    func remove(_ diffIDs: [Digest]) throws {
        var withdrawn = false
        for diffID in diffIDs where try withdraw(diffID) { withdrawn = true }
        if withdrawn { try syncDirectory(directory) }
        try removeLeftovers()
    }

    /// Renames a layer to one on its way out; false where it is not here.
    @discardableResult
    private func withdraw(_ diffID: Digest) throws -> Bool {
        do {
            try rename(path(of: diffID), to: "\(directory)/.removed-\(uniqueSuffix())")
            return true
        } catch {
            if error.kind == .notFound { return false }
            throw error
        }
    }

    /// Removes what processes that died left of layers on their way out.
    func removeLeftovers() throws {
        for name in try names(in: directory) ?? [] where name.hasPrefix(".removed-") {
            try removeTree("\(directory)/\(name)")
        }
    }
}
