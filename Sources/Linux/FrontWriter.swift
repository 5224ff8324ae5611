/// Writes a file front to back: takes room ahead of what is written, and starts what was written on its way to the disk, so
/// that the sync at the end finds little left to do.
package struct FrontWriter: Sendable {
    private static let writebackBytes: Int64 = 8 << 20

    private var room: Preallocation?
    /// Up to here the disk was told.
    private var started: Int64

    /// - Parameters:
    ///   - position: where the file ends now.
    ///   - isTrimmed: the file's length is set at the end, so that room may be taken ahead.
    package init(from position: Int64 = 0, isTrimmed: Bool) {
        started = position
        room = isTrimmed ? Preallocation(from: position) : nil
    }

    /// Writes all bytes at an offset: at the file's end, or before where the last ones complete its beginning.
    package mutating func write(
        _ bytes: UnsafeRawBufferPointer, to file: borrowing OwnedDescriptor, at offset: Int64, _ path: String
    ) throws(SystemError) {
        let end = offset + Int64(bytes.count)
        room?.cover(offset: offset, end: end, of: file)
        try unsafe pwriteAll(bytes, to: file.raw, at: offset, path)
        if end - started >= Self.writebackBytes {
            startWriteback(file, from: started, count: end - started)
            started = end
        }
    }

    /// Notes that a hole begins at the file's end.
    package mutating func leaveHole(at offset: Int64, count: Int64, in file: borrowing OwnedDescriptor) {
        room?.release(from: offset, count: count, of: file)
    }
}
