import Archive
import Glibc
import Linux
import OCI

/// Bytes that a person or a pipe gives: told by their first bytes, not by their name.
enum ArchiveInput {
    /// What the first bytes of a compression look like that we do not unpack, and what does.
    private static let foreign: [(magic: [UInt8], name: String, program: String)] = [
        ([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00], "xz", "xz -dc"), ([0x42, 0x5A, 0x68], "bzip2", "bzip2 -dc"),
        ([0x5D, 0x00, 0x00], "lzma", "xz -dc"), ([0x4C, 0x5A, 0x49, 0x50], "lzip", "lzip -dc"),
        ([0x50, 0x4B, 0x03, 0x04], "zip", "unzip -p"), ([0x04, 0x22, 0x4D, 0x18], "lz4", "lz4 -dc"),
    ]

    /// How a stream is compressed that begins so.
    ///
    /// - Throws: `ImageError(.invalid)` for what cannot be unpacked here.
    static func compression(of first: [UInt8]) throws -> Compression {
        for (magic, name, program) in foreign where first.starts(with: magic) {
            throw ImageError(
                .invalid, "the archive is compressed with \(name), which is not supported",
                hint: "unpack it on the way: `\(program) FILE | strata image load` (or `import -`)")
        }
        return Compression.detect(firstBytes: first)
    }

    /// Reads from a descriptor until so many bytes came or it ends; a pipe may give few at a time.
    static func read(_ count: Int, from input: Int32) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let chunk = try readSome(from: input, upTo: count - bytes.count, "archive")
            if chunk.isEmpty { break }
            bytes += chunk
        }
        return bytes
    }

    /// Where a regular file is read next; nil for what cannot be read in any order.
    static func position(of input: Int32) -> Int64? {
        var status = stat()
        guard unsafe fstat(input, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        let position = lseek(input, 0, SEEK_CUR)
        return position >= 0 ? Int64(position) : nil
    }

    /// Bytes from the descriptor's position to the end of its file; 0 for a pipe, which nobody knows the end of.
    static func bytesLeft(in input: Int32) -> Int64 {
        var status = stat()
        guard let position = position(of: input), unsafe fstat(input, &status) == 0 else { return 0 }
        return max(0, Int64(status.st_size) - position)
    }

    /// A second descriptor of the same file.
    static func duplicate(_ input: Int32) throws -> OwnedDescriptor {
        let copy = fcntl(input, F_DUPFD_CLOEXEC, 3)
        if copy < 0 { throw SystemError(errno: errno, operation: "duplicate", subject: "archive") }
        return OwnedDescriptor(owning: copy)
    }
}
