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
    private static let plenty: UInt64 = 2 << 30
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
        isPossible =
            Self.hasPlenty(file) && clinux_fallocate(file.raw, 1 /* FALLOC_FL_KEEP_SIZE */, start, target - start) == 0
        if isPossible { return end = target }
        // What a failed call got stays behind the file's end, where it is of no use.
        _ = ftruncate(file.raw, off_t(offset))
    }

    /// Whether so much is free that taking room ahead is nobody's want.
    private static func hasPlenty(_ file: borrowing OwnedDescriptor) -> Bool {
        var free: UInt64 = 0
        var total: UInt64 = 0
        var kind: UInt64 = 0
        return unsafe clinux_free_space(file.raw, &free, &total, &kind) == 0 && free > plenty
    }

    /// Gives back what was taken behind a file's end, where a hole begins.
    package mutating func release(from offset: Int64, count: Int64, of file: borrowing OwnedDescriptor) {
        if min(end, offset + count) - offset < Self.shortestHole { return }
        // Punching a hole does nothing behind the end.
        if ftruncate(file.raw, off_t(offset)) == 0 { end = offset }
    }
}
