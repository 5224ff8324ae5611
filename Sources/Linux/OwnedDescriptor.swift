import CLinux
import Glibc

/// A file descriptor with one owner: it closes when the owner lets go of it.
package struct OwnedDescriptor: ~Copyable, Sendable {
    /// The number, for calls; stays owned here.
    package let raw: Int32

    /// Takes over a descriptor.
    package init(owning raw: Int32) { self.raw = raw }

    deinit { _ = Glibc.close(raw) }

    /// Closes, telling what a late write error says.
    package consuming func close(_ subject: String = "file") throws(SystemError) {
        let raw = raw
        discard self
        try checkErrno(Glibc.close(raw), "close", subject)
    }

    /// Gives the descriptor away.
    package consuming func release() -> Int32 {
        let raw = raw
        discard self
        return raw
    }
}

/// How to open a file.
package enum OpenMode: Sendable {
    case read
    /// Read without waiting, neither for a fifo's writer nor for data.
    case readAtOnce
    /// Create or truncate.
    case write
    /// Create, fail where it exists.
    case createNew
    /// Read and write, create where missing, keep what is there.
    case update
    case directory
    /// Write to what is there, without waiting for a reader of a fifo.
    case writeOnly
    /// A handle only (`O_PATH`).
    case handle

    var flags: Int32 {
        switch self {
        case .read: O_RDONLY
        case .readAtOnce: O_RDONLY | O_NONBLOCK
        case .write: O_WRONLY | O_CREAT | O_TRUNC
        case .createNew: O_RDWR | O_CREAT | O_EXCL
        case .update: O_RDWR | O_CREAT
        case .directory: O_RDONLY | O_DIRECTORY
        case .writeOnly: O_WRONLY | O_NONBLOCK
        case .handle: 0o10000000  // O_PATH
        }
    }
}

/// Opens a path; relative ones from the working directory.
package func open(_ path: String, _ mode: OpenMode, permissions: UInt32 = 0o644) throws(SystemError) -> OwnedDescriptor
{
    unsafe OwnedDescriptor(owning: try check(clinux_open(AT_FDCWD, path, mode.flags, permissions), "open", path))
}

/// Opens a path below a directory, following symbolic links only inside that directory (`RESOLVE_IN_ROOT`).
package func open(
    _ path: String, _ mode: OpenMode, inside root: borrowing OwnedDescriptor, noFollow: Bool = false,
    permissions: UInt32 = 0o644
) throws(SystemError) -> OwnedDescriptor {
    let flags = UInt64(mode.flags | (noFollow ? O_NOFOLLOW : 0))
    let creates = mode.flags & O_CREAT != 0
    let resolve: UInt64 = 0x10 | 0x02  // RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS
    while true {
        let result = unsafe clinux_openat2(root.raw, path, flags, creates ? UInt64(permissions) : 0, resolve)
        // The kernel asks to try again when a rename raced with the walk.
        if result == -EAGAIN { continue }
        return OwnedDescriptor(owning: try check(result, "open", path))
    }
}

/// Writes all bytes, at the descriptor's own position.
package func writeAll(_ bytes: UnsafeRawBufferPointer, to fd: Int32, _ subject: String = "output") throws(SystemError) {
    var rest = unsafe bytes
    while unsafe !rest.isEmpty {
        let count = unsafe Glibc.write(fd, rest.baseAddress, rest.count)
        if count < 0, errno == EINTR { continue }
        try checkErrno(count, "write", subject)
        unsafe rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
}

/// Writes all bytes, at the descriptor's own position.
package func writeAll(_ bytes: [UInt8], to fd: Int32, _ subject: String = "output") throws(SystemError) {
    let error: SystemError? = unsafe bytes.withUnsafeBytes { buffer in
        do throws(SystemError) { try unsafe writeAll(buffer, to: fd, subject) } catch { return error }
        return nil
    }
    if let error { throw error }
}

/// Writes all bytes at an offset.
package func pwriteAll(
    _ bytes: UnsafeRawBufferPointer, to fd: Int32, at offset: Int64, _ subject: String
) throws(SystemError) {
    var rest = unsafe bytes
    var offset = offset
    while unsafe !rest.isEmpty {
        let count = unsafe Glibc.pwrite(fd, rest.baseAddress, rest.count, off_t(offset))
        if count < 0, errno == EINTR { continue }
        try checkErrno(count, "write", subject)
        offset += Int64(count)
        unsafe rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
}

/// Reads up to a number of bytes; empty at the end.
package func readSome(from fd: Int32, upTo count: Int, _ subject: String = "input") throws(SystemError) -> [UInt8] {
    var failure: SystemError?
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, used in
        while true {
            let result = unsafe Glibc.read(fd, buffer.baseAddress, count)
            if result < 0, errno == EINTR { continue }
            if result < 0 { failure = SystemError(errno: errno, operation: "read", subject: subject) }
            used = max(result, 0)
            return
        }
    }
    if let failure { throw failure }
    return bytes
}

/// Reads into a buffer from an offset until it is full or the file ends.
///
/// - Returns: the number of bytes read.
package func preadFull(
    from fd: Int32, at offset: Int64, into buffer: UnsafeMutableRawBufferPointer, _ subject: String
) throws(SystemError) -> Int {
    var done = 0
    while done < buffer.count {
        let count = unsafe Glibc.pread(
            fd, buffer.baseAddress.map { unsafe $0 + done }, buffer.count - done, off_t(offset) + off_t(done))
        if count < 0, errno == EINTR { continue }
        try checkErrno(count, "read", subject)
        if count == 0 { break }
        done += count
    }
    return done
}

/// Reads a whole small file.
package func readFile(_ path: String, limit: Int) throws(SystemError) -> [UInt8] {
    let file = try open(path, .read)
    var bytes: [UInt8] = []
    while true {
        let chunk = try readSome(from: file.raw, upTo: 64 << 10, path)
        if chunk.isEmpty { return bytes }
        bytes += chunk
        if bytes.count > limit { throw SystemError(errno: EFBIG, operation: "read", subject: path) }
    }
}
