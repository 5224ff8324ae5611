import OCI
import TestSupport
import Testing

extension Requirement {
    private static let manifests = "Pulling manifests"
    private static let blobs = "Pulling blobs"
    private static let existence = "Checking if content exists in the registry"

    static let pull: [Requirement] = [
        .init(manifests, .must, "a reference is a digest or a tag and nothing else") { client in
            for reference in [
                ".v1", "-v1", "v1:2", "a@b", "v%201", "%C3%A9", "sha256:abc",
                "sha256:\(String(repeating: "G", count: 64))",
                "sha256:\(String(repeating: "A", count: 64))", ":", "sha512:\(String(repeating: "a", count: 64))",
                String(repeating: "t", count: 129),
            ] {
                for method in ["GET", "PUT", "DELETE"] {
                    let answer = try await client.send(
                        method, "/manifests/\(reference)", body: method == "PUT" ? Array("{}".utf8) : nil)
                    client.expect(answer, 400)
                }
                #expect(try await client.send("HEAD", "/manifests/\(reference)").status == 400)
            }
        },
        .init(manifests, .must, "a name matches the expression for names") { client in
            let bytes = client.content("blob")
            for name in [
                "a", "0", "a-b", "a--b", "a.b", "a_b", "a__b", "a/b/c", "a-b.c_d__e---f/0/z9",
                String(repeating: "n", count: 200),
            ] {
                try await client.push(bytes, to: "\(client.repository)/\(name)")
                let path = "/v2/\(client.repository)/\(name)/blobs/\(client.digest(bytes))"
                #expect(try await client.send("GET", path).body == bytes, "\(name)")
            }
            for name in [
                "A", "a..b", "a___b", "-a", "a-", "_a", "a_", ".a", "a.", "a//b", "a/", "a/-b", "%2e%2e", "a%20b",
                "a+b", "%C3%A9", String(repeating: "n", count: 256),
            ] {
                let path = "/v2/\(client.repository)/\(name)/blobs/\(client.digest(bytes))"
                client.expect(try await client.send("GET", path), 400, 404, code: "NAME_INVALID")
            }
        },
        .init(manifests, .must, "a tag has at most 128 characters of its expression") { client in
            for tag in ["_", "_a.b-c", "9", "V1.0", String(repeating: "t", count: 128), "latest"] {
                let bytes = try await client.manifest("tagged")
                #expect(try await client.put(bytes, as: tag).status == 201, "\(tag)")
                #expect(try await client.send("GET", "/manifests/\(tag)").body == bytes, "\(tag)")
            }
        },
        .init(manifests, .must, "an existing manifest is given with 200, by tag and by digest") { client in
            let bytes = try await client.pushImage("image", tags: ["v1"])
            for reference in ["v1", "\(client.digest(bytes))"] {
                let answer = try await client.send(
                    "GET", "/manifests/\(reference)",
                    headers: ["Accept": "\(ConformanceClient.image), \(ConformanceClient.index)"])
                #expect(answer.status == 200 && answer.body == bytes, "\(answer)")
                #expect(answer["Content-Length"] == "\(bytes.count)")
            }
        },
        .init(manifests, .should, "Content-Type is what the manifest was pushed with, without parameters") { client in
            let bytes = try await client.pushImage("image", tags: ["v1"])
            for reference in ["v1", "\(client.digest(bytes))"] {
                let answer = try await client.send("GET", "/manifests/\(reference)")
                #expect(answer.all("Content-Type") == [ConformanceClient.image])
            }
        },
        .init(manifests, .must, "Docker-Content-Digest is the digest of the bytes (SHOULD in 1.1)") { client in
            let bytes = try await client.pushImage("image", tags: ["v1"])
            for reference in ["v1", "\(client.digest(bytes))"] {
                let answer = try await client.send("GET", "/manifests/\(reference)")
                #expect(answer["Docker-Content-Digest"] == "\(client.digest(bytes))")
            }
        },
        .init(manifests, .must, "a manifest that is not there is 404") { client in
            client.expect(try await client.send("GET", "/manifests/v1"), 404, code: "MANIFEST_UNKNOWN")
            _ = try await client.pushImage("image", tags: ["v1"])
            for reference in ["v2", "\(client.nothing)"] {
                client.expect(try await client.send("GET", "/manifests/\(reference)"), 404, code: "MANIFEST_UNKNOWN")
            }
            // A blob is no manifest, also where its bytes would be one.
            let blob = try await client.push(client.content("blob"))
            client.expect(try await client.send("GET", "/manifests/\(blob)"), 404, code: "MANIFEST_UNKNOWN")
        },
        .init(blobs, .must, "an existing blob is given whole with 200") { client in
            for count in [0, 1, 2, 70_000] {
                let bytes = client.content("blob", count)
                let digest = try await client.push(bytes)
                let answer = try await client.send("GET", "/blobs/\(digest)")
                #expect(answer.status == 200 && answer.body == bytes && answer["Content-Length"] == "\(count)")
                #expect(answer["Content-Type"] == "application/octet-stream")
            }
        },
        .init(blobs, .must, "Docker-Content-Digest is the digest of the body (SHOULD in 1.1)") { client in
            let digest = try await client.push(client.content("blob"))
            #expect(try await client.send("GET", "/blobs/\(digest)")["Docker-Content-Digest"] == "\(digest)")
        },
        .init(blobs, .must, "a blob that is not there is 404, also where another repository has it") { client in
            client.expect(try await client.send("GET", "/blobs/\(client.nothing)"), 404, code: "BLOB_UNKNOWN")
            let digest = try await client.push(client.content("blob"), to: "\(client.repository)/other")
            client.expect(try await client.send("GET", "/blobs/\(digest)"), 404, code: "BLOB_UNKNOWN")
        },
        .init(blobs, .should, "Range is understood as RFC 9110 says") { client in
            let bytes = client.content("blob", 1000)
            let digest = try await client.push(bytes)
            for (range, part) in [
                ("bytes=0-0", 0..<1), ("bytes=10-19", 10..<20), ("bytes=990-", 990..<1000), ("bytes=-5", 995..<1000),
                ("bytes=-5000", 0..<1000), ("bytes=900-5000", 900..<1000), ("BYTES=1-2", 1..<3),
            ] {
                let answer = try await client.send("GET", "/blobs/\(digest)", headers: ["Range": range])
                #expect(answer.status == 206 && answer.body == Array(bytes[part]), "\(range): \(answer.status)")
                #expect(answer["Content-Range"] == "bytes \(part.lowerBound)-\(part.upperBound - 1)/1000")
                #expect(answer["Docker-Content-Digest"] == "\(digest)")
            }
            for range in [
                "bytes=1000-", "bytes=5-4", "bytes=-0", "bytes=x-y", "bytes=", "bytes=1-x", "bytes=--1", "bytes=- 1",
                "bytes=99999999999999999999-",
            ] {
                let answer = try await client.send("GET", "/blobs/\(digest)", headers: ["Range": range])
                client.expect(answer, 416)
                #expect(answer["Content-Range"] == "bytes */1000", "\(range)")
            }
            // Other units, and what is not for these bytes, are no reason to give less.
            for headers in [
                ["Range": "lines=1-2"], ["Range": "bytes=1-2", "If-Range": "\"\(client.nothing)\""], ["Range": "x"],
            ] {
                let answer = try await client.send("GET", "/blobs/\(digest)", headers: headers)
                #expect(answer.status == 200 && answer.body == bytes, "\(headers)")
            }
            let same = try await client.send(
                "GET", "/blobs/\(digest)", headers: ["Range": "bytes=1-2", "If-Range": "\"\(digest)\""])
            #expect(same.status == 206 && same.body == Array(bytes[1...2]))
        },
        .init(blobs, .ours, "what a client has already is not sent again") { client in
            let bytes = try await client.pushImage("image", tags: ["v1"])
            let blob = try await client.push(client.content("blob"))
            for (path, digest) in [("/manifests/v1", client.digest(bytes)), ("/blobs/\(blob)", blob)] {
                for method in ["GET", "HEAD"] {
                    for value in ["\"\(digest)\"", "W/\"\(digest)\"", "\"x\", \"\(digest)\"", "*"] {
                        let answer = try await client.send(method, path, headers: ["If-None-Match": value])
                        #expect(answer.status == 304 && answer.body.isEmpty, "\(value): \(answer)")
                        #expect(answer["ETag"] == "\"\(digest)\"" && answer["Docker-Content-Digest"] == "\(digest)")
                    }
                    let other = try await client.send(method, path, headers: ["If-None-Match": "\"\(client.nothing)\""])
                    #expect(other.status == 200)
                    let failed = try await client.send(method, path, headers: ["If-Match": "\"\(client.nothing)\""])
                    #expect(failed.status == 412)
                    #expect(try await client.send(method, path, headers: ["If-Match": "\"\(digest)\""]).status == 200)
                }
            }
        },
        .init(existence, .must, "HEAD of an existing blob or manifest is 200 without a body") { client in
            let bytes = try await client.pushImage("image", tags: ["v1"])
            let blob = try await client.push(client.content("blob"))
            for path in ["/manifests/v1", "/manifests/\(client.digest(bytes))", "/blobs/\(blob)"] {
                let answer = try await client.send("HEAD", path)
                #expect(answer.status == 200 && answer.body.isEmpty, "\(path)")
            }
        },
        .init(existence, .must, "HEAD tells Docker-Content-Digest and Content-Length (SHOULD in 1.1)") { client in
            let bytes = try await client.pushImage("image", tags: ["v1"])
            let content = client.content("blob", 777)
            let blob = try await client.push(content)
            for (path, digest, size) in [
                ("/manifests/v1", client.digest(bytes), bytes.count),
                ("/manifests/\(client.digest(bytes))", client.digest(bytes), bytes.count),
                ("/blobs/\(blob)", blob, 777),
            ] {
                let answer = try await client.send("HEAD", path)
                #expect(answer["Docker-Content-Digest"] == "\(digest)" && answer["Content-Length"] == "\(size)")
            }
            #expect(try await client.send("HEAD", "/manifests/v1")["Content-Type"] == ConformanceClient.image)
        },
        .init(existence, .must, "HEAD of what is not there is 404") { client in
            for path in ["/manifests/v1", "/manifests/\(client.nothing)", "/blobs/\(client.nothing)"] {
                let answer = try await client.send("HEAD", path)
                #expect(answer.status == 404 && answer.body.isEmpty, "\(path)")
            }
        },
        .init(existence, .ours, "HEAD answers as GET does, wherever there is a GET") { client in
            let bytes = try await client.pushImage("image", tags: ["v1", "v2"])
            let upload = try await client.upload()
            for path in [
                "/v2/", "/v2/_catalog", "/tags/list", "/tags/list?n=1", "/manifests/v1", "/blobs/\(client.nothing)",
                "/referrers/\(client.digest(bytes))", "/referrers/\(client.nothing)?artifactType=x", upload,
                "/tags/list?n=x", "/manifests/.x", "/blobs/x", "/referrers/x",
            ] {
                let get = try await client.send("GET", path)
                let head = try await client.send("HEAD", path)
                #expect(head.body.isEmpty && head.status == get.status, "\(path): \(head), \(get)")
                for name in ["Content-Type", "Link", "Range", "Docker-Content-Digest", "OCI-Filters-Applied"] {
                    #expect(head[name] == get[name], "\(path): \(name)")
                }
                if get.status != 204, path != "/v2/_catalog" {
                    #expect(head["Content-Length"] == get["Content-Length"])
                }
            }
        },
    ]
}
