import OCI
import TestSupport
import Testing

extension Requirement {
    private static let push = "Push"
    private static let manifests = "Pushing Manifests"
    private static let subjects = "Pushing Manifests with Subject"

    /// Puts the tag `live` under a condition.
    private static func putLive(
        _ client: ConformanceClient, _ bytes: [UInt8], _ header: String, _ value: String
    ) async throws -> Int {
        try await client.put(bytes, as: "live", headers: [header: value]).status
    }

    static let manifestPush: [Requirement] = [
        .init(push, .must, "a manifest whose subject is not there is taken") { client in
            let subject = try await client.manifest("subject")
            let bytes = try await client.manifest(
                "about", more: ",\"subject\":\(client.descriptor(ConformanceClient.image, subject))")
            #expect(try await client.put(bytes).status == 201)
            // In either order: the subject comes later.
            #expect(try await client.put(subject).status == 201)
            let list = try client.decode(
                Index.self, try await client.send("GET", "/referrers/\(client.digest(subject))"))
            #expect(list.manifests.map(\.digest) == [client.digest(bytes)])
        },
        .init(push, .must, "a manifest that refers to what is not there is MANIFEST_BLOB_UNKNOWN") { client in
            let blob = client.content("blob")
            try await client.push(blob)
            let missing = client.content("missing")
            let config = client.descriptor(ConformanceClient.config, blob)
            let lost = client.descriptor(ConformanceClient.layer, missing)
            for (config, layers) in [
                (lost, ""), (config, lost), (config, "\(client.descriptor(ConformanceClient.layer, blob)),\(lost)"),
            ] {
                let bytes = Array(
                    #"{"schemaVersion":2,"mediaType":"\#(ConformanceClient.image)","config":\#(config),"layers":[\#(layers)]}"#
                        .utf8)
                let answer = try await client.put(bytes)
                client.expect(answer, 404, code: "MANIFEST_BLOB_UNKNOWN")
                #expect(answer.text.contains("\(client.digest(missing))"))
                #expect(try await client.send("HEAD", "/manifests/\(client.digest(bytes))").status == 404)
            }
            let index = client.index([client.descriptor(ConformanceClient.image, missing)])
            client.expect(
                try await client.put(index, type: ConformanceClient.index), 404, code: "MANIFEST_BLOB_UNKNOWN")
        },
        .init(manifests, .must, "PUT is 201 with the Location of a manifest that can be pulled") { client in
            let bytes = try await client.manifest("image")
            for reference in ["v1", "\(client.digest(bytes))"] {
                let answer = try await client.put(bytes, as: reference)
                #expect(answer.status == 201, "\(answer)")
                let pulled = try await client.send("GET", try client.location(answer))
                #expect(pulled.status == 200 && pulled.body == bytes)
            }
        },
        .init(manifests, .must, "Docker-Content-Digest equals the client's digest") { client in
            let bytes = try await client.manifest("image")
            #expect(try await client.put(bytes)["Docker-Content-Digest"] == "\(client.digest(bytes))")
            // By a tag it is the canonical one.
            #expect(try await client.put(bytes, as: "v1")["Docker-Content-Digest"] == "\(Digest.sha256(of: bytes))")
        },
        .init(manifests, .must, "the exact bytes are stored") { client in
            let config = client.content("config")
            try await client.push(config)
            let bytes = Array(
                """
                  {"unknown" : {"a":[1, 2.50, null, "\\u00e9é"]},\r\n\t"layers":[ ],
                "config": \(client.descriptor(ConformanceClient.config, config, ",\"data\":\"e30=\"")),
                 "mediaType":"\(ConformanceClient.image)", "schemaVersion" :2}\n\n
                """.utf8)
            #expect(try await client.put(bytes).status == 201)
            #expect(try await client.send("GET", "/manifests/\(client.digest(bytes))").body == bytes)
        },
        .init(manifests, .must, "a manifest may have no layers, and an index nothing") { client in
            let bytes = try await client.manifest("empty", layers: 0)
            #expect(try await client.put(bytes).status == 201)
            #expect(try await client.put(client.index([]), type: ConformanceClient.index).status == 201)
        },
        .init(manifests, .must, "another digest than the bytes' is refused") { client in
            let bytes = try await client.manifest("image")
            client.expect(try await client.put(bytes, as: "\(client.nothing)"), 400, code: "DIGEST_INVALID")
            client.expect(
                try await client.put(bytes + [32], as: "\(client.digest(bytes))"), 400, code: "DIGEST_INVALID")
            #expect(try await client.send("HEAD", "/manifests/\(client.digest(bytes))").status == 404)
        },
        .init(manifests, .should, "parameters of the Content-Type are ignored") { client in
            let bytes = try await client.manifest("image")
            for type in ["; charset=utf-8", ";x=\"y\"", " ; a=b; c=d"] {
                let answer = try await client.put(bytes, as: "v1", type: ConformanceClient.image + type)
                #expect(answer.status == 201, "\(answer)")
                #expect(try await client.send("GET", "/manifests/v1")["Content-Type"] == ConformanceClient.image)
            }
        },
        .init(manifests, .must, "every form of manifest goes in and comes out as what it is") { client in
            let image = try await client.pushImage("image")
            let docker = try await client.manifest(
                "docker", type: ConformanceClient.dockerImage, config: "application/vnd.docker.container.image.v1+json")
            let artifact = try await client.manifest(
                "artifact", more: ",\"artifactType\":\"application/vnd.example\"",
                config: "application/vnd.oci.empty.v1+json")
            let platform = #","platform":{"os":"linux","architecture":"amd64"}"#
            let list = client.index([client.descriptor(ConformanceClient.image, image, platform)])
            let documents: [([UInt8], String)] = [
                (image, ConformanceClient.image), (docker, ConformanceClient.dockerImage),
                (artifact, ConformanceClient.image),
                (list, ConformanceClient.index),
                (client.index([client.descriptor(ConformanceClient.index, list)]), ConformanceClient.index),
                (
                    client.index(
                        [client.descriptor(ConformanceClient.dockerImage, docker, platform)],
                        type: ConformanceClient.dockerIndex),
                    ConformanceClient.dockerIndex
                ),
            ]
            for (bytes, type) in documents {
                let put = try await client.put(bytes, type: type)
                #expect(put.status == 201, "\(type): \(put)")
                let answer = try await client.send("GET", "/manifests/\(client.digest(bytes))")
                #expect(answer.body == bytes && answer["Content-Type"] == type)
            }
        },
        .init(manifests, .must, "the blobs of layers that may not be distributed need not be here") { client in
            let config = client.content("config")
            try await client.push(config)
            let layer = client.descriptor(
                "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", client.content("elsewhere"),
                #","urls":["https://example.com/layer"]"#)
            let bytes = Array(
                #"{"schemaVersion":2,"mediaType":"\#(ConformanceClient.image)","config":\#(client.descriptor(ConformanceClient.config, config)),"layers":[\#(layer)]}"#
                    .utf8)
            let answer = try await client.put(bytes)
            #expect(answer.status == 201, "\(answer)")
        },
        .init(manifests, .ours, "what is no manifest is MANIFEST_INVALID") { client in
            let bytes = try await client.manifest("image")
            let text = String(decoding: bytes, as: UTF8.self)
            let cases: [(String, String)] = [
                ("", ConformanceClient.image), ("{", ConformanceClient.image), ("[]", ConformanceClient.image),
                ("null", ConformanceClient.image),
                ("{}", ConformanceClient.image), (text + "}", ConformanceClient.image), (text, ConformanceClient.index),
                (text, ConformanceClient.dockerImage),
                (text.replacing("\"schemaVersion\":2", with: "\"schemaVersion\":1"), ConformanceClient.image),
                (text.replacing("\"size\":200", with: "\"size\":201"), ConformanceClient.image),
                (text.replacing("\"size\":200", with: "\"size\":-1"), ConformanceClient.image),
                (text.replacing("\"size\":200", with: "\"size\":\"200\""), ConformanceClient.image),
                (
                    text.replacing("\(client.digest(client.content("config image")))", with: "sha256:x"),
                    ConformanceClient.image
                ),
                (text.replacing("\"layers\":[", with: "\"layers\":[7,"), ConformanceClient.image),
                ("\u{0}", ConformanceClient.image), (String(repeating: "[", count: 5000), ConformanceClient.image),
            ]
            for (text, type) in cases {
                client.expect(
                    try await client.put(Array(text.utf8), as: "v1", type: type), 400, code: "MANIFEST_INVALID")
            }
            client.expect(try await client.put([0x7b, 0xff, 0xfe, 0x7d], as: "v1"), 400, code: "MANIFEST_INVALID")
            #expect(try await client.send("HEAD", "/manifests/v1").status == 404)
        },
        .init(manifests, .must, "to pull from a repository that is not there is 404") { client in
            for path in ["/manifests/v1", "/manifests/\(client.nothing)", "/blobs/\(client.nothing)"] {
                client.expect(try await client.send("GET", path), 404)
            }
        },
        .init(manifests, .should, "a manifest of 4 MB is taken, and a limit is told with 413") { client in
            let bytes = try await client.manifest(
                "large", more: ",\"annotations\":{\"a\":\"\(String(repeating: "a", count: 4_000_000))\"}")
            #expect(try await client.put(bytes, as: "large").status == 201)
            #expect(try await client.send("GET", "/manifests/large").body == bytes)
            // Told before the bytes are sent, and noticed while they come.
            let limit = 64 << 20
            let announced = try await client.send(
                "PUT", "/manifests/larger",
                headers: [
                    "Content-Type": ConformanceClient.image, "Content-Length": "\(limit)", "Expect": "100-continue",
                ], body: [])
            client.expect(announced, 413, code: "SIZE_INVALID")
        },
        .init(manifests, .ours, "a push with a condition happens only where it holds") { client in
            let (one, two) = (try await client.manifest("one"), try await client.manifest("two"))
            #expect(try await putLive(client, one, "If-Match", "*") == 412)
            #expect(try await putLive(client, one, "If-None-Match", "*") == 201)
            #expect(try await putLive(client, two, "If-None-Match", "*") == 412)
            #expect(try await putLive(client, two, "If-Match", "\"\(client.nothing)\"") == 412)
            #expect(try await client.send("GET", "/manifests/live").body == one)
            #expect(try await putLive(client, two, "If-Match", "\"\(Digest.sha256(of: one))\"") == 201)
            #expect(try await client.send("GET", "/manifests/live").body == two)
        },
        .init(subjects, .must, "OCI-Subject tells that the subject was seen") { client in
            let subject = try await client.pushImage("subject")
            let field = ",\"subject\":\(client.descriptor(ConformanceClient.image, subject))"
            let image = try await client.manifest("about", more: field)
            #expect(try await client.put(image)["OCI-Subject"] == "\(client.digest(subject))")
            #expect(try await client.put(image, as: "v1")["OCI-Subject"] == "\(client.digest(subject))")
            let index = client.index([], more: field)
            #expect(
                try await client.put(index, type: ConformanceClient.index)["OCI-Subject"] == "\(client.digest(subject))"
            )
            #expect(try await client.put(try await client.manifest("plain"))["OCI-Subject"] == nil)
        },
    ]
}
