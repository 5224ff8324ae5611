import Archive
import Glibc
import Linux
import OCI

/// A descriptor that several values share; it closes with the last of them.
final class SharedDescriptor: Sendable {
    let descriptor: OwnedDescriptor
    init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }
}

/// Writes a layer image to a file. The disk is kept busy while the image is made, so that the sync at its end is short.
struct LayerFileOutput: LayerOutput, Sendable {
    private let file: SharedDescriptor
    private let path: String
    private var writer: FrontWriter

    /// - Parameter isTrimmed: the file's length is set at the end, so that room may be taken ahead.
    init(_ file: SharedDescriptor, _ path: String, isTrimmed: Bool = false) {
        self.file = file
        self.path = path
        writer = FrontWriter(isTrimmed: isTrimmed)
    }

    mutating func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws {
        try unsafe writer.write(bytes, to: file.descriptor, at: Int64(offset), path)
    }

    /// A hole: the file's length is set at the end.
    mutating func writeZeros(_ count: UInt64, at offset: UInt64) throws {
        writer.leaveHole(at: Int64(offset), count: Int64(count), in: file.descriptor)
    }
}

/// Compares a layer image with the file that should hold it.
struct LayerFileComparison: LayerOutput, Sendable {
    private static let pieceSize = 256 << 10

    private let file: SharedDescriptor
    private let diffID: Digest
    private let path: String
    private var buffer = [UInt8](repeating: 0, count: pieceSize)

    init(_ file: SharedDescriptor, _ diffID: Digest, _ path: String) {
        self.file = file
        self.diffID = diffID
        self.path = path
    }

    mutating func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws {
        var done = 0
        while done < bytes.count {
            let end = min(done + Self.pieceSize, bytes.count)
            let expected = unsafe UnsafeRawBufferPointer(rebasing: bytes[done..<end])
            try unsafe compare(expected, at: Int64(offset) + Int64(done))
            done += expected.count
        }
    }

    private mutating func compare(_ expected: UnsafeRawBufferPointer, at offset: Int64) throws {
        let isEqual = try unsafe buffer.withUnsafeMutableBytes { buffer in
            let piece = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<expected.count])
            let count = try unsafe preadFull(from: file.descriptor.raw, at: offset, into: piece, path)
            guard count == expected.count, let stored = piece.baseAddress, let wanted = expected.baseAddress else {
                return false
            }
            return unsafe memcmp(stored, wanted, count) == 0
        }
        if !isEqual {
            throw SnapshotError.damaged(
                diffID, "the \(expected.count) bytes at \(offset) of its file are not what its tar gives")
        }
    }

    /// A hole reads as zeros; what is not a hole must hold them.
    mutating func writeZeros(_ count: UInt64, at offset: UInt64) throws {
        let end = Int64(offset + count)
        var position = Int64(offset)
        let zeros = [UInt8](repeating: 0, count: Self.pieceSize)
        while position < end, let data = try nextData(in: file.descriptor, from: position, path), data.lowerBound < end
        {
            position = max(position, data.lowerBound)
            let dataEnd = min(end, data.upperBound)
            while position < dataEnd {
                let length = min(Int(dataEnd - position), Self.pieceSize)
                try unsafe zeros.withUnsafeBytes { zeros in
                    try unsafe compare(UnsafeRawBufferPointer(rebasing: zeros[..<length]), at: position)
                }
                position += Int64(length)
            }
        }
    }
}
