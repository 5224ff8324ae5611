import Hummingbird
import NIOCore

/// The body of a request, read at most once, and never trusted to be as long as announced.
final class RequestBodyReader {
    /// What the request announces; nil for a chunked body.
    let announced: Int64?
    /// Bytes read so far.
    private(set) var received: Int64 = 0
    private var iterator: RequestBody.AsyncIterator
    private var ended = false
    private var proceed: (() async throws -> Void)?

    /// - Parameter proceed: called before the first read, where the client waits for `100 Continue`.
    init(_ request: Request, proceed: (() async throws -> Void)?) {
        let chunked = request.headers[.transferEncoding] != nil
        announced = chunked ? nil : request.headers[.contentLength].flatMap { Int64($0) } ?? 0
        iterator = request.body.makeAsyncIterator()
        self.proceed = proceed
    }

    /// The next bytes; nil at the end.
    ///
    /// - Throws: `RegistryFailure` where the body ended before its announced length.
    func next() async throws -> ByteBuffer? {
        if ended { return nil }
        if let proceed {
            self.proceed = nil
            if announced != 0 { try await proceed() }
        }
        // One task reads a body: the copy is this call's alone until it is put back.
        nonisolated(unsafe) var iterator = self.iterator
        let next = unsafe try await iterator.next()
        unsafe self.iterator = iterator
        guard let buffer = next else {
            ended = true
            if let announced, received < announced {
                throw RegistryFailure(
                    .sizeInvalid, status: 400, "the body ended after \(received) of \(announced) bytes")
            }
            return nil
        }
        received += Int64(buffer.readableBytes)
        return buffer
    }

    /// The whole body, where it is small.
    func collect(limit: Int, tooLarge: @autoclosure () -> RegistryFailure) async throws -> [UInt8] {
        if let announced, announced > limit { throw tooLarge() }
        var bytes: [UInt8] = []
        while let buffer = try await next() {
            if bytes.count + buffer.readableBytes > limit { throw tooLarge() }
            bytes += buffer.readableBytesView
        }
        return bytes
    }

    /// Reads away what is left, up to a limit, so that the client sees the answer.
    ///
    /// - Returns: whether the end came, so that the connection can go on.
    func drain(limit: Int64) async throws -> Bool {
        // Who waits for `100 Continue` sends nothing now that the answer is another.
        if proceed != nil, announced != 0 { return false }
        let start = received
        while try await next() != nil { if received - start > limit { return false } }
        return true
    }
}
