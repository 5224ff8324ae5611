import Glibc
import Linux

/// An HTTP/1.1 client that sends exactly what a test says, right or wrong: one connection a request, to 127.0.0.1.
package struct WireClient: Sendable {
    package struct Answer: Sendable, CustomStringConvertible {
        package var status: Int
        package var headers: [(name: String, value: String)]
        package var body: [UInt8]

        /// The first value of a header, whatever its case.
        package subscript(name: String) -> String? { all(name).first }

        /// All values of a header.
        package func all(_ name: String) -> [String] {
            headers.filter { $0.name.lowercased() == name.lowercased() }.map(\.value)
        }

        package var text: String { String(decoding: body, as: UTF8.self) }
        package var description: String { "\(status) \(headers.map { "\($0.name): \($0.value)" }) \(text.prefix(400))" }
    }

    package struct Failure: Error, CustomStringConvertible {
        package var description: String
    }

    package let port: Int
    /// Sent with every request.
    package var headers: [String: String] = [:]
    /// Whether an answer ends with its connection. A server that keeps connections open whatever it is told (chromedriver) is
    /// read up to the announced length.
    package var readsToEnd = true

    package init(port: Int) { self.port = port }

    /// Sends a request and reads its answer.
    ///
    /// - Parameters:
    ///   - headers: beside `Host` and `Content-Length`; a `Content-Length` or `Transfer-Encoding` here replaces ours.
    ///   - body: sent as it is.
    ///   - cut: send only so many bytes of the body, then break off.
    package func send(
        _ method: String, _ target: String, headers: [String: String] = [:], body: [UInt8]? = nil, cut: Int? = nil
    ) async throws -> Answer {
        var lines = ["\(method) \(target) HTTP/1.1", "Host: 127.0.0.1:\(port)", "Connection: close"]
        let all = self.headers.merging(headers) { $1 }
        let own = Set(all.keys.map { $0.lowercased() })
        if let body, !own.contains("content-length"), !own.contains("transfer-encoding") {
            lines.append("Content-Length: \(body.count)")
        }
        lines += all.map { "\($0.key): \($0.value)" }
        let head = Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
        let payload = Array((body ?? []).prefix(cut ?? .max))
        return try await onThread(named: "wire") { [port, readsToEnd] in
            try Self.exchange(
                port, head, payload, isHead: method == "HEAD", breakOff: cut != nil, readsToEnd: readsToEnd)
        }
    }

    private static func exchange(
        _ port: Int, _ head: [UInt8], _ body: [UInt8], isHead: Bool, breakOff: Bool, readsToEnd: Bool
    )
        throws -> Answer
    {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        if socket < 0 { throw Failure(description: "no socket: error \(errno)") }
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        let connected = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if connected != 0 { throw Failure(description: "cannot connect to port \(port): error \(errno)") }
        try write(socket, head)
        // A server that refuses may close before it read everything: its answer is what counts.
        try? write(socket, body)
        if breakOff { return Answer(status: 0, headers: [], body: []) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = unsafe recv(socket, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            if count <= 0 { break }
            bytes += buffer[..<count]
            if !readsToEnd, isWhole(bytes) { break }
        }
        return try parse(bytes, isHead: isHead)
    }

    /// Whether the bytes that were announced are there.
    private static func isWhole(_ bytes: [UInt8]) -> Bool {
        guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8))?.upperBound else { return false }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).lowercased().split(separator: "\r\n")
        let length = lines.first { $0.hasPrefix("content-length:") }.flatMap {
            Int($0.dropFirst(15).filter(\.isNumber))
        }
        return length.map { bytes.count - end >= $0 } ?? false
    }

    private static func write(_ socket: Int32, _ bytes: [UInt8]) throws {
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

    private static func parse(_ bytes: [UInt8], isHead: Bool) throws -> Answer {
        var rest = bytes[...]
        while true {
            guard let end = rest.indices.first(where: { rest[$0...].starts(with: Array("\r\n\r\n".utf8)) }) else {
                throw Failure(description: "no answer: `\(String(decoding: bytes.prefix(200), as: UTF8.self))`")
            }
            let lines = String(decoding: rest[..<end], as: UTF8.self).split(separator: "\r\n")
            let status = Int(lines[0].split(separator: " ")[1]) ?? 0
            rest = rest[(end + 4)...]
            if status == 100 { continue }
            let headers = lines.dropFirst().map { line -> (name: String, value: String) in
                let parts = line.split(separator: ":", maxSplits: 1)
                return (String(parts[0]), parts.count > 1 ? String(parts[1].drop { $0 == " " }) : "")
            }
            let answer = Answer(status: status, headers: headers, body: Array(rest))
            if !isHead, let length = answer["Content-Length"].flatMap({ Int($0) }), length != answer.body.count {
                throw Failure(description: "the body has \(answer.body.count) of \(length) bytes")
            }
            return answer
        }
    }
}
