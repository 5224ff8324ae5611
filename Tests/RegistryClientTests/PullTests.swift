import Content
import OCI
import RegistryClient
import TestSupport
import Testing

struct PullTests {
    @Test func resolvesAndReadsWhatARealRegistryServes() async throws {
        let registry = try DockerRegistry()
        defer { registry.stop() }
        let names = try runShell(
            "\(SharedMaterial.path)/scripts/push-alpine \(registry.authority) \(SharedMaterial.path)/images/alpine")
        #expect(names.contains("alpine:3.15"))
        let client = RegistryClient(configuration: RegistryConfiguration())
        let reference = try Reference(parsing: "\(registry.authority)/alpine:3.15")
        let resolved = try await client.resolve(reference)
        #expect(resolved.descriptor.mediaType == .ociIndex)
        let head = try await client.head(reference)
        #expect(head == resolved.descriptor)
        guard case .index(let index) = resolved.document else { throw BlobError.notFound(resolved.descriptor.digest) }
        let source = client.source(for: reference)
        let manifestBytes = try await source.readAll(index.value.manifests[0], limit: 1 << 20)
        guard case .manifest(let manifest) = try ManifestDocument(parsing: manifestBytes, mediaType: nil) else {
            return
        }
        let layer = try await source.readAll(manifest.value.layers[0], limit: 1 << 24)
        #expect(Digest.sha256(of: layer) == manifest.value.layers[0].digest)
        let tail = try await source.open(manifest.value.layers[0], from: 1000)
        #expect(tail.offset == 1000)
        var rest: [UInt8] = []
        while let chunk = try await tail.next() { rest += chunk }
        #expect(rest == Array(layer[1000...]))
        await client.shutdown()
    }
}
