import Linux
import OCI
package import Snapshots

/// A store's layers in a temporary directory, with a run directory; unmounted and gone with the value.
package final class LayerBench: Sendable {
    package let directory: TemporaryDirectory
    package let layers: String
    package let run: String

    package init() throws {
        directory = try TemporaryDirectory()
        layers = directory.path + "/layers"
        run = directory.path + "/run"
        try makeDirectory(layers, permissions: 0o700)
    }

    deinit {
        // What a failed test left mounted must not stay, nor be entered by the removal.
        for entry in ((try? mountTable()) ?? []).reversed() where entry.target.hasPrefix(directory.path + "/") {
            try? unmount(entry.target, lazily: true)
        }
    }

    /// A new empty directory.
    package func makeScratch() throws -> String {
        let path = "\(directory.path)/scratch-\(uniqueSuffix())"
        try makeDirectory(path, permissions: 0o700)
        return path
    }

    /// Makes a tar a layer.
    ///
    /// - Parameter pieces: the writer gets the tar in pieces of this size.
    @discardableResult
    package func add(_ tar: [UInt8], to driver: any SnapshotDriver, pieces: Int = 1 << 20) throws -> LayerRecord {
        let scratch = try makeScratch()
        defer { try? removeTree(scratch) }
        let contents = try feed(tar, to: try driver.beginLayer(in: scratch), pieces: pieces)
        return try driver.commit(contents, stagedIn: scratch, as: digest(of: tar))
    }

    @discardableResult
    package func add(_ members: [LayerTar.Member], to driver: any SnapshotDriver) throws -> LayerRecord {
        try add(LayerTar(members).finished, to: driver)
    }

    /// Makes a tar file a layer, in pieces.
    @discardableResult
    package func add(file: String, to driver: any SnapshotDriver) throws -> LayerRecord {
        let scratch = try makeScratch()
        defer { try? removeTree(scratch) }
        var hasher = DigestHasher(.sha256)
        let contents = try unsafe feed(file: file, to: try driver.beginLayer(in: scratch)) { unsafe hasher.update($0) }
        return try driver.commit(contents, stagedIn: scratch, as: hasher.finalize())
    }

    /// Gives a tar file to a writer, in pieces.
    package func feed(
        file path: String, to writer: any LayerWriter, _ body: (UnsafeRawBufferPointer) -> Void = { _ in }
    ) throws -> LayerContents {
        let file = try open(path, .read)
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        var position: Int64 = 0
        while true {
            let count = try unsafe buffer.withUnsafeMutableBytes { buffer in
                let count = try unsafe preadFull(from: file.raw, at: position, into: buffer, path)
                let piece = unsafe UnsafeRawBufferPointer(rebasing: buffer[..<count])
                unsafe body(piece)
                try unsafe writer.consume(piece)
                return count
            }
            if count == 0 { return try writer.finish() }
            position += Int64(count)
        }
    }

    /// Gives a whole tar to a writer.
    package func feed(_ tar: [UInt8], to writer: any LayerWriter, pieces: Int = 1 << 20) throws -> LayerContents {
        try unsafe tar.withUnsafeBytes { bytes in
            for start in stride(from: 0, to: bytes.count, by: pieces) {
                try unsafe writer.consume(
                    UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + pieces, bytes.count)]))
            }
        }
        return try writer.finish()
    }
}
