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

/// A step of the work on a tar with a thread of its own: takes the pieces in order and gives one value at their end.
///
/// The steps run side by side, so that two cores have work although every byte goes through all of them.
final class TarStage<Value: Sendable>: Sendable {
    private let pieces = Channel<TarPiece>(capacity: 2)
    private let outcome = Channel<Value>(capacity: 1)

    /// - Parameters:
    ///   - take: told of each piece.
    ///   - finish: told of the end; what it throws, and what `take` throws, is thrown to whoever sends or waits.
    init<Work: Sendable>(
        named name: String, _ work: Work, take: @escaping @Sendable (inout Work, inout TarPiece) throws -> Void,
        finish: @escaping @Sendable (inout Work) throws -> Value
    ) throws {
        try startThread(named: name) { [pieces, outcome] in
            var work = work
            do {
                while var piece = try pieces.receiveBlocking() { try take(&work, &piece) }
                try outcome.sendBlocking(try finish(&work))
                outcome.finish()
            } catch {
                pieces.fail(error)
                outcome.fail(error)
            }
        }
    }

    /// Hands over the next piece; waits while the stage is behind.
    func send(_ piece: TarPiece) throws { try pieces.sendBlocking(piece) }

    /// Ends the pieces.
    func end() { pieces.finish() }

    /// Stops the stage early.
    func fail(_ error: any Error) { pieces.fail(error) }

    /// Waits until the stage is through with all, and its thread touches nothing any more.
    func value() throws -> Value {
        guard let value = try outcome.receiveBlocking() else { throw CancellationError() }
        return value
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
