import Glibc
import Linux
import Synchronization

/// A receiver of webhooks that answers what a test says and keeps what came.
package final class WebhookReceiver: Sendable {
    package struct Request: Sendable {
        package var headers: [String: String]
        package var body: [UInt8]
    }

    private struct State {
        var requests: [Request] = []
        var statuses: [Int] = []
        var isOpen = true
    }

    package let port: Int
    private let socket: Int32
    private let state = Mutex(State())

    /// - Parameter statuses: of the first answers; 200 after those.
    package init(port: Int, statuses: [Int] = []) throws {
        self.port = port
        let listener = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var yes: Int32 = 1
        unsafe setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if result != 0 || listen(listener, 16) != 0 {
            throw StrataProcess.Failure(description: "no port: error \(errno)")
        }
        state.withLock { $0.statuses = statuses }
        socket = listener
        try startThread(named: "receiver") { [weak self] in
            while true {
                let connection = accept(listener, nil, nil)
                if connection < 0 { return }
                guard let self else {
                    Glibc.close(connection)
                    return
                }
                self.serve(connection)
                Glibc.close(connection)
            }
        }
    }

    package func close() {
        shutdown(socket, Int32(SHUT_RDWR))
        Glibc.close(socket)
    }

    package var requests: [Request] { state.withLock { $0.requests } }

    private func serve(_ connection: Int32) {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = unsafe recv(connection, &buffer, buffer.count, 0)
            if count <= 0 { return }
            bytes += buffer[..<count]
            guard let end = String(decoding: bytes, as: UTF8.self).firstRange(of: "\r\n\r\n") else { continue }
            let text = String(decoding: bytes, as: UTF8.self)
            var headers: [String: String] = [:]
            for line in text[..<end.lowerBound].split(separator: "\r\n").dropFirst() {
                let parts = line.split(separator: ":", maxSplits: 1)
                headers[parts[0].lowercased()] = String(parts[1].drop { $0 == " " })
            }
            let body = Array(text[end.upperBound...].utf8)
            guard body.count >= Int(headers["content-length"] ?? "0") ?? 0 else { continue }
            let status = state.withLock { state in
                state.requests.append(Request(headers: headers, body: body))
                return state.statuses.isEmpty ? 200 : state.statuses.removeFirst()
            }
            let answer = Array("HTTP/1.1 \(status) x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".utf8)
            _ = unsafe answer.withUnsafeBytes {
                unsafe send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            return
        }
    }
}
