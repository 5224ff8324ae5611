import Glibc

/// An HTTP/1.1 connection to 127.0.0.1 that is kept, used by one blocking thread at a time: what many busy clients are made of.
///
/// Where the server is in this process, wait for answers in `onThread` only: the cooperative pool is the server's too.
package final class WireSession: @unchecked Sendable {
    // Proof of Sendable: a test hands a session from one thread to the next and never uses it in two.
    package typealias Answer = WireClient.Answer
    package typealias Failure = WireClient.Failure

    private let port: Int
    private var socket: Int32 = -1
    private var buffer = [UInt8](repeating: 0, count: 64 << 10)
    private var pending: ArraySlice<UInt8> = []

    package init(port: Int) { self.port = port }

    deinit { close() }

    package func close() {
        if socket >= 0 { Glibc.close(socket) }
        socket = -1
        pending = []
    }

    /// Connects, where that was not done.
    package func connect() throws {
        if socket >= 0 { return }
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        if socket < 0 { throw Failure(description: "no socket: error \(errno)") }
        // No test waits for ever for an answer.
        var limit = timeval(tv_sec: 120, tv_usec: 0)
        unsafe setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        unsafe setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        let connected = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if connected != 0 {
            let code = errno
            close()
            throw Failure(description: "cannot connect to port \(port): error \(code)")
        }
    }

    /// Sends bytes as they are.
    package func write(_ bytes: [UInt8]) throws {
        try connect()
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes {
                unsafe Glibc.send(socket, $0.baseAddress, $0.count, Int32(truncatingIfNeeded: MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            if count < 0 { throw Failure(description: "cannot send: error \(errno)") }
            rest = rest.dropFirst(count)
        }
    }

    /// Sends a request and reads its answer, of which a body has a `Content-Length`.
    package func send(
        _ method: String, _ target: String, headers: [String: String] = [:], body: [UInt8]? = nil
    ) throws -> Answer {
        var lines = ["\(method) \(target) HTTP/1.1", "Host: 127.0.0.1:\(port)"]
        if let body { lines.append("Content-Length: \(body.count)") }
        lines += headers.map { "\($0.key): \($0.value)" }
        try write(Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + (body ?? []))
        return try answer(isHead: method == "HEAD")
    }

    /// The next answer.
    package func answer(isHead: Bool = false) throws -> Answer {
        var head = try line()
        var status = 0
        var headers: [(name: String, value: String)] = []
        while true {
            status = Int(head.split(separator: " ").dropFirst().first ?? "") ?? 0
            headers = []
            while true {
                let text = try line()
                if text.isEmpty { break }
                let parts = text.split(separator: ":", maxSplits: 1)
                headers.append((String(parts[0]), parts.count > 1 ? String(parts[1].drop { $0 == " " }) : ""))
            }
            if status != 100 { break }
            head = try line()
        }
        var answer = Answer(status: status, headers: headers, body: [])
        let length = isHead || status == 204 || status == 304 ? 0 : answer["Content-Length"].flatMap { Int($0) } ?? 0
        answer.body = try take(length)
        if answer["Connection"]?.lowercased() == "close" { close() }
        return answer
    }

    /// Reads until the other side closes; how many bytes came.
    package func readToEnd() throws -> Int {
        var count = pending.count
        pending = []
        while try fill() {
            count += pending.count
            pending = []
        }
        return count
    }

    /// - Returns: false at the end.
    private func fill() throws -> Bool {
        while true {
            let count = unsafe recv(socket, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            // A connection that is cut is at its end too.
            if count == 0 || (count < 0 && errno == ECONNRESET) { return false }
            if count < 0 { throw Failure(description: "no answer: error \(errno)") }
            pending += buffer[..<count]
            return true
        }
    }

    private func line() throws -> String {
        while true {
            if let end = pending.firstIndex(of: 10) {
                let text = String(decoding: pending[..<end], as: UTF8.self)
                pending = pending[(end + 1)...]
                return text.hasSuffix("\r") ? String(text.dropLast()) : text
            }
            guard try fill() else {
                close()
                throw Failure(description: "the connection ended before an answer")
            }
        }
    }

    private func take(_ count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        while bytes.count < count {
            if pending.isEmpty, try !fill() {
                close()
                throw Failure(description: "the body ended after \(bytes.count) of \(count) bytes")
            }
            let part = pending.prefix(count - bytes.count)
            bytes += part
            pending = pending.dropFirst(part.count)
        }
        return bytes
    }
}
