import Synchronization

/// Some bytes of a layer's tar, on their way through the stages of a `LayerBuild`.
struct TarPiece: Sendable {
    /// The first `count` bytes are the tar's.
    var buffer: [UInt8]
    var count: Int

    /// Lends the tar's bytes.
    func withBytes(_ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
        try unsafe buffer.withUnsafeBytes { try unsafe body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    }
}

/// Buffers that go round instead of being made for every piece.
final class TarBuffers: Sendable {
    private let size: Int
    private let free = Mutex<[[UInt8]]>([])

    init(size: Int) { self.size = size }

    func take() -> [UInt8] { free.withLock { $0.popLast() } ?? [UInt8](repeating: 0, count: size) }

    /// Takes a piece's buffer back; one of another size is let go.
    func take(from piece: inout TarPiece) {
        var buffer: [UInt8] = []
        // Nobody else may hold the buffer, or who writes to it next would copy it.
        swap(&buffer, &piece.buffer)
        if buffer.count == size { free.withLock { $0.append(buffer) } }
    }
}
