import Content
import NIOCore
import NIOHTTP1
import OCI
import Synchronization

/// One blob's way into a repository (distribution-spec "Pushing blobs"): a mount, one PUT for a small blob, else PATCH
/// requests and a closing PUT. After a failure the registry is asked how far it came, and the rest is sent.
struct BlobUpload {
    /// Up to this size, in bytes, one request carries the blob and closes the upload.
    private static let monolithicLimit: Int64 = 4 << 20
    private static let mountTries = 3

    let client: RegistryClient
    let endpoint: Endpoint
    let descriptor: Descriptor
    let source: any BlobSource
    let onRetry: (@Sendable (Int, String) -> Void)?

    private struct Session: Sendable {
        var location: WebAddress
        /// Bytes that the registry has.
        var confirmed: Int64 = 0
        /// The least that the registry wants in a request, in bytes.
        var leastChunk: Int64 = 0
    }

    private enum Opened {
        case mounted(Reference)
        case session(Session)
    }

    init(
        client: RegistryClient, endpoint: Endpoint, descriptor: Descriptor, source: any BlobSource,
        onRetry: (@Sendable (Int, String) -> Void)?
    ) {
        self.client = client
        self.endpoint = endpoint
        self.descriptor = descriptor
        self.source = source
        self.onRetry = onRetry
    }

    mutating func run(mountFrom candidates: [Reference], progress: @Sendable (Int64) -> Void) async throws
        -> PushOutcome
    {
        var session: Session
        switch try await open(mountFrom: candidates) {
        case .mounted(let repository): return .mounted(from: repository)
        case .session(let opened): session = opened
        }
        var retry = Retry(client.configuration, onRetry: onRetry)
        var hasRenewedToken = false
        var reported: Int64 = 0
        while true {
            let before = session.confirmed
            do {
                try await send(&session) { position in
                    if position > reported {
                        progress(position - reported)
                        reported = position
                    }
                }
                if descriptor.size > reported { progress(descriptor.size - reported) }
                return .uploaded
            } catch let error as RegistryError {
                if session.confirmed > before { retry.progressed() }
                // A token may end during a long upload; the answer to the 401 has brought a new one.
                if error.code == .unauthorized, !hasRenewedToken {
                    hasRenewedToken = true
                } else if error.status == 416 || error.status == 404 {
                    var again = error
                    again.isTransient = true
                    try await retry.wait(after: again)
                } else {
                    try await retry.wait(after: error)
                }
            }
            session = try await resumed(session)
        }
    }

    // MARK: Opening

    private func open(mountFrom candidates: [Reference]) async throws -> Opened {
        let tries = candidates.prefix(Self.mountTries)
        for (index, candidate) in tries.enumerated() {
            let call = Requester.Call(
                method: .POST,
                target: .path("blobs/uploads/", query: [("mount", "\(descriptor.digest)"), ("from", candidate.path)]),
                action: .pullPush, alsoPull: [candidate.path])
            let answer = try await request(call)
            if answer.status == 201 {
                try await answer.drain()
                return .mounted(candidate.untagged)
            }
            // 202: no mount, but an upload was opened. Anything else: no right to read there; a plain upload may go.
            guard answer.status == 202 else { continue }
            try await answer.drain()
            let session = try session(of: answer)
            if index == tries.count - 1 { return .session(session) }
            _ = try? await client.requester.send(
                Requester.Call(method: .DELETE, target: .address(session.location), action: .pullPush), to: endpoint)
        }
        return .session(try await begin())
    }

    private func begin() async throws -> Session {
        let answer = try await request(
            Requester.Call(method: .POST, target: .path("blobs/uploads/"), action: .pullPush))
        guard answer.status == 202 else { throw try await answer.failure(.repository) }
        try await answer.drain()
        return try session(of: answer)
    }

    /// A request that may be repeated.
    private func request(_ call: Requester.Call) async throws -> Answer {
        try await Retry.run(client.configuration, onRetry: onRetry) {
            let answer = try await client.requester.send(call, to: endpoint)
            if answer.status == 408 || answer.status == 429 || answer.status >= 500 {
                throw try await answer.failure(.repository)
            }
            return answer
        }
    }

    private func session(of answer: Answer) throws -> Session {
        var session = Session(location: try location(of: answer))
        session.leastChunk = answer.headers.first(name: "OCI-Chunk-Min-Length").flatMap(ContentRange.number) ?? 0
        return session
    }

    private func location(of answer: Answer) throws -> WebAddress {
        guard let text = answer.headers.first(name: "Location"), let location = answer.address.resolving(text) else {
            throw answer.invalid("the registry gave no usable upload location")
        }
        if answer.address.origin.scheme == .https, location.origin.scheme == .http {
            // Registries behind a proxy that ends TLS often name themselves with http.
            guard location.origin.host == answer.address.origin.host else {
                throw answer.invalid("refused to upload over http to a registry that is served over https")
            }
            return WebAddress(origin: answer.address.origin, path: location.path, query: location.query)
        }
        return location
    }

    // MARK: Sending

    private func send(_ session: inout Session, advanced: (Int64) -> Void) async throws {
        let isMonolithic = session.confirmed == 0 && descriptor.size <= Self.monolithicLimit
        if isMonolithic {
            let bytes = try await read()
            try await finish(session, body: .bytes(ByteBuffer(bytes: bytes)))
            return
        }
        if session.confirmed < descriptor.size {
            let reader = try await source.open(descriptor, from: session.confirmed)
            defer { reader.cancel() }
            let feed = UploadFeed(reader: reader, position: session.confirmed, size: descriptor.size)
            while session.confirmed < descriptor.size {
                try await sendChunk(&session, feed: feed)
                advanced(session.confirmed)
            }
        }
        try await finish(session, body: .none)
    }

    /// A small blob, whole.
    private func read() async throws -> [UInt8] {
        let reader = try await source.open(descriptor, from: 0)
        var bytes: [UInt8] = []
        while let chunk = try await reader.next() {
            bytes += chunk
            if bytes.count > descriptor.size { break }
        }
        reader.cancel()
        if bytes.count != descriptor.size {
            throw BlobError.sizeMismatch(descriptor.digest, expected: descriptor.size, actual: Int64(bytes.count))
        }
        return bytes
    }

    private func sendChunk(_ session: inout Session, feed: UploadFeed) async throws {
        let left = descriptor.size - session.confirmed
        let most = max(client.configuration.uploadChunkBytes ?? left, session.leastChunk, 1)
        let count = min(left, most)
        let end = session.confirmed + count
        let call = Requester.Call(
            method: .PATCH, target: .address(session.location),
            headers: [
                "Content-Type": "application/octet-stream", "Content-Range": "\(session.confirmed)-\(end - 1)",
            ], body: .stream(UploadBody(feed: feed, length: count), length: count), action: .pullPush)
        let answer: Answer
        do {
            answer = try await client.requester.send(call, to: endpoint)
        } catch {
            if let failure = feed.failure { throw failure }  // the source's fault, not the registry's
            throw error
        }
        guard (200...204).contains(answer.status) else { throw try await answer.failure(.repository) }
        try await answer.drain()
        session.location = try location(of: answer)
        if let range = answer.headers.first(name: "Range").flatMap(Self.received), range != end {
            throw answer.invalid("the registry took \(range) of \(end) bytes")
        }
        session.confirmed = end
    }

    private func finish(_ session: Session, body: Transport.Body) async throws {
        let call = Requester.Call(
            method: .PUT, target: .address(session.location.adding([("digest", "\(descriptor.digest)")])),
            headers: ["Content-Type": "application/octet-stream"], body: body, action: .pullPush)
        let answer = try await client.requester.send(call, to: endpoint)
        guard answer.status == 201 || answer.status == 204 || answer.status == 202 else {
            throw try await answer.failure(.repository)
        }
        try await answer.drain()
        if let text = answer.headers.first(name: "Docker-Content-Digest"), let stored = try? Digest(parsing: text),
            stored.algorithm == descriptor.digest.algorithm, stored != descriptor.digest
        {
            throw answer.invalid("the registry stored the blob as \(stored), not \(descriptor.digest)")
        }
    }

    // MARK: Resuming

    /// Where to go on: the registry's word about the upload, or a new one where it has forgotten it.
    private func resumed(_ session: Session) async throws -> Session {
        let answer = try await request(
            Requester.Call(method: .GET, target: .address(session.location), action: .pullPush))
        guard answer.status == 204 || answer.status == 202 || answer.status == 200 else {
            if answer.status == 404 || answer.status == 405 || answer.status == 416 { return try await begin() }
            throw try await answer.failure(.repository)
        }
        try await answer.drain()
        var next = session
        if answer.headers.contains(name: "Location") { next.location = try location(of: answer) }
        // A registry that says nothing has nothing.
        next.confirmed = answer.headers.first(name: "Range").flatMap(Self.received) ?? 0
        if next.confirmed > descriptor.size { return try await begin() }
        return next
    }

    /// The bytes that `Range: 0-LAST` confirms. `0-0` is what registries say for none.
    private static func received(_ header: String) -> Int64? {
        var text = header[...]
        if text.hasPrefix("bytes=") { text = text.dropFirst(6) }
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, ContentRange.number(ends[0]) == 0, let last = ContentRange.number(ends[1]), last < .max
        else {
            return nil
        }
        return last == 0 ? 0 : last + 1
    }
}
