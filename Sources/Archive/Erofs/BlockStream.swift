/// Collects what comes one after another and hands it to an output in large pieces of whole blocks.
struct BlockStream {
    /// Large enough that a call of the output costs little beside its bytes, small enough to stay in the cache.
    private static let capacity = 128 << 10
    /// What comes in one piece of this size goes past the buffer: a second call costs less than the copy.
    private static let largePiece = 64 << 10

    private var buffer: [UInt8] = []
    /// Where the buffer's first byte lies in the image; a multiple of the block size.
    private var start: UInt64

    init(at start: UInt64) { self.start = start }

    /// Where the next byte goes.
    var position: UInt64 { start + UInt64(buffer.count) }

    mutating func append(_ bytes: UnsafeRawBufferPointer, to output: inout some LayerOutput) throws {
        var rest = unsafe bytes
        if buffer.capacity < Self.capacity { buffer.reserveCapacity(Self.capacity) }
        while unsafe !rest.isEmpty {
            if buffer.isEmpty, rest.count >= Self.largePiece {
                // Whole blocks of a large piece need no copy.
                let count = rest.count & ~(ErofsFormat.blockSize - 1)
                try unsafe output.write(UnsafeRawBufferPointer(rebasing: rest[..<count]), at: start)
                start += UInt64(count)
                unsafe rest = UnsafeRawBufferPointer(rebasing: rest[count...])
                continue
            }
            // Before a large piece the buffer is only filled up to the end of its block.
            let room =
                rest.count >= Self.largePiece
                ? (ErofsFormat.blockSize - buffer.count % ErofsFormat.blockSize) % ErofsFormat.blockSize
                : Self.capacity - buffer.count
            let count = min(room, rest.count)
            unsafe buffer.append(contentsOf: rest[..<count])
            unsafe rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            if buffer.count == Self.capacity || room == count { try writeBuffer(to: &output) }
        }
    }

    mutating func append(_ bytes: [UInt8], to output: inout some LayerOutput) throws {
        try unsafe bytes.withUnsafeBytes { try unsafe append($0, to: &output) }
    }

    /// Fills the last block up with zeros.
    mutating func pad(to output: inout some LayerOutput) throws {
        let used = buffer.count % ErofsFormat.blockSize
        if used == 0 { return }
        buffer.append(zeros: ErofsFormat.blockSize - used)
        if buffer.count == Self.capacity { try writeBuffer(to: &output) }
    }

    /// Appends zeros; where they are many the output is told of them instead.
    mutating func appendZeros(_ count: UInt64, to output: inout some LayerOutput) throws {
        let fill = min(count, position.roundedUpToBlock - position)
        try unsafe ErofsFormat.zeros[..<Int(fill)].withUnsafeBytes { try unsafe append($0, to: &output) }
        let blocks = (count - fill) & ~UInt64(ErofsFormat.blockSize - 1)
        if blocks > 0 {
            try writeBuffer(to: &output)
            try output.writeZeros(blocks, at: start)
            start += blocks
        }
        try unsafe ErofsFormat.zeros[..<Int(count - fill - blocks)].withUnsafeBytes {
            try unsafe append($0, to: &output)
        }
    }

    /// Hands over what is left, filled up to a whole block.
    mutating func finish(to output: inout some LayerOutput) throws {
        try pad(to: &output)
        try writeBuffer(to: &output)
        buffer = []
    }

    private mutating func writeBuffer(to output: inout some LayerOutput) throws {
        if buffer.isEmpty { return }
        try unsafe buffer.withUnsafeBytes { try unsafe output.write($0, at: start) }
        start += UInt64(buffer.count)
        buffer.removeAll(keepingCapacity: true)
    }
}
