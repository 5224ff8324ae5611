import Archive
import Snapshots

/// A layer writer that also packs the tar it is given into a file: the layer and its blob are made in one pass.
///
/// Proof of Sendable: all is constant but the compressor's inside, and one thread at a time uses a layer writer.
final class PackingWriter: LayerWriter, @unchecked Sendable {
    private let inner: any LayerWriter
    private let sink: FileSink
    private let compressor = Compressor(.gzip)

    init(_ inner: any LayerWriter, into sink: FileSink) {
        self.inner = inner
        self.sink = sink
    }

    func consume(_ bytes: UnsafeRawBufferPointer) throws {
        try unsafe compressor.update(bytes) { try unsafe sink.write($0) }
        try unsafe inner.consume(bytes)
    }

    func finish() throws -> LayerContents {
        try unsafe compressor.finish { try unsafe sink.write($0) }
        return try inner.finish()
    }
}
