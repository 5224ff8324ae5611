import CLinux
import Glibc

/// An extended attribute's value on a path (of a symbolic link itself); nil where it is not set.
package func attribute(_ name: String, of path: String) throws(SystemError) -> [UInt8]? {
    var size = 256
    while true {
        var buffer = [UInt8](repeating: 0, count: size)
        let count = unsafe buffer.withUnsafeMutableBytes {
            unsafe clinux_getxattr(path, name, $0.baseAddress, $0.count)
        }
        if count == -ENODATA || count == -EOPNOTSUPP { return nil }
        if count == -ERANGE, size < 1 << 20 {
            size *= 4
            continue
        }
        try check(count, "read attribute `\(name)` of", path)
        return Array(buffer.prefix(count))
    }
}

/// The names of a path's extended attributes.
package func attributeNames(of path: String) throws(SystemError) -> [String] {
    var size = 1024
    while true {
        var buffer = [CChar](repeating: 0, count: size)
        let count = unsafe buffer.withUnsafeMutableBufferPointer {
            unsafe clinux_listxattr(path, $0.baseAddress, $0.count)
        }
        if count == -EOPNOTSUPP { return [] }
        if count == -ERANGE, size < 1 << 20 {
            size *= 4
            continue
        }
        try check(count, "list attributes of", path)
        return buffer.prefix(count).split(separator: 0).map {
            String(decoding: $0.map(UInt8.init(bitPattern:)), as: UTF8.self)
        }
    }
}

/// Sets an extended attribute on a path (on a symbolic link itself).
package func setAttribute(_ name: String, _ value: [UInt8], of path: String) throws(SystemError) {
    let result = unsafe value.withUnsafeBytes { unsafe clinux_setxattr(path, name, $0.baseAddress, $0.count) }
    try check(result, "set attribute `\(name)` of", path)
}

/// Sets modification and access time, of a symbolic link itself.
package func setTime(_ seconds: Int64, _ nanoseconds: UInt32, of path: String, in directory: Int32 = AT_FDCWD)
    throws(SystemError)
{
    try unsafe check(clinux_utimensat(directory, path, seconds, nanoseconds), "set the time of", path)
}

/// Makes a device node, fifo or socket.
package func makeNode(
    _ path: String, in directory: Int32 = AT_FDCWD, kind: FileStatus.Kind, mode: UInt32, major: UInt32, minor: UInt32
) throws(SystemError) {
    try unsafe check(clinux_mknodat(directory, path, kind.typeBits | mode, major, minor), "create device", path)
}
