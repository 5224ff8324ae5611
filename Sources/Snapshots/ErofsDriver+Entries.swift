import Archive
import Linux
package import OCI

extension ErofsDriver {
    package func entries(of diffID: Digest, _ body: (LayerEntry) throws -> Void) throws {
        // Whoever throws out of `body` must get that error back, whatever its type.
        var bodyError: (any Error)?
        do {
            try ErofsReader(LayerFileInput(diffID, path(of: diffID))).entries { entry in
                do { try body(LayerEntry(entry)) } catch {
                    bodyError = error
                    throw error
                }
            }
        } catch let error as ErofsError where bodyError == nil {
            throw SnapshotError.damaged(diffID, "\(error)")
        }
    }
}

/// A layer file, for the reader.
private struct LayerFileInput: ErofsInput {
    private let file: SharedDescriptor
    private let path: String
    let size: UInt64

    init(_ diffID: Digest, _ path: String) throws {
        do { file = SharedDescriptor(try open(path, .read)) } catch {
            throw error.kind == .notFound ? SnapshotError.notFound(diffID) : error
        }
        size = UInt64(try FileStatus(of: file.descriptor, path).size)
        self.path = path
    }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        let count = try unsafe preadFull(from: file.descriptor.raw, at: Int64(offset), into: buffer, path)
        // Shorter than it was a moment ago.
        if count < buffer.count { throw SystemError(errno: 5 /* EIO */, operation: "read", subject: path) }
    }
}

extension LayerEntry {
    fileprivate init(_ entry: ErofsEntry) {
        let kind: Kind =
            switch entry.kind {
            case .file: .file
            case .directory: .directory
            case .symbolicLink: .symbolicLink
            case .characterDevice: .characterDevice
            case .blockDevice: .blockDevice
            case .fifo: .fifo
            case .socket: .socket
            case .whiteout: .whiteout
            }
        // All whiteouts share an inode, and a directory's count of links says nothing: neither means hard links.
        let single = kind == .whiteout || kind == .directory
        self.init(
            path: entry.path, kind: kind, mode: entry.mode, uid: entry.uid, gid: entry.gid, size: entry.size,
            mtimeSeconds: entry.mtimeSeconds, mtimeNanoseconds: entry.mtimeNanoseconds, linkTarget: entry.linkTarget,
            deviceMajor: entry.deviceMajor, deviceMinor: entry.deviceMinor, inode: kind == .whiteout ? 0 : entry.nid,
            links: single ? 1 : entry.links,
            attributes: Dictionary(entry.attributes.map { ($0.name, $0.value) }) { _, last in last },
            isOpaque: entry.isOpaque)
    }
}
