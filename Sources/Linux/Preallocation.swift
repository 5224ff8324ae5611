import CLinux
import Glibc

/// Room on the disk for a file that is written front to back, taken some megabytes ahead.
///
/// A file system that knows the room in advance spends a fifth less on each block, and leaves fewer pieces. What is too much
/// goes when the file's length is set.
package struct Preallocation: Sendable {
    /// A file begins without, for most are small; then it takes as much ahead as it has, up to a limit that leaves others
    /// room.
    private static let step: (least: Int64, most: Int64) = (1 << 20, 32 << 20)
    /// With less than that free, each file takes only what it needs.
    private static let plenty: Int64 = 2 << 30
    /// A shorter hole is not worth the call.
    private static let shortestHole: Int64 = 64 << 10

    private var end: Int64 = 0
    /// False where the file system, or what is left on it, does not allow it: the write itself says what is wrong.
    private var isPossible = true

    /// - Parameter position: where the file ends now.
    package init(from position: Int64 = 0) { end = position }

    /// Sees to it that there is room for the bytes `offset ..< end`, which are about to be written.
    package mutating func cover(offset: Int64, end needed: Int64, of file: borrowing OwnedDescriptor) {
        if needed <= end || needed < Self.step.least || !isPossible { return }
        let start = max(end, offset)
        let target = needed + min(needed, Self.step.most)
        let free = (try? freeBytes(of: file, "file")) ?? 0
        isPossible =
            free > Self.plenty && clinux_fallocate(file.raw, 1 /* FALLOC_FL_KEEP_SIZE */, start, target - start) == 0
        if isPossible { return end = target }
        // What a failed call got stays behind the file's end, where it is of no use.
        _ = ftruncate(file.raw, off_t(offset))
    }

    /// Gives back what was taken behind a file's end, where a hole begins.
    package mutating func release(from offset: Int64, count: Int64, of file: borrowing OwnedDescriptor) {
        if min(end, offset + count) - offset < Self.shortestHole { return }
        // Punching a hole does nothing behind the end.
        if ftruncate(file.raw, off_t(offset)) == 0 { end = offset }
    }
}
