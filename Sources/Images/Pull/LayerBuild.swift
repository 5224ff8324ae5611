package import Archive
import Content
import Linux
package import OCI
package import Snapshots

/// Makes a layer of its blob's bytes as they come, on a thread of its own: inflates, hashes the tar, and hands the tar to a
/// layer writer. Nothing is read back and nothing is held whole.
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

    private let chunks = Channel<[UInt8]>(capacity: 4)
    private let outcome = Channel<Result>(capacity: 1)
    private let name: String

    /// Starts before the first byte.
    ///
    /// - Parameters:
    ///   - name: what to call the layer in an error.
    ///   - size: bytes of the blob: with the bounds it says how far the tar may grow.
    ///   - diffID: what the tar's digest must be; nil where nothing says.
    ///   - writer: takes the tar; nil only hashes.
    package init(
        _ name: String, size: Int64, expecting diffID: Digest?, writer: (any LayerWriter)?, bounds: Bounds
    ) {
        self.name = name
        startThread(named: "layer") { [chunks, outcome] in
            do {
                var work = Work(name: name, writer: writer, limit: bounds.limit.bytes(for: size), space: bounds.space)
                while let chunk = try chunks.receiveBlocking() { try work.take(chunk) }
                let result = try work.finish()
                if let diffID, result.diffID != diffID {
                    throw ImageError(
                        .invalid, "layer \(name) unpacks to \(result.diffID), not to \(diffID) as its image says",
                        hint: "the image is broken where it comes from: ask its publisher")
                }
                try outcome.sendBlocking(result)
                outcome.finish()
            } catch {
                let told = Self.explained(error, name)
                chunks.fail(told)
                outcome.fail(told)
            }
        }
    }

    deinit { chunks.fail(CancellationError()) }

    /// Takes the next bytes of the blob; waits while the layer is behind.
    ///
    /// - Throws: what went wrong with the layer.
    package func write(_ chunk: [UInt8]) async throws { try await chunks.send(chunk) }

    /// Ends the blob; what the writer staged is complete and durable.
    package func finish() async throws -> Result {
        chunks.finish()
        guard let result = try await outcome.receive() else { throw CancellationError() }
        return result
    }

    /// Stops; returns when the thread no longer touches what the writer staged.
    package func abandon() async {
        chunks.fail(CancellationError())
        _ = try? await outcome.receive()
    }

    private static func explained(_ error: any Error, _ name: String) -> any Error {
        switch error {
        case is TarError, is DecompressionError, is LayerError, is LayerPathError:
            ImageError(.invalid, "layer \(name) cannot be used: \(error)")
        default: ImageService.explained(error)
        }
    }

    /// The thread's work.
    private struct Work {
        let name: String
        let writer: (any LayerWriter)?
        let limit: Int64
        let space: SpaceGuard?
        private var hasher = DigestHasher()
        private var decompressor: Decompressor?
        /// The first bytes, until there are enough to tell the compression.
        private var head: [UInt8] = []

        init(name: String, writer: (any LayerWriter)?, limit: Int64, space: SpaceGuard?) {
            self.name = name
            self.writer = writer
            self.limit = limit
            self.space = space
        }

        mutating func take(_ chunk: [UInt8]) throws {
            if let decompressor { return try inflate(chunk, decompressor) }
            head += chunk
            if head.count >= Compression.detectionLength { try begin() }
        }

        private mutating func begin() throws {
            let decompressor = Decompressor(.detect(firstBytes: head), outputLimit: limit)
            self.decompressor = decompressor
            try inflate(head, decompressor)
            head = []
        }

        private mutating func inflate(_ chunk: [UInt8], _ decompressor: Decompressor) throws {
            try unsafe chunk.withUnsafeBytes { bytes in
                try unsafe decompressor.consume(bytes) { tar in
                    unsafe hasher.update(tar)
                    if let writer {
                        try space?.spend(Int64(tar.count), on: "layer \(name)")
                        try unsafe writer.consume(tar)
                    }
                }
            }
        }

        mutating func finish() throws -> Result {
            if decompressor == nil { try begin() }
            try decompressor?.finish()
            return Result(
                diffID: hasher.finalize(), contents: try writer?.finish(), tarBytes: decompressor?.outputBytes ?? 0,
                compression: decompressor?.compression ?? .none)
        }
    }
}

extension ImageService {
    /// The bounds of layers in this store.
    package var layerBounds: LayerBuild.Bounds {
        LayerBuild.Bounds(limit: options.inflation, space: SpaceGuard(options.root))
    }
}
