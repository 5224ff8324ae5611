public import Content
import NIOHTTP1
public import OCI

/// A repository of a registry as a source of blobs and manifests.
public struct RegistrySource: BlobSource {
    let client: RegistryClient
    let repository: Reference
    let onRetry: (@Sendable (Int, String) -> Void)?

    /// Opens a blob, or by its media type a manifest, at a byte offset.
    ///
    /// A reader whose connection breaks goes on by itself where it stopped. Where the registry ignores ranges, the
    /// reader's `offset` is 0.
    ///
    /// - Throws: `BlobError.notFound`; `RegistryError`.
    public func open(_ descriptor: Descriptor, from offset: Int64) async throws -> any BlobReader {
        let reader = RegistryBlobReader(
            client: client, endpoints: try client.endpoints(for: repository), descriptor: descriptor, onRetry: onRetry)
        try await reader.start(at: min(max(0, offset), descriptor.size))
        return reader
    }
}

extension RegistryClient {
    /// A repository as a source of blobs.
    ///
    /// - Parameters:
    ///   - repository: its tag and digest do not matter.
    ///   - onRetry: told of waits instead of the configuration's `onRetry`.
    public func source(
        for repository: Reference, onRetry: (@Sendable (_ seconds: Int, _ reason: String) -> Void)? = nil
    ) -> RegistrySource {
        RegistrySource(client: self, repository: repository.untagged, onRetry: onRetry)
    }
}
