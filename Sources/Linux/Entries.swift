import CLinux
import Glibc

// Calls on a name in an open directory. A name is bytes without `/` and NUL, so no call here resolves a path or leaves the
// directory; none follows a symbolic link.

/// Hands a name to a call as a C string.
func withCString<Result>(_ name: [UInt8], _ body: (UnsafePointer<CChar>) -> Result) -> Result {
    let terminated = name + [0]
    return unsafe terminated.withUnsafeBufferPointer { buffer in
        unsafe buffer.withMemoryRebound(to: CChar.self) { chars in
            // A name is never empty of its terminator.
            unsafe body(chars.baseAddress ?? UnsafePointer(bitPattern: 1).unsafelyUnwrapped)
        }
    }
}

private func shown(_ name: [UInt8]) -> String { String(decoding: name, as: UTF8.self) }

/// Opens an entry itself, never what a symbolic link points to.
package func open(
    entry name: [UInt8], in directory: borrowing OwnedDescriptor, _ mode: OpenMode, permissions: UInt32 = 0
)
    throws(SystemError) -> OwnedDescriptor
{
    let flags = mode.flags | O_NOFOLLOW
    let raw = unsafe withCString(name) { unsafe clinux_open(directory.raw, $0, flags, permissions) }
    return OwnedDescriptor(owning: try check(raw, "open", shown(name)))
}

/// Opens what a path of names leads to below a directory, empty for the directory itself: no symbolic link on the way is
/// followed, and neither `..` nor a mount leads out.
package func open(
    path: [UInt8], beneath directory: borrowing OwnedDescriptor, _ mode: OpenMode
) throws(SystemError) -> OwnedDescriptor {
    let path = path.isEmpty ? [UInt8(ascii: ".")] : path
    let flags = UInt64(mode.flags | O_NOFOLLOW)
    let resolve: UInt64 = 0x08 | 0x04 | 0x01  // RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV
    while true {
        let result = unsafe withCString(path) { unsafe clinux_openat2(directory.raw, $0, flags, 0, resolve) }
        // The kernel asks to try again when a rename raced with the walk.
        if result == -EAGAIN { continue }
        return OwnedDescriptor(owning: try check(result, "open", shown(path)))
    }
}

extension FileStatus {
    /// The status of an entry, of a symbolic link itself.
    package init(entry name: [UInt8], in directory: borrowing OwnedDescriptor) throws(SystemError) {
        var raw = clinux_status()
        let result = unsafe withCString(name) { unsafe clinux_status_at(directory.raw, $0, 0, &raw) }
        try check(result, "look at", shown(name))
        self.init(raw)
    }
}

/// Makes a directory that must not be there yet.
package func makeDirectory(entry name: [UInt8], in directory: borrowing OwnedDescriptor, permissions: UInt32)
    throws(SystemError)
{
    let result = unsafe withCString(name) { unsafe mkdirat(directory.raw, $0, permissions) }
    try checkErrno(result, "create directory", shown(name))
}

/// Makes a symbolic link.
package func makeSymbolicLink(entry name: [UInt8], in directory: borrowing OwnedDescriptor, to target: [UInt8])
    throws(SystemError)
{
    let result = unsafe withCString(name) { name in
        unsafe withCString(target) { unsafe symlinkat($0, directory.raw, name) }
    }
    try checkErrno(result, "create symbolic link", shown(name))
}

/// Where a symbolic link points.
package func readLink(entry name: [UInt8], in directory: borrowing OwnedDescriptor) throws(SystemError) -> [UInt8] {
    var buffer = [CChar](repeating: 0, count: 4097)
    let count = unsafe withCString(name) { unsafe readlinkat(directory.raw, $0, &buffer, buffer.count) }
    try checkErrno(count, "read link", shown(name))
    return buffer.prefix(count).map(UInt8.init(bitPattern:))
}

/// Gives a file that is open (also by a handle) or named elsewhere another name.
package func makeLink(
    entry name: [UInt8], in directory: borrowing OwnedDescriptor, to old: [UInt8],
    in oldDirectory: borrowing OwnedDescriptor
) throws(SystemError) {
    let result = unsafe withCString(name) { name in
        unsafe withCString(old) { unsafe linkat(oldDirectory.raw, $0, directory.raw, name, 0) }
    }
    try checkErrno(result, "create link", shown(name))
}

/// Moves an entry to a name that must be free.
package func moveEntry(
    _ old: [UInt8], in oldDirectory: borrowing OwnedDescriptor, to name: [UInt8],
    in directory: borrowing OwnedDescriptor
) throws(SystemError) {
    let result = unsafe withCString(name) { name in
        unsafe withCString(old) {
            unsafe clinux_renameat2(oldDirectory.raw, $0, directory.raw, name, 1 /* RENAME_NOREPLACE */)
        }
    }
    try check(result, "rename to `\(shown(name))`", shown(old))
}

/// Removes an entry that is no directory.
package func removeEntry(_ name: [UInt8], in directory: borrowing OwnedDescriptor) throws(SystemError) {
    let result = unsafe withCString(name) { unsafe unlinkat(directory.raw, $0, 0) }
    try checkErrno(result, "remove", shown(name))
}

/// Makes a device node, fifo or socket.
package func makeNode(
    entry name: [UInt8], in directory: borrowing OwnedDescriptor, kind: FileStatus.Kind, mode: UInt32, major: UInt32,
    minor: UInt32
) throws(SystemError) {
    let result = unsafe withCString(name) {
        unsafe clinux_mknodat(directory.raw, $0, kind.typeBits | mode, major, minor)
    }
    try check(result, "create device", shown(name))
}

/// Sets owner and group, of a symbolic link itself. Clears setuid and setgid: set the mode afterwards.
package func setOwner(_ uid: UInt32, _ gid: UInt32, entry name: [UInt8], in directory: borrowing OwnedDescriptor)
    throws(SystemError)
{
    let result = unsafe withCString(name) { unsafe fchownat(directory.raw, $0, uid, gid, AT_SYMLINK_NOFOLLOW) }
    try checkErrno(result, "set the owner of", shown(name))
}

/// Sets the permission bits of an entry that is no symbolic link.
package func setMode(_ mode: UInt16, entry name: [UInt8], in directory: borrowing OwnedDescriptor) throws(SystemError) {
    let result = unsafe withCString(name) { unsafe fchmodat(directory.raw, $0, UInt32(mode), 0) }
    try checkErrno(result, "set the mode of", shown(name))
}

/// Sets modification and access time, of a symbolic link itself.
package func setTime(
    _ seconds: Int64, _ nanoseconds: UInt32, entry name: [UInt8], in directory: borrowing OwnedDescriptor
) throws(SystemError) {
    let result = unsafe withCString(name) { unsafe clinux_utimensat(directory.raw, $0, seconds, nanoseconds) }
    try check(result, "set the time of", shown(name))
}

/// The path by which calls that take no directory reach an entry.
private func reachable(_ name: [UInt8], _ directory: borrowing OwnedDescriptor) -> [UInt8] {
    Array("/proc/self/fd/\(directory.raw)/".utf8) + name
}

/// Sets an extended attribute, of a symbolic link itself.
package func setAttribute(
    _ attribute: String, _ value: [UInt8], entry name: [UInt8], in directory: borrowing OwnedDescriptor
) throws(SystemError) {
    let result = unsafe withCString(reachable(name, directory)) { path in
        unsafe value.withUnsafeBytes { unsafe clinux_setxattr(path, attribute, $0.baseAddress, $0.count) }
    }
    try check(result, "set attribute `\(attribute)` of", shown(name))
}

/// All extended attributes of an entry, of a symbolic link itself.
package func attributes(entry name: [UInt8], in directory: borrowing OwnedDescriptor) throws(SystemError)
    -> [String: [UInt8]]
{
    let path = reachable(name, directory)
    guard let list = unsafe try growing("list attributes of", name, { unsafe attributeList(path, $0) }) else {
        return [:]
    }
    var found: [String: [UInt8]] = [:]
    for attribute in list.split(separator: 0) {
        let attribute = shown(Array(attribute))
        let value = unsafe try growing("read attribute `\(attribute)` of", name) { buffer in
            unsafe withCString(path) { unsafe clinux_getxattr($0, attribute, buffer.baseAddress, buffer.count) }
        }
        // One that was removed meanwhile is no attribute any more.
        if let value { found[attribute] = value }
    }
    return found
}

private func attributeList(_ path: [UInt8], _ buffer: UnsafeMutableRawBufferPointer) -> Int {
    unsafe withCString(path) {
        unsafe clinux_listxattr($0, buffer.baseAddress?.assumingMemoryBound(to: CChar.self), buffer.count)
    }
}

/// Repeats a call with a larger buffer until what it gives fits; nil where there is nothing to give.
private func growing(_ operation: String, _ name: [UInt8], _ call: (UnsafeMutableRawBufferPointer) -> Int)
    throws(SystemError) -> [UInt8]?
{
    var size = 256
    while true {
        var buffer = [UInt8](repeating: 0, count: size)
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe call($0) }
        if count == -ENODATA || count == -EOPNOTSUPP { return nil }
        if count == -ERANGE, size < 1 << 20 {
            size *= 8
            continue
        }
        try check(count, operation, shown(name))
        return Array(buffer.prefix(count))
    }
}

/// Makes a file this long; what was never written reads as zeros and takes no space.
package func setLength(_ length: Int64, of file: borrowing OwnedDescriptor, _ subject: String) throws(SystemError) {
    try checkErrno(ftruncate(file.raw, off_t(length)), "set the length of", subject)
}

/// The next run of a file that holds data, from an offset on; nil where only holes follow.
package func nextData(in file: borrowing OwnedDescriptor, from offset: Int64, _ subject: String) throws(SystemError)
    -> Range<Int64>?
{
    let start = lseek(file.raw, off_t(offset), 3 /* SEEK_DATA */)
    if start < 0, errno == ENXIO { return nil }
    try checkErrno(start, "look for data in", subject)
    let end = try checkErrno(lseek(file.raw, start, 4 /* SEEK_HOLE */), "look for holes in", subject)
    return Int64(start)..<Int64(end)
}

/// Sets an extended attribute of what a path leads to.
package func setAttributeFollowing(_ attribute: String, _ value: [UInt8], of path: String) throws(SystemError) {
    let result = unsafe value.withUnsafeBytes {
        unsafe clinux_setxattr_following(path, attribute, $0.baseAddress, $0.count)
    }
    try check(result, "set attribute `\(attribute)` of", path)
}

/// Sets the permission bits of an open file.
package func setMode(_ mode: UInt16, of file: borrowing OwnedDescriptor, _ subject: String) throws(SystemError) {
    try checkErrno(fchmod(file.raw, UInt32(mode)), "set the mode of", subject)
}

/// Sets modification and access time of an open file.
package func setTime(_ seconds: Int64, _ nanoseconds: UInt32, of file: borrowing OwnedDescriptor, _ subject: String)
    throws(SystemError)
{
    try check(clinux_futimens(file.raw, seconds, nanoseconds), "set the time of", subject)
}

/// Removes an entry with everything in it.
package func removeTree(entry name: [UInt8], in directory: borrowing OwnedDescriptor) throws(SystemError) {
    try removeEntry(name, in: directory, depth: 0)
}
