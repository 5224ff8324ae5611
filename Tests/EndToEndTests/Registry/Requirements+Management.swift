import OCI
import TestSupport
import Testing

extension Requirement {
    private static let tags = "Deleting tags"
    private static let manifests = "Deleting Manifests"
    private static let blobs = "Deleting Blobs"
    private static let errors = "Error Codes"
    private static let cancel = "next: Canceling a blob upload"
    private static let parameters = "next: Pushing Manifests, tag parameters"

    static let management: [Requirement] = [
        .init(tags, .must, "a tag goes with 202 and is 404 then; its manifest stays") { client in
            let bytes = try await client.pushImage("image", tags: ["v1", "v2"])
            #expect(try await client.send("DELETE", "/manifests/v1").status == 202)
            client.expect(try await client.send("GET", "/manifests/v1"), 404, code: "MANIFEST_UNKNOWN")
            for reference in ["v2", "\(client.digest(bytes))"] {
                #expect(try await client.send("GET", "/manifests/\(reference)").body == bytes)
            }
            #expect(try await client.tags().tags == ["v2"])
        },
        .init(tags, .must, "a tag that is not there is 404") { client in
            client.expect(try await client.send("DELETE", "/manifests/v1"), 404)
            _ = try await client.pushImage("image")
            client.expect(try await client.send("DELETE", "/manifests/v1"), 404, code: "MANIFEST_UNKNOWN")
        },
        .init(manifests, .must, "a manifest goes with 202, and with it every tag of it") { client in
            let bytes = try await client.pushImage("image", tags: ["v1", "v2"])
            let other = try await client.pushImage("other", tags: ["v3"])
            #expect(try await client.send("DELETE", "/manifests/\(client.digest(bytes))").status == 202)
            for reference in ["v1", "v2", "\(client.digest(bytes))"] {
                client.expect(try await client.send("GET", "/manifests/\(reference)"), 404, code: "MANIFEST_UNKNOWN")
            }
            #expect(try await client.send("GET", "/manifests/v3").body == other)
            #expect(try await client.tags().tags == ["v3"])
        },
        .init(manifests, .must, "a repository or manifest that is not there is 404") { client in
            client.expect(try await client.send("DELETE", "/manifests/\(client.nothing)"), 404)
            let bytes = try await client.pushImage("image")
            client.expect(
                try await client.send("DELETE", "/manifests/\(client.nothing)"), 404, code: "MANIFEST_UNKNOWN")
            #expect(try await client.send("DELETE", "/manifests/\(client.digest(bytes))").status == 202)
            client.expect(try await client.send("DELETE", "/manifests/\(client.digest(bytes))"), 404)
        },
        .init(manifests, .ours, "what an index lists stays as long as the index") { client in
            let image = try await client.pushImage("image")
            let index = client.index([client.descriptor(ConformanceClient.image, image)])
            #expect(try await client.put(index, as: "v1", type: ConformanceClient.index).status == 201)
            client.expect(
                try await client.send("DELETE", "/manifests/\(client.digest(image))"), 405, code: "UNSUPPORTED")
            #expect(try await client.send("DELETE", "/manifests/\(Digest.sha256(of: index))").status == 202)
            #expect(try await client.send("DELETE", "/manifests/\(client.digest(image))").status == 202)
        },
        .init(blobs, .must, "a blob goes with 202 and is 404 then, here and nowhere else") { client in
            let bytes = client.content("blob")
            let digest = try await client.push(bytes)
            try await client.push(bytes, to: "\(client.repository)/other")
            #expect(try await client.send("DELETE", "/blobs/\(digest)").status == 202)
            for method in ["GET", "HEAD", "DELETE"] {
                #expect(try await client.send(method, "/blobs/\(digest)").status == 404, "\(method)")
            }
            #expect(try await client.send("GET", "/v2/\(client.repository)/other/blobs/\(digest)").body == bytes)
            // Pushed again it is there again.
            try await client.push(bytes)
            #expect(try await client.send("GET", "/blobs/\(digest)").body == bytes)
        },
        .init(blobs, .must, "a blob that is not there is 404") { client in
            client.expect(try await client.send("DELETE", "/blobs/\(client.nothing)"), 404)
            try await client.push(client.content("blob"))
            client.expect(try await client.send("DELETE", "/blobs/\(client.nothing)"), 404, code: "BLOB_UNKNOWN")
        },
        .init(blobs, .ours, "what a manifest needs stays as long as the manifest") { client in
            let image = try await client.pushImage("image")
            let config = client.digest(client.content("config image"))
            client.expect(try await client.send("DELETE", "/blobs/\(config)"), 405, code: "UNSUPPORTED")
            #expect(try await client.send("DELETE", "/manifests/\(client.digest(image))").status == 202)
            #expect(try await client.send("DELETE", "/blobs/\(config)").status == 202)
        },
    ]

    static let api: [Requirement] = [
        .init("Determining Support", .must, "GET /v2/ is 200") { client in
            for path in ["/v2/", "/v2"] {
                let answer = try await client.send("GET", path)
                #expect(
                    answer.status == 200 && answer["Docker-Distribution-Api-Version"] == "registry/2.0", "\(answer)")
            }
        },
        .init("Determining Support", .may, "whoever must log in is told how") { client in
            let answer = try await client.wire.send("GET", "/v2/")
            switch client.login {
            case .none: #expect(answer.status == 200)
            case .basic:
                client.expect(answer, 401, code: "UNAUTHORIZED")
                #expect(answer["WWW-Authenticate"]?.hasPrefix("Basic realm=\"") == true)
            case .bearer:
                client.expect(answer, 401, code: "UNAUTHORIZED")
                #expect(answer["WWW-Authenticate"]?.hasPrefix("Bearer realm=\"") == true)
            }
            let pull = try await client.wire.send("GET", "/v2/\(client.repository)/tags/list")
            #expect(pull.status == (answer.status == 200 ? 404 : 401))
        },
        .init(errors, .must, "a refusal in JSON has the errors' form, whatever is asked") { client in
            let good = "sha256:\(String(repeating: "0", count: 64))"
            for (method, path, statuses) in [
                ("GET", "/blobs/sha256:zz", [400]), ("GET", "/blobs/md5:00", [400]), ("GET", "/blobs/", [400]),
                ("GET", "/blobs/\(good)x", [400]), ("HEAD", "/blobs/%00", [400]), ("GET", "/manifests/", [400]),
                ("GET", "/blobs/uploads/", [405]), ("GET", "/blobs/uploads/not-an-upload", [404]),
                ("PATCH", "/blobs/uploads/%2e%2e", [404]), ("POST", "/blobs/uploads/?digest=x", [400]),
                ("POST", "/blobs/uploads/?digest=\(good)&digest-algorithm=md5", [400]),
                ("POST", "/manifests/v1", [405]),
                ("PATCH", "/manifests/v1", [405]), ("PUT", "/blobs/\(good)", [405]), ("POST", "/tags/list", [405]),
                ("DELETE", "/tags/list", [405]), ("PUT", "/referrers/\(good)", [405]),
                ("GET", "/nothing/at/all", [404]),
                ("GET", "/tags", [404]), ("GET", "/v2/x", [404]), ("GET", "/v2/../etc/passwd", [400, 404]),
                ("GET", "/v2//tags/list", [400]), ("GET", "/tags/list?n=%", [400]), ("GET", "/%/tags/list", [400]),
                ("GET", "/%ff%fe/tags/list", [400]), ("PUT", "/manifests/v1?tag=v2", [400]), ("POST", "/v2/", [405]),
                ("OPTIONS", "/manifests/v1", [405]),
                ("GET", "/manifests/\(String(repeating: "x", count: 9000))", [400, 414]),
            ] as [(String, String, [Int])] {
                let answer = try await client.send(method, path, body: method == "GET" || method == "HEAD" ? nil : [])
                #expect(statuses.contains(answer.status), "\(method) \(path): \(answer)")
                if method != "HEAD" { client.expect(answer, answer.status) }
                if answer.status == 405 { #expect(answer["Allow"]?.isEmpty == false, "\(method) \(path)") }
            }
        },
        .init(errors, .must, "hostile headers are refused as bad requests or ignored, never with 500") { client in
            let digest = try await client.push(client.content("blob"))
            for (name, value) in [
                ("Range", "bytes=0-18446744073709551616"), ("Range", "bytes=\(String(repeating: "1,", count: 2000))1"),
                ("If-None-Match", "\"\"\"\"\"\""), ("If-Match", ","), ("Accept", "*/*;q=x"), ("Authorization", ""),
                ("If-Range", "garbage"), ("Content-Length", "0"), ("X-Forwarded-Proto", "\"><script>"),
            ] {
                let answer = try await client.wire.send(
                    "GET", "/v2/\(client.repository)/blobs/\(digest)", headers: [name: value])
                #expect((200..<500).contains(answer.status), "\(name): \(value): \(answer)")
            }
            for value in [
                "Basic", "Basic !!!", "Basic Og==", "Bearer", "Bearer x.y.z", "Digest a=b",
                "Basic \(String(repeating: "A", count: 9000))",
            ] {
                let answer = try await client.wire.send("GET", "/v2/", headers: ["Authorization": value])
                if case .none = client.login { #expect(answer.status == 200) } else { client.expect(answer, 401, 429) }
            }
        },
        .init("Warnings", .must, "there are none with another code or agent") { client in
            for path in ["/v2/", "/tags/list", "/manifests/v1"] {
                let warnings = try await client.send("GET", path).all("Warning")
                #expect(warnings.allSatisfy { $0.hasPrefix("299 - \"") } && warnings.joined().utf8.count <= 4096)
            }
        },
    ]

    /// What the specification says after 1.1.
    static let next: [Requirement] = [
        .init(cancel, .should, "DELETE of an upload is 204 and ends it") { client in
            let location = try await client.upload()
            _ = try await client.patch(location, client.content("blob"), at: 0)
            #expect(try await client.send("DELETE", location).status == 204)
            for method in ["GET", "DELETE"] {
                client.expect(try await client.send(method, location), 404, code: "BLOB_UPLOAD_UNKNOWN")
            }
            client.expect(
                try await client.patch(location, client.content("blob"), at: 0), 404, code: "BLOB_UPLOAD_UNKNOWN")
        },
        .init("next: Pushing blobs", .should, "a digest that is invalid or of an unknown algorithm is 400") { client in
            let bytes = client.content("blob")
            for digest in [
                "md5:d41d8cd98f00b204e9800998ecf8427e", "blake3:\(String(repeating: "0", count: 64))", "sha256", "",
                "sha256:0", "SHA256:\(String(repeating: "0", count: 64))",
            ] {
                client.expect(
                    try await client.send("POST", "/blobs/uploads/?digest=\(digest)", body: bytes), 400,
                    code: "DIGEST_INVALID")
                let location = try await client.upload()
                client.expect(
                    try await client.send("PUT", client.adding("digest=\(digest)", to: location), body: bytes), 400,
                    code: "DIGEST_INVALID")
            }
            client.expect(
                try await client.send("POST", "/blobs/uploads/?digest-algorithm=md5", body: []), 400,
                code: "DIGEST_INVALID")
        },
        .init("next: Pushing a blob in chunks", .should, "digest-algorithm is a hint: another may end the upload") {
            client in
            let bytes = client.content("blob", 5000)
            for algorithm in ["sha256", "sha512"] {
                let start = try await client.send("POST", "/blobs/uploads/?digest-algorithm=\(algorithm)", body: [])
                #expect(start.status == 202)
                let location = try client.location(try await client.patch(client.location(start), bytes, at: 0))
                let end = try await client.send(
                    "PUT", client.adding("digest=\(client.digest(bytes))", to: location), body: [])
                #expect(end.status == 201 && end["Docker-Content-Digest"] == "\(client.digest(bytes))", "\(end)")
            }
        },
        .init(parameters, .must, "OCI-Tag names each tag that was made; ten at least") { client in
            let bytes = try await client.manifest("image")
            let names = (1...10).map { "t\($0)" }
            let answer = try await client.put(
                bytes, as: "\(client.digest(bytes))?" + names.map { "tag=\($0)" }.joined(separator: "&"))
            let made = answer.all("OCI-Tag").flatMap { $0.split(separator: ",") }.map {
                String($0.filter { $0 != " " })
            }
            #expect(answer.status == 201 && made == names, "\(answer)")
            for name in names {
                let pulled = try await client.send("GET", "/manifests/\(name)")
                // The digest is the one it was pushed by, not one of our choosing.
                #expect(pulled.body == bytes && pulled["Docker-Content-Digest"] == "\(client.digest(bytes))")
            }
        },
        .init(parameters, .may, "too many tags are 414; a malformed one is 400; then none is made") { client in
            let bytes = try await client.manifest("image")
            let many = (0..<500).map { "tag=t\($0)" }.joined(separator: "&")
            client.expect(try await client.put(bytes, as: "\(client.digest(bytes))?\(many)"), 414)
            for bad in ["tag=v1&tag=.x", "tag=v1&tag=", "tag=v1&tag=a%20b"] {
                client.expect(try await client.put(bytes, as: "\(client.digest(bytes))?\(bad)"), 400)
            }
            #expect(try await client.send("HEAD", "/manifests/v1").status == 404)
            client.expect(try await client.put(bytes, as: "v2?tag=v3"), 400)
        },
        .init("next: Registry Proxying", .may, "`ns` is ignored where nothing is mirrored") { client in
            let bytes = try await client.pushImage("image", tags: ["v1"])
            #expect(try await client.send("GET", "/manifests/v1?ns=registry.example").body == bytes)
        },
    ]
}
