import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import OCI

/// A server's answer: its head, and a body that is still to be read.
struct Answer: Sendable {
    enum Body: Sendable {
        case stream(HTTPClientResponse.Body)
        case bytes([UInt8])
    }

    /// How much of a failure's body is read, in bytes.
    static let errorBodyLimit = 64 << 10
    /// How much of any JSON answer is read, in bytes.
    static let jsonLimit = 4 << 20

    var status: Int
    var headers: HTTPHeaders
    var body: Body
    var method: HTTPMethod
    /// Where the answer came from, after redirects.
    var address: WebAddress

    var contentLength: Int64? {
        headers.first(name: "Content-Length").flatMap { Int64($0) }.flatMap { $0 < 0 ? nil : $0 }
    }

    /// The whole body.
    ///
    /// - Parameter limit: the most bytes it may have.
    func bytes(limit: Int) async throws -> [UInt8] {
        switch body {
        case .bytes(let bytes): return bytes
        case .stream(let stream):
            var bytes: [UInt8] = []
            if let length = contentLength, method != .HEAD {
                if length > limit { throw tooLarge(limit) }
                bytes.reserveCapacity(Int(length))
            }
            do {
                for try await buffer in stream {
                    if bytes.count + buffer.readableBytes > limit { throw tooLarge(limit) }
                    bytes += buffer.readableBytesView
                }
            } catch let error as RegistryError {
                throw error
            } catch {
                throw TransportFailure.classify(error, method: method, address: address)
            }
            try Task.checkCancellation()
            return bytes
        }
    }

    private func tooLarge(_ limit: Int) -> RegistryError {
        RegistryError(
            .invalidAnswer, "the answer is larger than the limit of \(limit) bytes", method: method.rawValue,
            url: address.redacted, status: status)
    }

    /// Reads a small body to its end, so that the connection can serve again; a larger one closes it.
    func drain() async throws {
        guard method != .HEAD, case .stream(let stream) = body, (contentLength ?? 0) <= Self.errorBodyLimit else {
            return
        }
        var count = 0
        do {
            for try await buffer in stream {
                count += buffer.readableBytes
                if count > Self.errorBodyLimit { return }
            }
        } catch {
            try Task.checkCancellation()  // otherwise: whatever broke here, the answer's head stands
        }
    }

    /// The same answer with as much of its body in memory as an error needs.
    func buffered() async throws -> Answer {
        guard case .stream(let stream) = body else { return self }
        var bytes: [UInt8] = []
        do {
            for try await buffer in stream {
                bytes += buffer.readableBytesView.prefix(Self.errorBodyLimit - bytes.count)
                if bytes.count >= Self.errorBodyLimit { break }
            }
        } catch {
            try Task.checkCancellation()
        }
        var answer = self
        answer.body = .bytes(bytes)
        return answer
    }

    /// The error that this answer is.
    func failure(_ subject: RequestSubject) async throws -> RegistryError {
        let bytes = try await buffered().bytes(limit: Self.errorBodyLimit)
        return RegistryError.from(
            status: status, headers: headers, body: bytes, method: method.rawValue, address: address, subject: subject)
    }

    /// An error about what this answer says.
    func invalid(_ message: String) -> RegistryError {
        RegistryError(.invalidAnswer, message, method: method.rawValue, url: address.redacted, status: status)
    }
}
