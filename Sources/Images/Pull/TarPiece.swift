import Archive
import Linux
import Synchronization

/// Some bytes of a layer's tar, on their way through the stages of a `LayerBuild`.
struct TarPiece: Sendable {
    private var buffer: [UInt8]
    private let bytes: Range<Int>
    /// Whether the buffer is one of `TarBuffers`.
    fileprivate let isReturned: Bool

    /// The first bytes of a buffer of `TarBuffers`.
    init(filled buffer: [UInt8], count: Int) {
        self.buffer = buffer
        bytes = 0..<count
        isReturned = true
    }

    /// Some bytes of what is not ours to reuse; pieces of one array share it.
    init(of buffer: [UInt8], _ bytes: Range<Int>) {
        self.buffer = buffer
        self.bytes = bytes
        isReturned = false
    }

    /// How many bytes of the tar these are.
    var count: Int { bytes.count }

    /// Lends the tar's bytes.
    func withBytes(_ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
        try unsafe buffer.withUnsafeBytes { try unsafe body(UnsafeRawBufferPointer(rebasing: $0[bytes])) }
    }

    /// Lets the buffer go: nobody else may hold it, or who writes to it next would copy it.
    fileprivate mutating func giveUpBuffer() -> [UInt8] {
        var given: [UInt8] = []
        swap(&given, &buffer)
        return given
    }
}

/// Buffers of a `Decompressor` that go round instead of being made for every piece.
final class TarBuffers: Sendable {
    private let free = Mutex<[[UInt8]]>([])

    func take() -> [UInt8] { free.withLock { $0.popLast() } ?? Decompressor.makeBuffer() }

    /// Takes a piece's buffer back, where it came from here.
    func take(from piece: inout TarPiece) {
        if !piece.isReturned { return }
        let buffer = piece.giveUpBuffer()
        free.withLock { $0.append(buffer) }
    }
}

/// How many pieces may wait between two threads of a layer, by how many layers are made at the time.
///
/// A layer that is made alone needs 4 MiB of them, for else a thread sleeps while the one before it has no core, and a core is
/// idle (a tenth of the time with 1 MiB). Layers that are made side by side fill each other's gaps.
final class PieceShare: Sendable {
    private static let underway = Atomic<Int>(0)
    private static let most = 8
    private static let least = 2
    /// Handed over one by one they made more switches of threads.
    private static let batch = 2

    init() { Self.underway.add(1, ordering: .relaxed) }

    deinit { Self.underway.subtract(1, ordering: .relaxed) }

    /// A way between two threads of the layer.
    func channel() -> Channel<TarPiece> {
        // The closure holds the share as long as there is a way.
        Channel(batch: Self.batch) { self.room }
    }

    private var room: Int { max(Self.least, Self.most / max(Self.underway.load(ordering: .relaxed), 1)) }
}
