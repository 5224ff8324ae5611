import Hummingbird
import OCI

/// distribution-spec "Pulling blobs", "Deleting Blobs".
struct BlobRoutes {
    let registry: Registry

    func respond(to exchange: Exchange, _ name: RepositoryName, _ digest: Digest) async throws -> Reply {
        switch exchange.method {
        case .get: return try Self.get(exchange, digest, try await registry.content(of: digest, in: name))
        case .head:
            // A client that is about to push asks whether it need not: what it finds is kept for it.
            return Self.head(exchange, digest, size: try await registry.blob(digest, in: name, building: true))
        case .delete:
            try await registry.deleteBlob(digest, from: name, by: exchange.actor)
            return Reply(202)
        default: throw RegistryFailure.notAllowed("GET, HEAD, DELETE")
        }
    }

    private static func reply(_ status: Int, _ digest: Digest) -> Reply {
        // A digest never names other bytes: who has them need not ask again.
        Reply(status).with(digest: digest).with(.eTag, "\"\(digest)\"").with(.acceptRanges, "bytes")
            .with(.contentType, "application/octet-stream").with(.cacheControl, "max-age=31536000")
    }

    static func head(_ exchange: Exchange, _ digest: Digest, size: Int64) -> Reply {
        if let reply = exchange.conditional(digest) { return reply }
        var reply = reply(200, digest)
        reply.announcedLength = size
        return reply
    }

    static func get(_ exchange: Exchange, _ digest: Digest, _ content: BlobContent) throws -> Reply {
        if let reply = exchange.conditional(digest) { return reply }
        var range = exchange.headers[.range]
        // A range is for the bytes that the client has a part of; for others it gets all (RFC 9110 §13.1.5).
        if let tag = exchange.headers[.ifRange], tag != "\"\(digest)\"" { range = nil }
        switch RangeRequest(range, size: content.size) {
        case .whole:
            var reply = reply(200, digest)
            reply.body = .blob(content, 0..<content.size)
            return reply
        case .part(let part):
            var reply = reply(206, digest)
                .with(.contentRange, "bytes \(part.lowerBound)-\(part.upperBound - 1)/\(content.size)")
            reply.body = .blob(content, part)
            return reply
        case .unsatisfiable:
            throw RegistryFailure(
                .sizeInvalid, status: 416, "the range `\(range ?? "")` is not within the blob's \(content.size) bytes"
            ).with(header: "Content-Range", "bytes */\(content.size)")
        }
    }
}
