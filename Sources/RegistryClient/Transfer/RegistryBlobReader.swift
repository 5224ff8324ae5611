import AsyncHTTPClient
import Content
import NIOCore
import NIOHTTP1
import OCI

/// Reads one blob; after a broken connection it goes on with a Range request where it stopped.
///
/// `@unchecked Sendable`: the contract of `BlobReader` is that one task at a time uses a reader.
final class RegistryBlobReader: BlobReader, @unchecked Sendable {
    private enum Place {
        case endpoint(Endpoint)
        /// A foreign layer's own URL: asked without credentials.
        case url(WebAddress)
    }

    private static let chunkLimit = 1 << 20
    private static let urlLimit = 8

    private let client: RegistryClient
    private let descriptor: Descriptor
    private var places: [Place]
    private var retry: Retry
    private var body: HTTPClientResponse.Body.AsyncIterator?
    private var address: WebAddress?
    /// Received, not yet given.
    private var rest = ByteBuffer()
    /// Where in the blob the next byte from the connection belongs.
    private var received: Int64 = 0
    /// Where in the blob the next byte for the consumer belongs.
    private var position: Int64 = 0
    private var isCancelled = false
    private var pass: Gate.Pass?
    private(set) var offset: Int64 = 0

    init(
        client: RegistryClient, endpoints: [Endpoint], descriptor: Descriptor,
        onRetry: (@Sendable (Int, String) -> Void)?
    ) {
        self.client = client
        var places = endpoints.map { Place.endpoint($0) }
        if descriptor.mediaType.isForeignLayer {
            places += (descriptor.urls ?? []).prefix(Self.urlLimit).compactMap {
                WebAddress(parsing: $0).map { .url($0) }
            }
        }
        self.places = places
        self.descriptor = descriptor
        retry = Retry(client.configuration, onRetry: onRetry)
    }

    func start(at wanted: Int64) async throws {
        offset = wanted
        position = wanted
        if wanted == descriptor.size { return }
        if descriptor.size > Self.chunkLimit { pass = try await client.downloads.enter() }
        while true {
            do {
                try await connect(at: wanted)
                break
            } catch { try await recover(error) }
        }
        // Without ranges the consumer gets the blob from its start, and skips what it has.
        offset = received
        position = received
    }

    func next() async throws -> [UInt8]? {
        if isCancelled { throw CancellationError() }
        while true {
            if rest.readableBytes > 0 {
                let count = min(rest.readableBytes, Self.chunkLimit)
                guard let chunk = rest.readBytes(length: count) else { return nil }
                position += Int64(count)
                return chunk
            }
            if position == descriptor.size {
                close()
                return nil
            }
            do { try await fill() } catch { try await recover(error) }
        }
    }

    func cancel() {
        isCancelled = true
        close()
    }

    private func close() {
        body = nil
        pass = nil
        rest = ByteBuffer()
    }

    /// Takes the next buffer from the connection, opening one where there is none.
    private func fill() async throws {
        if body == nil { try await connect(at: position) }
        guard var iterator = body else { return }
        body = nil
        let buffer: ByteBuffer?
        do {
            buffer = try await iterator.next()
        } catch {
            throw TransportFailure.classify(error, method: .GET, address: address ?? Self.nowhere)
        }
        guard var buffer else {
            try Task.checkCancellation()
            // A body that ends properly, but early, will not get longer by asking again.
            throw BlobError.sizeMismatch(descriptor.digest, expected: descriptor.size, actual: received)
        }
        if buffer.readableBytes > 0 { retry.progressed() }
        // After a resumption that the registry answered from the start, skip what was given before.
        let skipped = min(Int64(buffer.readableBytes), max(0, position - received))
        received += Int64(buffer.readableBytes)
        buffer.moveReaderIndex(forwardBy: Int(skipped))
        if received > descriptor.size {
            throw BlobError.sizeMismatch(descriptor.digest, expected: descriptor.size, actual: received)
        }
        rest = buffer
        if received < descriptor.size {
            body = iterator
            return
        }
        // The announced bytes are there: takes the end of the body, so that the connection can serve again.
        while let more = try? await iterator.next() {
            if more.readableBytes > 0 {
                throw BlobError.sizeMismatch(
                    descriptor.digest, expected: descriptor.size, actual: received + Int64(more.readableBytes))
            }
        }
    }

    private static let nowhere = WebAddress(origin: .init(scheme: .https, host: "-", port: 443), path: "/")

    /// Waits and lets the caller try again; goes to the next endpoint where this one is done for.
    private func recover(_ error: any Error) async throws {
        body = nil
        do { try await retry.wait(after: error) } catch let final {
            if final is CancellationError || places.count < 2 || Task.isCancelled {
                close()
                throw final
            }
            places.removeFirst()
            retry.progressed()
        }
    }

    private func connect(at start: Int64) async throws {
        guard let place = places.first else { throw BlobError.notFound(descriptor.digest) }
        let isManifest = descriptor.mediaType.isManifest || descriptor.mediaType.isIndex
        var headers: HTTPHeaders = [:]
        if isManifest {
            headers = ["Accept": descriptor.mediaType.rawValue]
        } else if start > 0 {
            headers = ["Range": "bytes=\(start)-"]
        }
        let answer: Answer
        switch place {
        case .endpoint(let endpoint):
            let path = "\(isManifest ? "manifests" : "blobs")/\(descriptor.digest)"
            answer = try await client.requester.send(
                Requester.Call(method: .GET, target: .path(path), headers: headers), to: endpoint)
        case .url(let url):
            answer = try await client.requester.transport.send(
                Transport.Request(method: .GET, address: url, headers: headers))
        }
        address = answer.address
        switch answer.status {
        case 200: received = 0
        case 206:
            guard let range = answer.headers.first(name: "Content-Range").flatMap(ContentRange.init(parsing:)),
                range.first == start, range.total.map({ $0 == descriptor.size }) ?? true
            else { throw answer.invalid("the registry gave another range than it was asked for") }
            received = start
        default:
            let error = try await answer.failure(isManifest ? .manifest : .blob)
            if answer.status == 404 { throw BlobError.notFound(descriptor.digest) }
            throw error
        }
        if let length = answer.contentLength, length != descriptor.size - received {
            throw BlobError.sizeMismatch(descriptor.digest, expected: descriptor.size, actual: received + length)
        }
        guard case .stream(let stream) = answer.body else { throw answer.invalid("the answer has no body") }
        body = stream.makeAsyncIterator()
    }
}
