/// Gives the bytes of an image.
public protocol ErofsInput {
    /// Bytes in the image.
    var size: UInt64 { get }
    /// Fills a buffer with the bytes at an offset; the reader never asks for what lies beyond `size`.
    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws
}

/// Keeps the parts of an image that were read last, for the many small reads of metadata.
final class ErofsWindows {
    /// The largest read that is served from one window.
    static let maximumRead = 4 << 10
    private static let step: UInt64 = 64 << 10
    private static let count = 16

    private struct Window {
        /// Which step of the image it holds, with `maximumRead` bytes of the next.
        var number: UInt64 = .max
        var bytes: [UInt8] = []
    }

    private let input: any ErofsInput
    private let size: UInt64
    private var windows = [Window](repeating: Window(), count: count)

    init(_ input: any ErofsInput, size: UInt64) {
        self.input = input
        self.size = size
    }

    /// Calls with a range of the image, of at most `maximumRead` bytes.
    ///
    /// - Parameter place: what lies there, for the error where the range leaves the image.
    func withBytes<Result>(
        at offset: UInt64, count: Int, _ place: @autoclosure () -> String,
        _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
        guard count <= ErofsWindows.maximumRead, offset <= size, UInt64(count) <= size - offset else {
            throw ErofsError.damaged("it leaves the image", at: place())
        }
        let number = offset / ErofsWindows.step
        let index = Int(number % UInt64(ErofsWindows.count))
        if windows[index].number != number { try load(number, into: index) }
        let start = Int(offset - number * ErofsWindows.step)
        return try unsafe windows[index].bytes.withUnsafeBytes { bytes in
            try unsafe body(UnsafeRawBufferPointer(rebasing: bytes[start..<start + count]))
        }
    }

    /// A longer range, copied.
    func bytes(at offset: UInt64, count: Int, _ place: @autoclosure () -> String) throws -> [UInt8] {
        guard offset <= size, UInt64(count) <= size - offset else {
            throw ErofsError.damaged("it leaves the image", at: place())
        }
        var result = [UInt8](repeating: 0, count: count)
        try unsafe result.withUnsafeMutableBytes { try unsafe input.read(at: offset, into: $0) }
        return result
    }

    private func load(_ number: UInt64, into index: Int) throws {
        let start = number * ErofsWindows.step
        let count = Int(min(ErofsWindows.step + UInt64(ErofsWindows.maximumRead), size - start))
        windows[index].number = .max
        if windows[index].bytes.count != count { windows[index].bytes = [UInt8](repeating: 0, count: count) }
        try unsafe windows[index].bytes.withUnsafeMutableBytes { try unsafe input.read(at: start, into: $0) }
        windows[index].number = number
    }
}

extension UnsafeRawBufferPointer {
    /// A little-endian number that need not be aligned; the caller has checked that it lies inside.
    func little<Number: FixedWidthInteger>(_ offset: Int, as: Number.Type = Number.self) -> Number {
        unsafe Number(littleEndian: loadUnaligned(fromByteOffset: offset, as: Number.self))
    }
}
