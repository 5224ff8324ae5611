import Hummingbird
import NIOCore
import OCI

/// distribution-spec "Pulling manifests", "Pushing Manifests", "Deleting Tags", "Deleting Manifests".
struct ManifestRoutes {
    let registry: Registry

    func respond(to exchange: Exchange, _ name: RepositoryName, _ reference: ManifestReference) async throws -> Reply {
        switch exchange.method {
        case .get: return try await get(exchange, name, reference)
        case .head:
            let record = try await registry.manifest(reference, in: name)
            if let reply = exchange.conditional(record.digest) { return reply }
            var reply = Self.reply(record)
            reply.announcedLength = record.size
            return reply
        case .put: return try await put(exchange, name, reference)
        case .delete:
            try await registry.deleteManifest(reference, from: name, by: exchange.actor)
            return Reply(202)
        default: throw RegistryFailure.notAllowed("GET, HEAD, PUT, DELETE")
        }
    }

    private static func reply(_ record: ManifestRecord) -> Reply {
        Reply(200).with(digest: record.digest).with(.eTag, "\"\(record.digest)\"")
            .with(.contentType, record.mediaType.rawValue)
    }

    private func get(_ exchange: Exchange, _ name: RepositoryName, _ reference: ManifestReference) async throws -> Reply
    {
        let (record, bytes) = try await registry.manifestContent(reference, in: name)
        if let reply = exchange.conditional(record.digest) { return reply }
        var reply = Self.reply(record)
        reply.body = .bytes(bytes)
        return reply
    }

    /// The most tags that one request may carry: the spec asks for 10 at least.
    private static let mostTags = 100

    private func put(_ exchange: Exchange, _ name: RepositoryName, _ reference: ManifestReference) async throws -> Reply
    {
        var tags: [TagName] = []
        for text in exchange.target.all("tag") {
            guard let tag = TagName(parsing: text) else { throw RegistryFailure.tagInvalid(text) }
            tags.append(tag)
        }
        if tags.count > Self.mostTags {
            throw RegistryFailure(
                .unsupported, status: 414, "\(tags.count) tags are too many for one request: at most \(Self.mostTags)")
        }
        if !tags.isEmpty, case .tag = reference {
            throw RegistryFailure.badQuery("`tag` parameters go with a digest in the path, not with a tag")
        }
        let limit = Limits.manifestBytes
        let bytes = try await exchange.body.collect(
            limit: limit,
            tooLarge: RegistryFailure(.sizeInvalid, status: 413, "the manifest is larger than \(limit) bytes"))
        let type = exchange.headers[.contentType].map { MediaType(rawValue: $0) }
        let (digest, subject) = try await registry.putManifest(
            bytes, mediaType: type, as: reference, tags: tags, if: try condition(exchange), to: name,
            by: exchange.actor)
        var reply = Reply(201).with(digest: digest).with(.location, "/v2/\(name)/manifests/\(reference)")
        if let subject { reply = reply.with(.ociSubject, subject.description) }
        for tag in tags { reply = reply.with(.ociTag, tag.description) }
        return reply
    }

    private func condition(_ exchange: Exchange) throws -> TagCondition? {
        if let tags = exchange.entityTags(.ifMatch) {
            return tags.isEmpty ? .present : .among(tags.compactMap { try? Digest(parsing: $0) })
        }
        guard let tags = exchange.entityTags(.ifNoneMatch) else { return nil }
        guard tags.isEmpty else {
            throw RegistryFailure.badQuery("`If-None-Match` of a push must be `*`: the tag must not be there yet")
        }
        return .absent
    }
}
