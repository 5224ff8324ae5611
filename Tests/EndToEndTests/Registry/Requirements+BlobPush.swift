import OCI
import TestSupport
import Testing

extension Requirement {
    private static let two = "Pushing a blob monolithically: POST then PUT"
    private static let one = "Pushing a blob monolithically: Single POST"
    private static let mounting = "Mounting a blob from another repository"

    static let blobPush: [Requirement] = [
        .init(two, .must, "POST is 202 with a Location") { client in
            let answer = try await client.send("POST", "/blobs/uploads/", body: [])
            #expect(answer.status == 202 && answer["Location"] != nil, "\(answer)")
        },
        .init(two, .must, "the Location holds a unique UUID") { client in
            let locations = try await [client.upload(), client.upload()]
            let names = locations.map { location in
                location.split(whereSeparator: { "/?&=".contains($0) }).filter { part in
                    part.split(separator: "-", omittingEmptySubsequences: false).map(\.count) == [8, 4, 4, 4, 12]
                        && part.allSatisfy { $0 == "-" || $0.isHexDigit }
                }
            }
            #expect(names.allSatisfy { $0.count == 1 } && names[0] != names[1], "\(locations)")
        },
        .init(two, .must, "PUT is 201 with the Location of a blob that can be pulled") { client in
            for count in [0, 1, 100_000] {
                let bytes = client.content("blob", count)
                let location = try await client.upload()
                let answer = try await client.send(
                    "PUT", client.adding("digest=\(client.digest(bytes))", to: location),
                    headers: ["Content-Type": "application/octet-stream"], body: bytes)
                #expect(answer.status == 201, "\(answer)")
                #expect(answer["Docker-Content-Digest"] == "\(client.digest(bytes))")
                let pulled = try await client.send("GET", try client.location(answer))
                #expect(pulled.status == 200 && pulled.body == bytes)
            }
        },
        .init(two, .must, "bytes with another digest are refused with 400 and kept nowhere") { client in
            let location = try await client.upload()
            let answer = try await client.send(
                "PUT", client.adding("digest=\(client.nothing)", to: location), body: client.content("blob"))
            client.expect(answer, 400, code: "DIGEST_INVALID")
            for digest in [client.nothing, client.digest(client.content("blob"))] {
                #expect(try await client.send("HEAD", "/blobs/\(digest)").status == 404)
            }
        },
        .init(one, .must, "POST with a digest is 201 with the Location of a blob that can be pulled") { client in
            for count in [0, 1, 100_000] {
                let bytes = client.content("blob", count)
                let answer = try await client.send(
                    "POST", "/blobs/uploads/?digest=\(client.digest(bytes))",
                    headers: ["Content-Type": "application/octet-stream"], body: bytes)
                #expect(answer.status == 201 && answer["Docker-Content-Digest"] == "\(client.digest(bytes))")
                let pulled = try await client.send("GET", try client.location(answer))
                #expect(pulled.status == 200 && pulled.body == bytes)
            }
        },
        .init(one, .must, "the digest matches the blob's") { client in
            let bytes = client.content("blob")
            let answer = try await client.send("POST", "/blobs/uploads/?digest=\(client.nothing)", body: bytes)
            client.expect(answer, 400, code: "DIGEST_INVALID")
            #expect(try await client.send("HEAD", "/blobs/\(client.digest(bytes))").status == 404)
        },
        .init(one, .must, "the Content-Length matches the blob's length") { client in
            let bytes = client.content("blob")
            // The connection breaks off before the announced end: nothing was pushed.
            _ = try await client.send("POST", "/blobs/uploads/?digest=\(client.digest(bytes))", body: bytes, cut: 100)
            #expect(try await client.send("HEAD", "/blobs/\(client.digest(bytes))").status == 404)
            client.expect(
                try await client.send("POST", "/blobs/uploads/", body: bytes), 400, code: "DIGEST_INVALID")
        },
        .init(one, .ours, "a body without a length is taken as it comes") { client in
            let bytes = client.content("blob", 300)
            let answer = try await client.send(
                "POST", "/blobs/uploads/?digest=\(client.digest(bytes))", headers: ["Transfer-Encoding": "chunked"],
                body: client.chunked([bytes[..<100], bytes[100...]]))
            #expect(answer.status == 201, "\(answer)")
            #expect(try await client.send("GET", "/blobs/\(client.digest(bytes))").body == bytes)
        },
        .init(one, .ours, "two that push the same blob at the same time both succeed") { client in
            let bytes = client.content("blob", 50_000)
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        try await client.send("POST", "/blobs/uploads/?digest=\(client.digest(bytes))", body: bytes)
                            .status
                    }
                }
                for try await status in group { #expect(status == 201) }
            }
            #expect(try await client.send("GET", "/blobs/\(client.digest(bytes))").body == bytes)
        },
        .init(mounting, .must, "a mount is 201 with the Location of the blob") { client in
            let bytes = client.content("blob")
            let source = "\(client.repository)/source"
            let digest = try await client.push(bytes, to: source)
            let answer = try await client.send("POST", "/blobs/uploads/?mount=\(digest)&from=\(source)", body: [])
            #expect(answer.status == 201 && answer["Docker-Content-Digest"] == "\(digest)", "\(answer)")
            #expect(try await client.send("GET", try client.location(answer)).body == bytes)
            #expect(try await client.send("GET", "/blobs/\(digest)").body == bytes)
            // It is the repository's own now.
            #expect(try await client.send("DELETE", "/v2/\(source)/blobs/\(digest)").status == 202)
            #expect(try await client.send("GET", "/blobs/\(digest)").body == bytes)
        },
        .init(mounting, .may, "without `from` the blob is found wherever it is") { client in
            let digest = try await client.push(client.content("blob"), to: "\(client.repository)/source")
            let answer = try await client.send("POST", "/blobs/uploads/?mount=\(digest)", body: [])
            #expect(answer.status == 201, "\(answer)")
            #expect(try await client.send("HEAD", try client.location(answer)).status == 200)
        },
        .init(mounting, .should, "what cannot be mounted becomes an upload with 202") { client in
            let bytes = client.content("blob")
            let digest = client.digest(bytes)
            for source in ["&from=\(client.repository)/none", "&from=\(client.repository)", ""] {
                let answer = try await client.send("POST", "/blobs/uploads/?mount=\(digest)\(source)", body: [])
                #expect(answer.status == 202, "\(answer)")
                let put = try await client.send(
                    "PUT", client.adding("digest=\(digest)", to: try client.location(answer)), body: bytes)
                #expect(put.status == 201, "\(put)")
                #expect(try await client.send("DELETE", "/blobs/\(digest)").status == 202)
            }
        },
        .init(mounting, .ours, "a mount with a malformed digest or name is refused") { client in
            for query in ["mount=x", "mount=sha256:x&from=a", "mount=\(client.nothing)&from=A", "mount="] {
                client.expect(try await client.send("POST", "/blobs/uploads/?\(query)", body: []), 400)
            }
        },
    ]
}
