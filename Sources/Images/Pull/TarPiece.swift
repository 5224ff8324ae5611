import Linux
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

/// A layer's share of the pieces that may wait between threads, of all layers that are made at the time.
///
/// A layer that is made alone needs many, for else a thread sleeps while the one before it has no core, and a core is idle
/// (a tenth of the time with 8). Layers that are made side by side fill each other's gaps, and memory is bounded.
final class PieceShare: Sendable {
    private static let underway = Atomic<Int>(0)
    private static let most = 32
    private static let least = 12
    /// Handed over one by one they made three times as many switches of threads.
    private static let batch = 8

    init() { Self.underway.add(1, ordering: .relaxed) }

    deinit { Self.underway.subtract(1, ordering: .relaxed) }

    /// A way between two threads of the layer.
    func channel() -> Channel<TarPiece> {
        Channel(batch: Self.batch) { max(Self.least, Self.most / max(Self.underway.load(ordering: .relaxed), 1)) }
    }
}
