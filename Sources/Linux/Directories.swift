import CLinux
import Glibc

/// Creates a directory; one that is there is fine.
package func makeDirectory(_ path: String, permissions: UInt32 = 0o755) throws(SystemError) {
    if unsafe mkdir(path, permissions) == 0 || errno == EEXIST { return }
    throw SystemError(errno: errno, operation: "create directory", subject: path)
}

/// Creates a directory and those above it.
package func makeDirectories(_ path: String, permissions: UInt32 = 0o755) throws(SystemError) {
    if unsafe mkdir(path, permissions) == 0 || errno == EEXIST { return }
    guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
        throw SystemError(errno: errno, operation: "create directory", subject: path)
    }
    try makeDirectories(String(path[..<slash]), permissions: permissions)
    try makeDirectory(path, permissions: permissions)
}

/// Renames, replacing a file (never a non-empty directory) at the new path.
package func rename(_ old: String, to new: String) throws(SystemError) {
    try unsafe check(clinux_renameat2(AT_FDCWD, old, AT_FDCWD, new, 0), "rename to `\(new)`", old)
}

/// Renames, failing where the new path exists.
package func renameNew(_ old: String, to new: String) throws(SystemError) {
    try unsafe check(
        clinux_renameat2(AT_FDCWD, old, AT_FDCWD, new, 1 /* RENAME_NOREPLACE */), "rename to `\(new)`", old)
}

/// Swaps what two paths name, in one step.
package func exchange(_ one: String, with other: String) throws(SystemError) {
    try unsafe check(
        clinux_renameat2(AT_FDCWD, one, AT_FDCWD, other, 2 /* RENAME_EXCHANGE */), "exchange with `\(other)`", one)
}

/// Removes a file; one that is gone already is fine.
package func removeFile(_ path: String) throws(SystemError) {
    if unsafe unlink(path) == 0 || errno == ENOENT { return }
    throw SystemError(errno: errno, operation: "remove", subject: path)
}

/// Removes an empty directory; one that is gone already is fine.
package func removeDirectory(_ path: String) throws(SystemError) {
    if unsafe rmdir(path) == 0 || errno == ENOENT { return }
    throw SystemError(errno: errno, operation: "remove directory", subject: path)
}

/// Makes a file's bytes durable.
package func sync(_ descriptor: borrowing OwnedDescriptor, _ subject: String = "file") throws(SystemError) {
    try checkErrno(fsync(descriptor.raw), "sync", subject)
}

/// Makes the names in a directory durable.
package func syncDirectory(_ path: String) throws(SystemError) {
    let directory = try open(path, .directory)
    try checkErrno(fsync(directory.raw), "sync directory", path)
}

/// Makes everything written to the file system of a descriptor durable.
package func syncFileSystem(_ descriptor: borrowing OwnedDescriptor, _ subject: String) throws(SystemError) {
    try check(clinux_syncfs(descriptor.raw), "sync the file system of", subject)
}

/// Starts writing a range to the disk without waiting, so that the sync before a commit finds little left to do.
package func startWriteback(_ descriptor: borrowing OwnedDescriptor, from offset: Int64, count: Int64) {
    _ = clinux_sync_file_range(descriptor.raw, offset, count, 2 /* SYNC_FILE_RANGE_WRITE */)
}

/// Writes a small file so that a reader sees the old or the new one, whole, also after a power loss.
///
/// - Parameter durable: false where a power loss takes the file away anyway, or may.
package func writeAtomically(
    _ bytes: [UInt8], to path: String, permissions: UInt32 = 0o644, durable: Bool = true
) throws(SystemError) {
    let staged = "\(path).\(getpid()).\(uniqueSuffix())"
    do throws(SystemError) {
        let file = try open(staged, .createNew, permissions: permissions)
        try writeAll(bytes, to: file.raw, path)
        if durable { try sync(file, path) }
        try file.close(path)
        try rename(staged, to: path)
    } catch {
        unsafe unlink(staged)
        throw error
    }
    if durable { try syncDirectory(parent(of: path)) }
}

/// The directory part of a path.
package func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
}

/// A short random word for names of staged files.
package func uniqueSuffix() -> String { String(UInt64.random(in: .min ... .max), radix: 36) }

/// The names in a directory, `.` and `..` left out, unsorted, as raw bytes.
package func namesBytes(in directory: borrowing OwnedDescriptor, _ subject: String = "directory") throws(SystemError)
    -> [[UInt8]]
{
    var names: [[UInt8]] = []
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    lseek(directory.raw, 0, SEEK_SET)
    while true {
        let count = unsafe try check(
            buffer.withUnsafeMutableBytes { unsafe clinux_getdents(directory.raw, $0.baseAddress, $0.count) },
            "list", subject)
        if count == 0 { return names }
        // struct linux_dirent64: u64 inode, i64 offset, u16 record length, u8 kind, name, NUL.
        var at = 0
        while at + 19 < count {
            let length = Int(buffer[at + 16]) | Int(buffer[at + 17]) << 8
            guard length >= 20, at + length <= count else { break }
            let name = Array(buffer[(at + 19)..<(at + length)].prefix { $0 != 0 })
            if name != [46], name != [46, 46] { names.append(name) }
            at += length
        }
    }
}

/// The names in a directory that are valid UTF-8, sorted; nil where the directory does not exist.
package func names(in path: String) throws(SystemError) -> [String]? {
    do {
        let directory = try open(path, .directory)
        return try namesBytes(in: directory, path).map { String(decoding: $0, as: UTF8.self) }.sorted()
    } catch {
        if error.kind == .notFound { return nil }
        throw error
    }
}

/// Removes a file or a directory with everything in it, never following a symbolic link nor leaving the file system tree
/// below it; what is gone already is fine.
package func removeTree(_ path: String) throws(SystemError) {
    let directory: OwnedDescriptor
    do { directory = try open(parent(of: path), .directory) } catch {
        if error.kind == .notFound { return }
        throw error
    }
    let name = path.lastIndex(of: "/").map { path[path.index(after: $0)...] } ?? path[...]
    try removeEntry(Array(name.utf8), in: directory, depth: 0)
}

/// - Parameters:
///   - depth: how many directories are open above this one, the tree's own top counted.
///   - top: the tree's own top directory; nil where this is it.
func removeEntry(_ name: [UInt8], in directory: borrowing OwnedDescriptor, depth: Int, top: Int32? = nil)
    throws(SystemError)
{
    let path = name.map { CChar(bitPattern: $0) } + [0]
    let subject = { String(decoding: name, as: UTF8.self) }
    if unsafe unlinkat(directory.raw, path, 0) == 0 || errno == ENOENT { return }
    guard errno == EISDIR || errno == EPERM else {
        throw SystemError(errno: errno, operation: "remove", subject: subject())
    }
    if let top, depth >= 64 {
        // Each level holds a descriptor: what lies deeper moves to the top, which is looked through again.
        let moved = ".deep-\(uniqueSuffix())"
        try unsafe check(clinux_renameat2(directory.raw, path, top, moved, 0), "move", subject())
        return
    }
    func openInner() -> Int32 {
        // RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS: what is mounted below belongs to somebody else.
        unsafe clinux_openat2(directory.raw, path, UInt64(O_RDONLY | O_DIRECTORY | O_NOFOLLOW), 0, 0x01 | 0x04)
    }
    var raw = openInner()
    if raw == -EACCES, unsafe fchmodat(directory.raw, path, 0o700, 0) == 0 { raw = openInner() }
    // Somebody else removes it, too.
    if raw == -ENOENT { return }
    let inner = OwnedDescriptor(owning: try check(raw, "open", subject()))
    // Only root removes from a directory that its owner may not write to.
    if geteuid() != 0 { fchmod(inner.raw, 0o700) }
    while true {
        let children: [[UInt8]]
        do { children = try namesBytes(in: inner, subject()) } catch {
            if error.kind == .notFound { return }
            throw error
        }
        for child in children { try removeEntry(child, in: inner, depth: depth + 1, top: top ?? inner.raw) }
        // Only the top gets new names.
        if top != nil || children.isEmpty { break }
    }
    if unsafe unlinkat(directory.raw, path, AT_REMOVEDIR) == 0 || errno == ENOENT { return }
    throw SystemError(errno: errno, operation: "remove directory", subject: subject())
}

/// The bytes that a file or a tree takes on disk, hard links counted once.
package func allocatedBytes(of path: String) throws(SystemError) -> Int64 {
    var seen: Set<UInt64> = []
    return try allocated(path, seen: &seen)
}

private func allocated(_ path: String, seen: inout Set<UInt64>) throws(SystemError) -> Int64 {
    guard let status = try FileStatus.ifExists(path) else { return 0 }
    if status.links > 1, status.kind != .directory, !seen.insert(status.inode).inserted { return 0 }
    var total = status.allocated
    if status.kind == .directory {
        for name in try names(in: path) ?? [] { total += try allocated("\(path)/\(name)", seen: &seen) }
    }
    return total
}

/// Bytes that a user may still write to the file system of a path.
package func freeBytes(at path: String) throws(SystemError) -> Int64 {
    try freeBytes(of: try open(path, .directory), path)
}

/// The same of an open file's file system.
package func freeBytes(of file: borrowing OwnedDescriptor, _ subject: String) throws(SystemError) -> Int64 {
    var free: UInt64 = 0
    var total: UInt64 = 0
    var kind: UInt64 = 0
    unsafe try check(clinux_free_space(file.raw, &free, &total, &kind), "look at the free space of", subject)
    return Int64(clamping: free)
}

/// Where a symbolic link points to.
package func readLink(_ path: String) throws(SystemError) -> String {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = unsafe try check(
        buffer.withUnsafeMutableBufferPointer { unsafe clinux_readlinkat(AT_FDCWD, path, $0.baseAddress, $0.count) },
        "read link", path)
    return String(decoding: buffer.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
}

/// Makes a symbolic link, in the place of what has the name.
package func replaceLink(_ path: String, to target: String) throws(SystemError) {
    let staged = "\(path).\(uniqueSuffix())"
    if unsafe symlink(target, staged) != 0 {
        throw SystemError(errno: errno, operation: "create link", subject: path)
    }
    try rename(staged, to: path)
}
