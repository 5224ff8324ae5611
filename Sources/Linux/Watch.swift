import CLinux
import Glibc

/// Waits for changes of files without asking again and again.
package struct FileWatch: ~Copyable, Sendable {
    package struct Events: OptionSet, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }
        package static let written = Events(rawValue: 0x2)
        package static let closed = Events(rawValue: 0x8)
        package static let appeared = Events(rawValue: 0x80 | 0x100)
        package static let vanished = Events(rawValue: 0x40 | 0x200 | 0x400)
    }

    private let descriptor: OwnedDescriptor

    package init() throws(SystemError) {
        descriptor = OwnedDescriptor(owning: try check(clinux_inotify(), "create", "watch"))
    }

    /// Readable when something happened.
    package var raw: Int32 { descriptor.raw }

    package borrowing func add(_ path: String, _ events: Events) throws(SystemError) {
        try unsafe check(clinux_inotify_add(descriptor.raw, path, events.rawValue), "watch", path)
    }

    /// Drops what is known to have happened. Call when `raw` is readable.
    package borrowing func drain() throws(SystemError) {
        _ = try readSome(from: descriptor.raw, upTo: 64 << 10, "watch")
    }
}

/// Waits until one of the descriptors is readable (or ended), or the time is over.
///
/// - Parameter milliseconds: -1 waits for ever.
/// - Returns: for each descriptor whether it is readable. Negative descriptors never are.
package func waitReadable(_ descriptors: [Int32], milliseconds: Int32 = -1) throws(SystemError) -> [Bool] {
    var files = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    let count = unsafe poll(&files, UInt(files.count), milliseconds)
    if count < 0, errno != EINTR { throw SystemError(errno: errno, operation: "wait for", subject: "events") }
    return files.map { count > 0 && $0.revents != 0 }
}

/// What to wait for on a descriptor, and then what happened.
package struct Readiness: Sendable {
    package var descriptor: Int32
    package var waitsForSpace: Bool
    package var readable = false
    package var writable = false

    /// - Parameter descriptor: negative: nothing happens.
    package init(_ descriptor: Int32, writable: Bool = false) {
        self.descriptor = descriptor
        waitsForSpace = writable
    }
}

/// Waits until something can be read, or where asked for written. Blocks the thread.
package func waitFor(_ wanted: [Readiness]) throws(SystemError) -> [Readiness] {
    var files = wanted.map {
        pollfd(fd: $0.descriptor, events: Int16($0.waitsForSpace ? POLLIN | POLLOUT : POLLIN), revents: 0)
    }
    let count = unsafe poll(&files, UInt(files.count), -1)
    if count < 0, errno != EINTR { throw SystemError(errno: errno, operation: "wait for", subject: "events") }
    var result = wanted
    for index in files.indices where count > 0 {
        let events = Int32(files[index].revents)
        result[index].readable = events & ~POLLOUT != 0
        result[index].writable = events & POLLOUT != 0
    }
    return result
}
