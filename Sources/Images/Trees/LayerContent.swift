import Archive
import Linux
import OCI
import Snapshots

/// Reads files of stored layers, without mounts: from the layer file, or from the layer's tree.
final class LayerContent {
    private let driver: any SnapshotDriver
    private let flag: CancelFlag
    private var readers: [Digest: ErofsReader] = [:]
    private let zeros = [UInt8](repeating: 0, count: 64 << 10)

    init(_ driver: any SnapshotDriver, _ flag: CancelFlag) {
        self.driver = driver
        self.flag = flag
    }

    /// The digest of a file's bytes.
    ///
    /// - Parameter path: below the layer's root.
    func digest(of entry: LayerEntry, at path: [UInt8], in diffID: Digest) throws -> Digest {
        var hasher = DigestHasher()
        switch driver.kind {
        case .erofs:
            do {
                try unsafe reader(of: diffID).content(
                    of: entry.inode,
                    data: { bytes in
                        try flag.check()
                        unsafe hasher.update(bytes)
                    },
                    hole: { count in try hash(zeros: count, &hasher) })
            } catch let error as ErofsError { throw SnapshotError.damaged(diffID, "\(error)") }
        case .directory:
            let root = try Linux.open(driver.path(of: diffID), .directory)
            let file = try Linux.open(path: path, beneath: root, .read)
            while true {
                try flag.check()
                let chunk = try readSome(from: file.raw, upTo: 512 << 10, String(decoding: path, as: UTF8.self))
                if chunk.isEmpty { break }
                hasher.update(chunk)
            }
        }
        return hasher.finalize()
    }

    private func hash(zeros count: UInt64, _ hasher: inout DigestHasher) throws {
        var left = count
        while left > 0 {
            try flag.check()
            let piece = min(left, UInt64(zeros.count))
            hasher.update(piece == zeros.count ? zeros : Array(zeros.prefix(Int(piece))))
            left -= piece
        }
    }

    private func reader(of diffID: Digest) throws -> ErofsReader {
        if let reader = readers[diffID] { return reader }
        let reader = try ErofsReader(LayerImage(driver.path(of: diffID)))
        readers[diffID] = reader
        return reader
    }
}

/// A layer file, for the reader.
private final class LayerImage: ErofsInput {
    let size: UInt64
    private let file: OwnedDescriptor
    private let path: String

    init(_ path: String) throws {
        self.path = path
        file = try Linux.open(path, .read)
        size = UInt64(try FileStatus(of: file, path).size)
    }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        let count = try unsafe preadFull(from: file.raw, at: Int64(offset), into: buffer, path)
        if count < buffer.count { throw SystemError(errno: 5 /* EIO */, operation: "read", subject: path) }
    }
}
