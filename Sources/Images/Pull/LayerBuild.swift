package import Archive
import Content
import Linux
package import OCI
package import Snapshots

/// Makes a layer of its blob's bytes as they come: inflates, hashes the tar, and hands the tar to a layer writer, each on a
/// thread of its own. Nothing is read back and nothing is held whole.
///
/// Use: `write` all bytes of the blob in order, `finish`; or `abandon`.
package final class LayerBuild: Sendable {
    /// What the bytes turned out to be.
    package struct Result: Sendable {
        /// The digest of the uncompressed tar.
        package var diffID: Digest
        /// What the writer gave; nil where there was none.
        package var contents: LayerContents?
        /// Bytes of the tar.
        package var tarBytes: Int64
        package var compression: Compression
    }

    /// Bounds on what comes out.
    package struct Bounds: Sendable {
        var limit: InflationLimit
        var space: SpaceGuard?

        package static let none = Bounds(limit: InflationLimit(floor: .max), space: nil)
    }

    private let worker: Worker<[UInt8], Result>

    /// Starts before the first byte.
    ///
    /// - Parameters:
    ///   - name: what to call the layer in an error.
    ///   - size: bytes of the blob: with the bounds it says how far the tar may grow.
    ///   - diffID: what the tar's digest must be; nil where nothing says.
    ///   - writer: takes the tar; nil only hashes.
    /// - Throws: where the system has no more threads.
    package init(
        _ name: String, size: Int64, expecting diffID: Digest?, writer: (any LayerWriter)?, bounds: Bounds
    ) throws {
        worker = try Worker(named: "inflate", capacity: 3) { chunks in
            do { return try Self.run(chunks, name, size, diffID, writer, bounds) } catch {
                throw Self.explained(error, name)
            }
        }
    }

    private static func run(
        _ chunks: Channel<[UInt8]>, _ name: String, _ size: Int64, _ diffID: Digest?, _ writer: (any LayerWriter)?,
        _ bounds: Bounds
    ) throws -> Result {
        var work = try Work(
            name: name, writer: writer, limit: bounds.limit.bytes(for: size), space: bounds.space,
            verifyingChecksums: diffID == nil)
        do {
            while let chunk = try chunks.receiveBlocking() { try work.take(chunk) }
            try work.endOfBlob()
        } catch {
            work.fail(error)
            throw error
        }
        let result = try work.finish()
        if let diffID, result.diffID != diffID {
            throw ImageError(
                .invalid, "layer \(name) unpacks to \(result.diffID), not to \(diffID) as its image says",
                hint: "the image is broken where it comes from: ask its publisher")
        }
        return result
    }

    /// Takes the next bytes of the blob; waits while the layer is behind.
    ///
    /// - Throws: what went wrong with the layer.
    package func write(_ chunk: [UInt8]) async throws { try await worker.send(chunk) }

    /// Ends the blob; what the writer staged is complete and durable.
    package func finish() async throws -> Result {
        worker.end()
        return try await worker.value()
    }

    /// Stops; returns when the thread no longer touches what the writer staged.
    package func abandon() async {
        worker.fail(CancellationError())
        _ = try? await worker.value()
    }

    private static func explained(_ error: any Error, _ name: String) -> any Error {
        switch error {
        case is TarError, is DecompressionError, is LayerError, is LayerPathError:
            ImageError(.invalid, "layer \(name) cannot be used: \(error)")
        default: ImageService.explained(error)
        }
    }

    /// The inflating thread's work; it owns the threads that hash and write. All run side by side, so that two cores have work
    /// although every byte goes through each.
    private struct Work {
        private let limit: Int64
        private let verifiesChecksums: Bool
        private let buffers = TarBuffers()
        private let share = PieceShare()
        private let hash: Worker<TarPiece, Digest>
        private let layer: Worker<TarPiece, LayerContents>?
        private var decompressor: Decompressor?
        /// The first bytes, until there are enough to tell the compression.
        private var head: [UInt8] = []

        init(
            name: String, writer: (any LayerWriter)?, limit: Int64, space: SpaceGuard?, verifyingChecksums: Bool
        ) throws {
            self.limit = limit
            verifiesChecksums = verifyingChecksums
            let buffers = buffers
            let share = share
            let layer = try writer.map { writer in
                try Worker<TarPiece, LayerContents>(named: "layer", taking: share.channel()) { pieces in
                    while var piece = try pieces.receiveBlocking() {
                        try space?.spend(Int64(piece.count), on: "layer \(name)")
                        try unsafe piece.withBytes { try unsafe writer.consume($0) }
                        buffers.take(from: &piece)
                    }
                    return try writer.finish()
                }
            }
            self.layer = layer
            hash = try Worker(named: "hash", taking: share.channel()) { pieces in
                var hasher = DigestHasher()
                while var piece = try pieces.receiveBlocking() {
                    unsafe piece.withBytes { unsafe hasher.update($0) }
                    if let layer { try layer.sendBlocking(piece) } else { buffers.take(from: &piece) }
                }
                layer?.end()
                return hasher.finalize()
            }
        }

        mutating func take(_ chunk: [UInt8]) throws {
            if let decompressor { return try inflate(chunk, decompressor) }
            head += chunk
            if head.count >= Compression.detectionLength { try begin() }
        }

        private mutating func begin() throws {
            let decompressor = Decompressor(
                .detect(firstBytes: head), outputLimit: limit, verifyingChecksums: verifiesChecksums)
            self.decompressor = decompressor
            try inflate(head, decompressor)
            head = []
        }

        private func inflate(_ chunk: [UInt8], _ decompressor: Decompressor) throws {
            if decompressor.compression == .none {
                try decompressor.passThrough(chunk.count)
                // In pieces no larger than others: a chunk may be a mebibyte, and many may wait.
                for start in stride(from: 0, to: chunk.count, by: Decompressor.bufferSize) {
                    let end = min(start + Decompressor.bufferSize, chunk.count)
                    try hash.sendBlocking(TarPiece(of: chunk, start..<end))
                }
                return
            }
            try unsafe chunk.withUnsafeBytes { bytes in
                try unsafe decompressor.consume(bytes) { buffer, count in
                    var full = buffers.take()
                    swap(&full, &buffer)
                    try hash.sendBlocking(TarPiece(filled: full, count: count))
                }
            }
        }

        mutating func endOfBlob() throws {
            if decompressor == nil { try begin() }
            try decompressor?.finish()
            hash.end()
        }

        /// Stops the other threads and waits until they no longer touch what the writer staged.
        func fail(_ error: any Error) {
            hash.fail(error)
            _ = try? hash.valueBlocking()
            layer?.fail(error)
            _ = try? layer?.valueBlocking()
        }

        func finish() throws -> Result {
            do {
                let diffID = try hash.valueBlocking()
                return Result(
                    diffID: diffID, contents: try layer?.valueBlocking(), tarBytes: decompressor?.outputBytes ?? 0,
                    compression: decompressor?.compression ?? .none)
            } catch {
                fail(error)
                throw error
            }
        }
    }
}

extension ImageService {
    /// The bounds of layers in this store.
    package var layerBounds: LayerBuild.Bounds {
        LayerBuild.Bounds(limit: options.inflation, space: SpaceGuard(options.root))
    }
}
