import Content
import OCI
import RegistryClient
import TestSupport
import Testing

/// Many transfers, and those that are given up.
@Suite struct TransferTests {
    private static let large = Descriptor(
        mediaType: .ociLayer, digest: Digest.sha256(of: [1, 2, 3]), size: 1 << 30)

    /// A registry whose blobs never end, and word of each blob that is asked for.
    private func endless() -> (handler: FaultServer.Handler, asked: AsyncStream<String>) {
        let (stream, continuation) = AsyncStream.makeStream(of: String.self)
        let handler: FaultServer.Handler = { request in
            guard request.path.contains("/blobs/") else { return ServerReply(200) }
            continuation.yield(request.path)
            return ServerReply(200, .stalled([UInt8](repeating: 7, count: 1000), announced: 1 << 30))
        }
        return (handler, stream)
    }

    @Test func aCancelledDownloadEndsAtOnceAndIsNotTriedAgain() async throws {
        let clock = TestClock()
        let (handler, asked) = endless()
        try await FaultServer.with(handler) { server in
            try await withClient(clock: clock) { client in
                let source = client.source(for: try Reference(parsing: "\(server.authority)/team/app"))
                let download = Task { () -> Int in
                    let reader = try await source.open(Self.large, from: 0)
                    var count = 0
                    while let chunk = try await reader.next() { count += chunk.count }
                    return count
                }
                for await _ in asked { break }
                download.cancel()
                await #expect(throws: CancellationError.self) { try await download.value }
                #expect(clock.sleeps == [])
                #expect(server.requests.filter { $0.path.contains("/blobs/") }.count == 1)
            }
        }
    }

    @Test func noMoreThanTheLimitAtOnce() async throws {
        let (handler, asked) = endless()
        try await FaultServer.with(handler) { server in
            try await withClient {
                $0.maxConcurrency = 2
            } _: { client in
                let name = try Reference(parsing: "\(server.authority)/team/app")
                let first = try await client.source(for: name).open(Self.large, from: 0)
                let second = try await client.source(for: name).open(Self.large, from: 0)
                let third = Task { try await client.source(for: name).open(Self.large, from: 0) }
                // Small blobs, and manifests, pass by the gate.
                let small = Descriptor(mediaType: .ociLayer, digest: Self.large.digest, size: 1000)
                let (outcome, _) = try await Outcome.of {
                    _ = try await client.source(for: name).readAll(small, limit: 1 << 20)
                }
                #expect(outcome == .size)
                var count = 0
                for await _ in asked {
                    count += 1
                    if count == 3 { break }
                }
                #expect(server.requests.filter { $0.path.contains("/blobs/") }.count == 3)
                first.cancel()
                let reader = try await third.value
                #expect(server.requests.filter { $0.path.contains("/blobs/") }.count == 4)
                // Whoever gives up while waiting leaves the others their places.
                let fourth = Task { try await client.source(for: name).open(Self.large, from: 0) }
                fourth.cancel()
                await #expect(throws: CancellationError.self) { try await fourth.value }
                second.cancel()
                let fifth = try await client.source(for: name).open(Self.large, from: 0)
                for reader in [reader, fifth] { reader.cancel() }
            }
        }
    }

    /// Windows' base layers: the registry has them not, and what they are at gets no password.
    @Test func aForeignLayerComesFromItsURL() async throws {
        let blob = sampleBytes(5000)
        try await FaultServer.with({ _ in ServerReply(200, .bytes(blob)) }) { store in
            let handler: FaultServer.Handler = { request in
                if request.path == "/v2/" { return ServerReply(200) }
                guard request.header("Authorization") != nil else {
                    return ServerReply(401, headers: [("WWW-Authenticate", "Basic realm=x")])
                }
                return ServerReply(404)
            }
            try await FaultServer.with(handler) { server in
                try await withClient {
                    $0.credentials = [server.authority: .basic(user: "me", secret: Secret("word"))]
                } _: { client in
                    let source = client.source(for: try Reference(parsing: "\(server.authority)/team/app"))
                    var descriptor = Descriptor(
                        mediaType: .dockerForeignLayer, digest: Digest.sha256(of: blob), size: Int64(blob.count))
                    descriptor.urls = ["ftp://no.test/a", "http://\(store.authority)/layer"]
                    let read = try await source.readAll(descriptor, limit: 1 << 20)
                    #expect(read == blob)
                    #expect(store.requests.allSatisfy { $0.header("Authorization") == nil })
                    // The URLs of an ordinary layer are not asked.
                    descriptor.mediaType = .ociLayer
                    let ordinary = descriptor
                    let (outcome, _) = try await Outcome.of {
                        _ = try await source.readAll(ordinary, limit: 1 << 20)
                    }
                    #expect(outcome == .notFound)
                }
            }
        }
    }

    @Test func schema2AsARealRegistryServesIt() async throws {
        let registry = try AlpineRegistry()
        defer { registry.registry.stop() }
        try await withClient { client in
            let name = try Reference(parsing: "\(registry.authority)/alpine-docker:3.15")
            let resolved = try await client.resolve(name)
            #expect(resolved.descriptor.mediaType == .dockerManifest || resolved.descriptor.mediaType == .dockerIndex)
            let head = try await client.head(name)
            #expect(head == resolved.descriptor)
            let source = client.source(for: name)
            var bytes = resolved.bytes
            if case .index(let index) = resolved.document {
                bytes = try await source.readAll(index.value.manifests[0], limit: 1 << 20)
            }
            guard case .manifest(let manifest) = try ManifestDocument(parsing: bytes, mediaType: nil) else {
                Issue.record("no manifest")
                return
            }
            #expect(manifest.value.config.mediaType == .dockerConfig)
            let config = try await source.readAll(manifest.value.config, limit: 1 << 20)
            #expect(try ImageConfig.parse(config, layers: manifest.value.layers.count).value.os == "linux")
        }
    }
}
