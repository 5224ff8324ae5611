import CLinux
import Glibc

/// A directory tree whose own symbolic links decide, and cannot lead out of it: a container's root.
///
/// Every path is resolved by the kernel with the tree as its root (openat2, `RESOLVE_IN_ROOT`).
package struct ConfinedTree: ~Copyable, Sendable {
    package let descriptor: OwnedDescriptor
    private let path: String

    package init(_ path: String) throws(SystemError) {
        descriptor = try Linux.open(path, .handle)
        self.path = path
    }

    package borrowing func open(_ path: String, _ mode: OpenMode, noFollow: Bool = false, permissions: UInt32 = 0o644)
        throws(SystemError) -> OwnedDescriptor
    {
        try Linux.open(path, mode, inside: descriptor, noFollow: noFollow, permissions: permissions)
    }

    /// The status of what a path leads to; nil where it leads nowhere.
    package borrowing func status(of path: String, noFollow: Bool = false) throws(SystemError) -> FileStatus? {
        do { return try FileStatus(of: try open(path, .handle, noFollow: noFollow), path) } catch {
            if error.kind == .notFound { return nil }
            throw error
        }
    }

    /// Reads a small file; empty where there is none.
    package borrowing func read(_ path: String, limit: Int) throws(SystemError) -> [UInt8] {
        let file: OwnedDescriptor
        do { file = try open(path, .handle) } catch {
            if error.kind == .notFound { return [] }
            throw error
        }
        // A fifo or device in its place must not be opened for reading.
        guard try FileStatus(of: file, path).kind == .regular else { return [] }
        return try readFile("/proc/self/fd/\(file.raw)", limit: limit)
    }

    /// Makes sure that a directory is there, with those above it; those that are new get the mode and leave the time of
    /// the directory above as it was. Where a symbolic link leads nowhere, what it names is made.
    package borrowing func makeDirectories(_ path: String, permissions: UInt32 = 0o755) throws(SystemError)
        -> OwnedDescriptor
    {
        try makeDirectories(path, permissions: permissions, links: 0)
    }

    private borrowing func makeDirectories(_ path: String, permissions: UInt32, links: Int) throws(SystemError)
        -> OwnedDescriptor
    {
        do { return try open(path, .directory) } catch {
            if error.kind != .notFound || error.errno == ENOTDIR { throw error }
        }
        let (parent, name) = Self.split(path)
        guard let name else { throw SystemError(errno: ENOENT, operation: "open", subject: path) }
        let above = try makeDirectories(parent, permissions: permissions, links: links)
        if let target = try missingTarget(name, in: above, parent, links, path) {
            return try makeDirectories(target, permissions: permissions, links: links + 1)
        }
        let before = try FileStatus(of: above, parent)
        if unsafe mkdirat(above.raw, name, permissions) != 0, errno != EEXIST {
            throw SystemError(errno: errno, operation: "create directory", subject: path)
        }
        try restoreTime(before, of: above, parent)
        return try open(path, .directory)
    }

    /// Makes sure that a file is there: an empty one where there was none, or where a symbolic link leads nowhere.
    package borrowing func makeFile(_ path: String, permissions: UInt32 = 0o644) throws(SystemError) {
        try makeFile(path, permissions: permissions, links: 0)
    }

    private borrowing func makeFile(_ path: String, permissions: UInt32, links: Int) throws(SystemError) {
        if try status(of: path) != nil { return }
        let (parent, name) = Self.split(path)
        guard let name else { throw SystemError(errno: EISDIR, operation: "create", subject: path) }
        let above = try makeDirectories(parent)
        if let target = try missingTarget(name, in: above, parent, links, path) {
            return try makeFile(target, permissions: permissions, links: links + 1)
        }
        let before = try FileStatus(of: above, parent)
        _ = try Linux.open(name, .update, inside: above, noFollow: true, permissions: permissions)
        try restoreTime(before, of: above, parent)
    }

    /// What a name that is a symbolic link stands for; nil where it is none.
    private borrowing func missingTarget(
        _ name: String, in directory: borrowing OwnedDescriptor, _ parent: String, _ links: Int, _ subject: String
    ) throws(SystemError) -> String? {
        let bytes = Array(name.utf8)
        do { if try FileStatus(entry: bytes, in: directory).kind != .symbolicLink { return nil } } catch {
            if error.kind == .notFound { return nil }
            throw error
        }
        // As many as the kernel follows.
        if links > 40 { throw SystemError(errno: ELOOP, operation: "follow", subject: subject) }
        let target = String(decoding: try readLink(entry: bytes, in: directory), as: UTF8.self)
        return target.hasPrefix("/") ? target : "\(parent)/\(target)"
    }

    /// Makes a symbolic link where nothing has the name.
    package borrowing func makeLink(_ path: String, to target: String) throws(SystemError) {
        if try status(of: path, noFollow: true) != nil { return }
        let (parent, name) = Self.split(path)
        guard let name else { return }
        let above = try makeDirectories(parent)
        let before = try FileStatus(of: above, parent)
        if unsafe symlinkat(target, above.raw, name) != 0, errno != EEXIST {
            throw SystemError(errno: errno, operation: "create link", subject: path)
        }
        try restoreTime(before, of: above, parent)
    }

    private borrowing func restoreTime(_ status: FileStatus, of directory: borrowing OwnedDescriptor, _ subject: String)
        throws(SystemError)
    {
        try setTime(status.mtimeSeconds, status.mtimeNanoseconds, of: "/proc/self/fd/\(directory.raw)/.")
    }

    private static func split(_ path: String) -> (parent: String, name: String?) {
        var parts = path.split(separator: "/").filter { $0 != "." }
        guard let name = parts.popLast(), name != ".." else { return ("/", nil) }
        return ("/" + parts.joined(separator: "/"), String(name))
    }
}

/// Changes owner and permission bits of an open file or directory, the owner first: a change of owner clears setuid.
package func setOwnership(
    of descriptor: borrowing OwnedDescriptor, uid: UInt32, gid: UInt32, mode: UInt16, _ subject: String
)
    throws(SystemError)
{
    try unsafe check(clinux_fchownat(descriptor.raw, "", uid, gid), "change the owner of", subject)
    try check(clinux_fchmod(descriptor.raw, UInt32(mode)), "change the mode of", subject)
}
