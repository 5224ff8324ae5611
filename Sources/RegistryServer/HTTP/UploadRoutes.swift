import Content
import Hummingbird
import Linux
import NIOCore
import OCI

/// distribution-spec "Pushing blobs": in one request or two, in chunks, streamed, resumed, cancelled, mounted.
struct UploadRoutes {
    let registry: Registry
    let gate: UploadGate
    let access: AccessControl

    // MARK: end-4, end-11

    func start(_ exchange: Exchange, _ name: RepositoryName) async throws -> Reply {
        try exchange.allow(.post)
        let digest = try exchange.digest("digest")
        if let mount = try exchange.digest("mount"), digest == nil {
            let source = try exchange.target["from"].map { text throws(RegistryFailure) in
                try RepositoryName(parsing: text)
            }
            if try await mountable(mount, from: source, exchange.caller),
                try await registry.mount(mount, from: source, to: name)
            {
                return Self.created(mount, name)
            }
        }
        let algorithm = try algorithm(exchange) ?? digest?.algorithm ?? .sha256
        if let digest {
            let id = try await registry.startUpload(to: name, hashing: algorithm)
            do {
                try await registry.withUpload(id, of: name) { upload in
                    try await receive(exchange.body, into: upload)
                    try await finish(upload, id, digest, name)
                }
            } catch {
                // There is no second request that could go on with it: its name was never told.
                try? await registry.cancelUpload(id, of: name)
                throw error
            }
            return Self.created(digest, name)
        }
        if exchange.body.announced ?? 1 > 0 {
            throw RegistryFailure(
                .digestInvalid, status: 400, "a blob in the first request needs its `digest` in the query")
        }
        let id = try await registry.startUpload(to: name, hashing: algorithm)
        return Self.progress(202, id, name, offset: 0)
    }

    /// Whether the caller may read the blob somewhere: a mount must not give what a pull would not.
    private func mountable(_ digest: Digest, from source: RepositoryName?, _ caller: Caller) async throws -> Bool {
        if let source { return try await access.rights(of: caller.principal, on: source.description).contains(.pull) }
        if try await access.isOpen() { return true }
        let maySee = try await access.reader(caller.principal)
        return try await registry.database.read { try $0.repositories(with: digest, limit: 10_000) }.contains(
            where: maySee)
    }

    private func algorithm(_ exchange: Exchange) throws -> Digest.Algorithm? {
        guard let text = exchange.target["digest-algorithm"] else { return nil }
        guard let algorithm = Digest.Algorithm(rawValue: text) else {
            throw RegistryFailure.digestInvalid(
                "unsupported digest algorithm `\(text.prefix(64))`: want sha256 or sha512")
        }
        return algorithm
    }

    // MARK: end-5, end-6, end-13, end-14

    func respond(to exchange: Exchange, _ name: RepositoryName, _ id: UploadID) async throws -> Reply {
        switch exchange.method {
        case .get, .head:
            let offset = try await registry.withUpload(id, of: name) { $0.offset }
            return Self.progress(204, id, name, offset: offset)
        case .patch:
            return try await registry.withUpload(id, of: name) { upload in
                try checkChunk(exchange, upload, id, name)
                try await receive(exchange.body, into: upload)
                return Self.progress(202, id, name, offset: upload.offset)
            }
        case .put:
            guard let digest = try exchange.digest("digest") else {
                throw RegistryFailure.digestInvalid("the request that ends an upload needs the blob's `digest`")
            }
            try await registry.withUpload(id, of: name) { upload in
                try checkChunk(exchange, upload, id, name)
                try await receive(exchange.body, into: upload)
                try await finish(upload, id, digest, name)
            }
            return Self.created(digest, name)
        case .delete:
            try await registry.cancelUpload(id, of: name)
            return Reply(204)
        default: throw RegistryFailure.notAllowed("GET, HEAD, PATCH, PUT, DELETE")
        }
    }

    /// A chunk must begin where the bytes end; what has no range is appended.
    private func checkChunk(
        _ exchange: Exchange, _ upload: any BlobUpload, _ id: UploadID, _ name: RepositoryName
    ) throws {
        guard let text = exchange.headers[.contentRange] else { return }
        let offset = upload.offset
        func refusal(_ message: String) -> RegistryFailure {
            RegistryFailure(.blobUploadInvalid, status: 416, message)
                .with(header: "Location", Self.location(id, name)).with(header: "Range", Self.range(offset))
        }
        guard let range = ChunkRange(parsing: text) else {
            throw refusal("the `Content-Range` `\(text.prefix(80))` is not of the form `<first>-<last>`")
        }
        if range.first != offset {
            throw refusal("the chunk begins at \(range.first), but the upload has \(offset) bytes")
        }
        if let announced = exchange.body.announced, announced != range.count {
            throw RegistryFailure(
                .sizeInvalid, status: 400,
                "the `Content-Range` has \(range.count) bytes, but the `Content-Length` is \(announced)")
        }
    }

    /// Takes a body on a thread of its own: it writes and hashes while the next bytes arrive.
    ///
    /// Where the body breaks off, what came is kept, and the client goes on from there.
    private func receive(_ body: RequestBodyReader, into upload: any BlobUpload) async throws {
        if body.announced == 0 { return }
        let limit = registry.policy.largestBlob
        let tooLarge = RegistryFailure(.sizeInvalid, status: 413, "the blob is larger than \(limit) bytes")
        if let announced = body.announced, upload.offset + announced > limit { throw tooLarge }
        try gate.enter()
        defer { gate.leave() }
        let pieces = Channel<ByteBuffer>(capacity: 3)
        async let writing: Void = onThread(named: "registry-upload") {
            do {
                while let piece = try pieces.receiveBlocking() {
                    try unsafe piece.withUnsafeReadableBytes { try unsafe upload.append($0) }
                }
            } catch {
                pieces.fail(error)
                throw error
            }
        }
        do {
            let start = upload.offset
            while let piece = try await body.next() {
                if start + body.received > limit { throw tooLarge }
                try await pieces.send(piece)
            }
            pieces.finish()
        } catch {
            pieces.finish()
            try await writing
            throw error
        }
        try await writing
    }

    private func finish(_ upload: any BlobUpload, _ id: UploadID, _ digest: Digest, _ name: RepositoryName) async throws
    {
        do { try await registry.finish(upload, id, as: digest, in: name) } catch BlobError.digestMismatch(_, let actual)
        {
            throw RegistryFailure.digestInvalid("the bytes have the digest \(actual), not \(digest)")
        }
    }

    // MARK: Answers

    private static func created(_ digest: Digest, _ name: RepositoryName) -> Reply {
        Reply(201).with(digest: digest).with(.location, "/v2/\(name)/blobs/\(digest)")
    }

    private static func location(_ id: UploadID, _ name: RepositoryName) -> String { "/v2/\(name)/blobs/uploads/\(id)" }

    /// The bytes that are here. The spec has no form for none; docker's registry says `0-0` for that too.
    private static func range(_ offset: Int64) -> String { "0-\(max(offset - 1, 0))" }

    private static func progress(_ status: Int, _ id: UploadID, _ name: RepositoryName, offset: Int64) -> Reply {
        Reply(status).with(.location, location(id, name)).with(.range, range(offset))
            .with(.dockerUploadUUID, id.description)
    }
}
