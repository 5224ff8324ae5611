import CLinux
import Glibc

/// What `statx` says of a file.
package struct FileStatus: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        case regular, directory, symbolicLink, characterDevice, blockDevice, fifo, socket

        var typeBits: UInt32 {
            switch self {
            case .regular: S_IFREG
            case .directory: S_IFDIR
            case .symbolicLink: S_IFLNK
            case .characterDevice: S_IFCHR
            case .blockDevice: S_IFBLK
            case .fifo: S_IFIFO
            case .socket: S_IFSOCK
            }
        }
    }

    package var kind: Kind
    /// Permission bits with setuid, setgid and sticky.
    package var mode: UInt16
    package var uid: UInt32
    package var gid: UInt32
    package var links: UInt32
    package var size: Int64
    /// Bytes allocated on disk.
    package var allocated: Int64
    package var inode: UInt64
    package var deviceMajor: UInt32
    package var deviceMinor: UInt32
    /// The device a device node stands for.
    package var nodeMajor: UInt32
    package var nodeMinor: UInt32
    package var mtimeSeconds: Int64
    package var mtimeNanoseconds: UInt32
    package var ctimeSeconds: Int64
    package var ctimeNanoseconds: UInt32
    /// Whether something is mounted here.
    package var isMountRoot: Bool

    init(_ raw: clinux_status) {
        kind =
            switch raw.mode & S_IFMT {
            case S_IFDIR: .directory
            case S_IFLNK: .symbolicLink
            case S_IFCHR: .characterDevice
            case S_IFBLK: .blockDevice
            case S_IFIFO: .fifo
            case S_IFSOCK: .socket
            default: .regular
            }
        mode = UInt16(raw.mode & 0o7777)
        uid = raw.uid
        gid = raw.gid
        links = raw.nlink
        size = Int64(clamping: raw.size)
        allocated = Int64(clamping: raw.blocks) &* 512
        inode = raw.inode
        deviceMajor = raw.dev_major
        deviceMinor = raw.dev_minor
        nodeMajor = raw.rdev_major
        nodeMinor = raw.rdev_minor
        mtimeSeconds = raw.mtime_seconds
        mtimeNanoseconds = raw.mtime_nanoseconds
        ctimeSeconds = raw.ctime_seconds
        ctimeNanoseconds = raw.ctime_nanoseconds
        isMountRoot = raw.mount_root != 0
    }

    /// The status of a path; of a symbolic link itself unless `following`.
    package init(of path: String, following: Bool = false) throws(SystemError) {
        var raw = clinux_status()
        unsafe try check(clinux_status_at(AT_FDCWD, path, following ? 1 : 0, &raw), "look at", path)
        self.init(raw)
    }

    /// The status of a name in a directory; of a symbolic link itself.
    package init(of name: String, in directory: borrowing OwnedDescriptor) throws(SystemError) {
        var raw = clinux_status()
        unsafe try check(clinux_status_at(directory.raw, name, 0, &raw), "look at", name)
        self.init(raw)
    }

    /// The status of an open file.
    package init(of descriptor: borrowing OwnedDescriptor, _ subject: String = "file") throws(SystemError) {
        var raw = clinux_status()
        unsafe try check(clinux_status_of(descriptor.raw, &raw), "look at", subject)
        self.init(raw)
    }

    /// The status where the path exists; nil where it does not.
    package static func ifExists(_ path: String) throws(SystemError) -> FileStatus? {
        do { return try FileStatus(of: path) } catch {
            if error.kind == .notFound { return nil }
            throw error
        }
    }
}

/// What must be unchanged for a file that was verified once to be trusted without reading it again.
///
/// A write through the file system changes `ctime`, which no program can set back; bit rot below the file system does
/// not: that is what `system check` reads everything for.
package struct FileSeal: Sendable, Hashable, Codable {
    package var inode: UInt64
    package var size: Int64
    package var mtimeSeconds: Int64
    package var mtimeNanoseconds: UInt32
    package var ctimeSeconds: Int64
    package var ctimeNanoseconds: UInt32

    package init(_ status: FileStatus) {
        inode = status.inode
        size = status.size
        mtimeSeconds = status.mtimeSeconds
        mtimeNanoseconds = status.mtimeNanoseconds
        ctimeSeconds = status.ctimeSeconds
        ctimeNanoseconds = status.ctimeNanoseconds
    }

    package init(of path: String) throws(SystemError) { self.init(try FileStatus(of: path)) }

    /// All of it as one line of text.
    package var description: String {
        "\(inode) \(size) \(mtimeSeconds).\(mtimeNanoseconds) \(ctimeSeconds).\(ctimeNanoseconds)"
    }

    package init(
        inode: UInt64, size: Int64, mtimeSeconds: Int64, mtimeNanoseconds: UInt32, ctimeSeconds: Int64,
        ctimeNanoseconds: UInt32
    ) {
        self.inode = inode
        self.size = size
        self.mtimeSeconds = mtimeSeconds
        self.mtimeNanoseconds = mtimeNanoseconds
        self.ctimeSeconds = ctimeSeconds
        self.ctimeNanoseconds = ctimeNanoseconds
    }
}
