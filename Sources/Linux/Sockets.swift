import CLinux
import Glibc

/// How a Unix socket carries data.
package enum UnixSocketKind: Int32, Sendable {
    case stream = 1
    /// Messages that stay whole (`SOCK_SEQPACKET`).
    case packets = 5
}

/// Connects to a Unix socket in a directory, whose path may be longer than a socket's address.
package func connect(to name: String, in directory: String, _ kind: UnixSocketKind) throws(SystemError)
    -> OwnedDescriptor
{
    let folder = try open(directory, .handle)
    let path = "/proc/self/fd/\(folder.raw)/\(name)"
    return unsafe OwnedDescriptor(
        owning: try check(clinux_connect_unix(path, kind.rawValue), "connect to", "\(directory)/\(name)"))
}

/// Tells the other side that no more will be sent.
package func endSending(_ fd: Int32) { shutdown(fd, Int32(SHUT_WR)) }

/// Sends one message without waiting.
///
/// - Returns: false where the other side takes none now.
package func trySend(_ bytes: ArraySlice<UInt8>, to fd: Int32, _ subject: String) throws(SystemError) -> Bool {
    let count = unsafe bytes.withUnsafeBytes {
        unsafe send(fd, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
    }
    if count >= 0 { return true }
    if errno == EAGAIN || errno == EINTR { return false }
    throw SystemError(errno: errno, operation: "send to", subject: subject)
}

/// Binds a port without listening on it.
///
/// - Parameters:
///   - address: IPv4 or IPv6; empty is every IPv4 address.
///   - port: 0 is any free one.
///   - transport: `tcp`, `udp` or `sctp`.
///   - listening: takes connections, and as servers do it gets the port also where connections that ended a moment ago
///     still have it (`TIME_WAIT`).
package func bindPort(_ address: String, _ port: UInt16, transport: String, listening: Bool = false)
    throws(SystemError) -> OwnedDescriptor
{
    unsafe OwnedDescriptor(
        owning: try check(
            clinux_bind_port(address, port, transport, listening ? 1 : 0), "bind",
            "\(address):\(port)/\(transport)"))
}

/// The port that a socket is bound to.
package func boundPort(_ fd: Int32) -> UInt16 { UInt16(clamping: clinux_bound_port(fd)) }
