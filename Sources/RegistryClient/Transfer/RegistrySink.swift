public import Content
import NIOHTTP1
public import OCI

/// How a blob came to be in a repository.
public enum PushOutcome: Sendable, Hashable {
    /// Its bytes were sent.
    case uploaded
    /// It was there before.
    case alreadyThere
    /// The registry took it over from another of its repositories.
    case mounted(from: Reference)
    /// A foreign layer: its bytes stay where they are.
    case skippedForeign
}

/// A repository of a registry as a sink of blobs and manifests.
public struct RegistrySink: BlobSink {
    let client: RegistryClient
    let repository: Reference
    let mountFrom: @Sendable (Digest) -> [Reference]
    let onRetry: (@Sendable (Int, String) -> Void)?

    /// Whether the repository has the blob (or, by its media type, the manifest).
    public func contains(_ descriptor: Descriptor) async throws -> Bool {
        let endpoint = try client.pushEndpoint(for: repository)
        return try await Retry.run(client.configuration, onRetry: onRetry) {
            let isManifest = descriptor.mediaType.isManifest || descriptor.mediaType.isIndex
            let call = Requester.Call(
                method: .HEAD, target: .path("\(isManifest ? "manifests" : "blobs")/\(descriptor.digest)"),
                headers: isManifest ? RegistryClient.acceptManifests : [:], action: .pullPush)
            let answer = try await client.requester.send(call, to: endpoint)
            switch answer.status {
            case 200: return answer.contentLength.map { $0 == descriptor.size } ?? true
            case 404: return false
            default: throw try await answer.failure(isManifest ? .manifest : .blob)
            }
        }
    }

    /// Puts a blob (or manifest) into the repository unless it is there; a broken upload is resumed.
    public func write(
        _ descriptor: Descriptor, from source: any BlobSource, progress: @Sendable (Int64) -> Void
    ) async throws {
        _ = try await push(descriptor, from: source, progress: progress)
    }

    /// Like `write`, and tells how the blob came there.
    ///
    /// - Throws: `RegistryError`; what reading the source throws; `BlobError.sizeMismatch`.
    public func push(
        _ descriptor: Descriptor, from source: any BlobSource, progress: @Sendable (Int64) -> Void
    ) async throws -> PushOutcome {
        if descriptor.mediaType.isForeignLayer { return .skippedForeign }
        if try await contains(descriptor) { return .alreadyThere }
        if descriptor.mediaType.isManifest || descriptor.mediaType.isIndex {
            let bytes = try await source.readAll(descriptor, limit: Limits.manifestBytes)
            _ = try await client.putManifest(
                bytes, mediaType: descriptor.mediaType, as: repository.with(digest: descriptor.digest))
            progress(descriptor.size)
            return .uploaded
        }
        let pass = try await client.uploads.enter()
        defer { withExtendedLifetime(pass) {} }
        var upload = BlobUpload(
            client: client, endpoint: try client.pushEndpoint(for: repository), descriptor: descriptor, source: source,
            onRetry: onRetry)
        let candidates = mountFrom(descriptor.digest).filter {
            $0.domain == repository.domain && $0.path != repository.path
        }
        return try await upload.run(mountFrom: candidates, progress: progress)
    }
}

extension RegistryClient {
    /// A repository as a sink of blobs.
    ///
    /// - Parameters:
    ///   - repository: its tag and digest do not matter.
    ///   - mountFrom: repositories that are known to hold a blob; those of the same registry are offered to it, so that
    ///     nothing need be sent.
    ///   - onRetry: told of waits instead of the configuration's `onRetry`.
    public func sink(
        for repository: Reference, mountFrom: @escaping @Sendable (Digest) -> [Reference] = { _ in [] },
        onRetry: (@Sendable (_ seconds: Int, _ reason: String) -> Void)? = nil
    ) -> RegistrySink {
        RegistrySink(client: self, repository: repository.untagged, mountFrom: mountFrom, onRetry: onRetry)
    }
}
