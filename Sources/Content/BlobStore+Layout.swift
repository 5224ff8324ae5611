import Linux
public import OCI

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension BlobStore {
    /// Writes `index.json` (image-spec image-layout.md), atomically. Writers take turns, so that what is written is
    /// what the last of them saw.
    ///
    /// - Parameter manifests: what to list; asked for while no other process writes.
    public func writeIndex(from manifests: () throws -> [Descriptor]) throws {
        let lock = try FileLock.wait(indexLockPath, .exclusive)
        defer { _ = lock }
        let bytes = try Self.encoded(manifests())
        // A file like this already: nothing to write, nothing to wear.
        if let present = try? readFile(indexPath, limit: bytes.count), present == bytes { return }
        try writeAtomically(bytes, to: indexPath)
    }

    /// What `index.json` lists.
    ///
    /// - Throws: `DocumentError` where it is no index; a `SystemError`.
    public func listedManifests() throws -> [Descriptor] {
        let bytes = try readFile(indexPath, limit: Self.indexLimit)
        return try Document<Index>(parsing: bytes, kind: "index.json", limit: Self.indexLimit).value.manifests
    }

    /// Of our own index.json, which lists every name in the store.
    private static let indexLimit = 256 << 20

    /// What is wrong with the layout's own files; nil where nothing is.
    ///
    /// - Parameter manifests: what `index.json` should list.
    public func layoutProblem(expecting manifests: [Descriptor]) throws -> String? {
        let layout = try? readFile(layoutPath, limit: 4096)
        if layout != Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8) { return "oci-layout does not say version 1.0.0" }
        let expected = try Self.encoded(manifests)
        guard let present = try? readFile(indexPath, limit: Self.indexLimit) else {
            return "index.json cannot be read"
        }
        return present == expected ? nil : "index.json does not list what the database has"
    }

    /// Writes `oci-layout` again.
    public func repairLayout() throws {
        try writeAtomically(Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8), to: layoutPath)
    }

    private static func encoded(_ manifests: [Descriptor]) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try Array(encoder.encode(Index(manifests: manifests)))
    }
}
