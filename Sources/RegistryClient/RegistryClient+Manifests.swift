import NIOCore
import NIOHTTP1
public import OCI

extension RegistryClient {
    /// What a name means at its registry: the manifest or index, and the exact bytes with their descriptor.
    public struct Resolved: Sendable {
        /// Media type, digest and size of the bytes.
        public var descriptor: Descriptor
        /// The decoded document.
        public var document: ManifestDocument
        /// The exact bytes.
        public var bytes: [UInt8] { document.bytes }
    }

    /// Gets the manifest or index that a reference names (distribution-spec "Pulling manifests").
    ///
    /// The digest is computed from the bytes; the reference's own digest and the registry's `Docker-Content-Digest` must
    /// agree with it.
    ///
    /// - Parameter reference: with a tag or a digest; `latest` where it has neither.
    /// - Throws: `RegistryError`; `DocumentError` where the bytes are no manifest.
    public func resolve(_ reference: Reference) async throws -> Resolved {
        let reference = reference.withDefaultTag
        return try await first(of: endpoints(for: reference)) { endpoint in
            try await Retry.run(configuration) { try await self.manifest(reference, at: endpoint) }
        }
    }

    /// The descriptor that a reference has at its registry now, by HEAD: cheap, and not counted by rate limits.
    ///
    /// - Returns: nil where the registry does not tell a digest that way: `resolve` does.
    /// - Throws: `RegistryError`, with the code `manifestUnknown` where there is no such manifest.
    public func head(_ reference: Reference) async throws -> Descriptor? {
        let reference = reference.withDefaultTag
        return try await first(of: endpoints(for: reference)) { endpoint in
            try await Retry.run(configuration) {
                let call = Requester.Call(
                    method: .HEAD, target: .path("manifests/\(reference.manifestName)"), headers: Self.acceptManifests)
                let answer = try await self.requester.send(call, to: endpoint)
                guard answer.status == 200 else { throw try await answer.failure(.manifest) }
                guard let text = answer.headers.first(name: "Docker-Content-Digest"),
                    let digest = try? Digest(parsing: text), let size = answer.contentLength, size > 0,
                    let type = answer.headers.first(name: "Content-Type")
                else { return nil }
                if let wanted = reference.digest, wanted != digest {
                    throw answer.invalid("the registry gave the manifest \(digest) for \(wanted)")
                }
                return Descriptor(mediaType: MediaType(rawValue: type), digest: digest, size: size)
            }
        }
    }

    /// Stores a manifest or index under a tag or its digest (distribution-spec "Pushing Manifests").
    ///
    /// - Returns: the digest of the bytes, which the registry confirmed where it said one.
    public func putManifest(_ bytes: [UInt8], mediaType: MediaType, as reference: Reference) async throws -> Digest {
        let reference = reference.withDefaultTag
        let digest: Digest
        if let wanted = reference.digest {
            var hasher = DigestHasher(wanted.algorithm)
            hasher.update(bytes)
            digest = hasher.finalize()
            if digest != wanted {
                throw RegistryError(.rejected, "the manifest has the digest \(digest), not \(wanted)")
            }
        } else {
            digest = Digest.sha256(of: bytes)
        }
        return try await first(of: [pushEndpoint(for: reference)]) { endpoint in
            try await Retry.run(configuration) {
                let call = Requester.Call(
                    method: .PUT, target: .path("manifests/\(reference.manifestName)"),
                    headers: ["Content-Type": mediaType.rawValue], body: .bytes(ByteBuffer(bytes: bytes)),
                    action: .pullPush)
                let answer = try await self.requester.send(call, to: endpoint)
                guard answer.status == 201 || answer.status == 200 || answer.status == 202 else {
                    throw try await answer.failure(.repository)
                }
                try await answer.drain()
                if let text = answer.headers.first(name: "Docker-Content-Digest"),
                    let stored = try? Digest(parsing: text),
                    stored.algorithm == digest.algorithm, stored != digest
                {
                    throw answer.invalid("the registry stored the manifest as \(stored), not \(digest)")
                }
                return digest
            }
        }
    }

    static let acceptManifests: HTTPHeaders = HTTPHeaders(MediaType.acceptedManifests.map { ("Accept", $0.rawValue) })

    private func manifest(_ reference: Reference, at endpoint: Endpoint) async throws -> Resolved {
        let call = Requester.Call(
            method: .GET, target: .path("manifests/\(reference.manifestName)"), headers: Self.acceptManifests)
        let answer = try await requester.send(call, to: endpoint)
        guard answer.status == 200 else { throw try await answer.failure(.manifest) }
        let bytes = try await answer.bytes(limit: Limits.manifestBytes)
        if let length = answer.contentLength, length != bytes.count {
            throw answer.invalid("the manifest has \(bytes.count) of \(length) announced bytes")
        }
        var hasher = DigestHasher(reference.digest?.algorithm ?? .sha256)
        hasher.update(bytes)
        let digest = hasher.finalize()
        if let wanted = reference.digest, wanted != digest {
            throw answer.invalid("the manifest has the digest \(digest), not \(wanted)")
        }
        if let text = answer.headers.first(name: "Docker-Content-Digest"), let said = try? Digest(parsing: text),
            said.algorithm == digest.algorithm, said != digest
        {
            throw answer.invalid("the registry says the manifest's digest is \(said), but its bytes have \(digest)")
        }
        let said = answer.headers.first(name: "Content-Type").map { MediaType(rawValue: $0) }
        let document = try ManifestDocument(parsing: bytes, mediaType: said)
        return Resolved(
            descriptor: Descriptor(
                mediaType: document.mediaType(announced: said), digest: digest, size: Int64(bytes.count)),
            document: document)
    }
}

extension Reference {
    /// How a manifest URL names it: by digest where there is one.
    var manifestName: String { digest?.description ?? tag ?? Self.defaultTag }
}

extension ManifestDocument {
    /// The document's own word, else the header's where it fits the shape, else the OCI type.
    func mediaType(announced: MediaType?) -> MediaType {
        switch self {
        case .manifest(let document):
            document.value.mediaType ?? announced.flatMap { $0.isManifest ? $0 : nil } ?? .ociManifest
        case .index(let document):
            document.value.mediaType ?? announced.flatMap { $0.isIndex ? $0 : nil } ?? .ociIndex
        }
    }
}
