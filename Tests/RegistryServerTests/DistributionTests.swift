import OCI
import RegistryServer
import TestSupport
import Testing

/// The distribution API over the wire, each test named by the section of the distribution-spec it is about.
struct DistributionTests {
    private static let algorithms = Digest.Algorithm.allCases

    private func digest(_ bytes: [UInt8], _ algorithm: Digest.Algorithm) -> Digest {
        var hasher = DigestHasher(algorithm)
        hasher.update(bytes)
        return hasher.finalize()
    }

    private func bytes(_ count: Int, seed: UInt8 = 1) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ Int(seed)) }
    }

    @discardableResult
    private func push(_ bytes: [UInt8], _ algorithm: Digest.Algorithm = .sha256, to name: String, _ client: WireClient)
        async throws -> Digest
    {
        let digest = digest(bytes, algorithm)
        let answer = try await client.send("POST", "/v2/\(name)/blobs/uploads/?digest=\(digest)", body: bytes)
        #expect(answer.status == 201, "\(answer)")
        return digest
    }

    private func manifest(config: Digest, _ size: Int, subject: Digest? = nil, annotation: String = "") -> [UInt8] {
        let type = "application/vnd.oci.image.manifest.v1+json"
        let about = subject.map { ",\"subject\":{\"mediaType\":\"\(type)\",\"digest\":\"\($0)\",\"size\":2}" } ?? ""
        return Array(
            """
            {"schemaVersion":2,"mediaType":"\(type)","config":{"mediaType":"application/vnd.test.config",\
            "digest":"\(config)","size":\(size)},"layers":[]\(about),"annotations":{"note":"\(annotation)"}}
            """.utf8)
    }

    private let type = "application/vnd.oci.image.manifest.v1+json"

    @Test(arguments: algorithms) func pushingABlobMonolithically(_ algorithm: Digest.Algorithm) async throws {
        try await TestRegistry.run { registry in
            let client = registry.client
            let blob = bytes(100_000)
            let name = digest(blob, algorithm)
            let missing = try await client.send("GET", "/v2/a/b/blobs/\(name)")
            #expect(missing.status == 404 && missing.text.contains("BLOB_UNKNOWN"))
            let start = try await client.send("POST", "/v2/a/b/blobs/uploads/", body: [])
            #expect(start.status == 202)
            let location = try #require(start["Location"])
            let end = try await client.send("PUT", "\(location)?digest=\(name)", body: blob)
            #expect(end.status == 201 && end["Docker-Content-Digest"] == "\(name)")
            let got = try await client.send("GET", try #require(end["Location"]))
            #expect(got.status == 200 && got.body == blob && got["Docker-Content-Digest"] == "\(name)")
            let head = try await client.send("HEAD", "/v2/a/b/blobs/\(name)")
            #expect(head.status == 200 && head["Content-Length"] == "100000" && head.body.isEmpty)
            let wrong = try await client.send("POST", "/v2/a/b/blobs/uploads/?digest=\(name)", body: bytes(7))
            #expect(wrong.status == 400 && wrong.text.contains("DIGEST_INVALID"))
            #expect(try registry.registry.storage.uploads().isEmpty)
        }
    }

    @Test(arguments: algorithms) func pushingABlobInChunks(_ algorithm: Digest.Algorithm) async throws {
        try await TestRegistry.run { registry in
            let client = registry.client
            let blob = bytes(3000)
            let name = digest(blob, algorithm)
            let start = try await client.send("POST", "/v2/a/blobs/uploads/", body: [])
            let location = try #require(start["Location"])
            let first = try await client.send(
                "PATCH", location, headers: ["Content-Range": "0-999"], body: Array(blob[..<1000]))
            #expect(first.status == 202 && first["Range"] == "0-999")
            for range in ["2000-2999", "0-999", "5-1", "x", "bytes 1000-1999/3000"] {
                let skipped = try await client.send(
                    "PATCH", location, headers: ["Content-Range": range], body: Array(blob[2000...]))
                #expect(skipped.status == 416 && skipped["Range"] == "0-999", "\(range): \(skipped)")
            }
            let status = try await client.send("GET", location)
            #expect(status.status == 204 && status["Range"] == "0-999")
            // The connection breaks off inside a chunk: what came is kept, and the client goes on from there.
            _ = try await client.send("PATCH", location, body: Array(blob[1000..<2000]), cut: 0)
            // While the registry has not seen the end of that one, it says that the upload is in use: then once more.
            func patiently(_ method: String, _ target: String, _ range: Range<Int>) async throws -> WireClient.Answer {
                let deadline = ContinuousClock.now + .seconds(60)
                while true {
                    let answer = try await client.send(
                        method, target, headers: ["Content-Range": "\(range.lowerBound)-\(range.upperBound - 1)"],
                        body: Array(blob[range]))
                    if answer.status != 409 || ContinuousClock.now > deadline { return answer }
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
            let second = try await patiently("PATCH", location, 1000..<2000)
            #expect(second.status == 202, "\(second)")
            let end = try await patiently("PUT", "\(location)?digest=\(name)", 2000..<3000)
            #expect(end.status == 201, "\(end)")
            #expect(try await client.send("GET", "/v2/a/blobs/\(name)").body == blob)
            #expect(try await client.send("GET", location).status == 404)
        }
    }

    @Test func cancelAndMount() async throws {
        try await TestRegistry.run { registry in
            let client = registry.client
            let location = try #require(try await client.send("POST", "/v2/a/blobs/uploads/", body: [])["Location"])
            #expect(try await client.send("DELETE", location).status == 204)
            #expect(try await client.send("GET", location).status == 404)
            let digest = try await push(bytes(10), to: "a", client)
            for query in ["mount=\(digest)&from=a", "mount=\(digest)"] {
                let mounted = try await client.send("POST", "/v2/c/blobs/uploads/?\(query)", body: [])
                #expect(mounted.status == 201 && mounted["Location"] == "/v2/c/blobs/\(digest)")
                #expect(try await client.send("DELETE", "/v2/c/blobs/\(digest)").status == 202)
                #expect(try await client.send("GET", "/v2/c/blobs/\(digest)").status == 404)
            }
            let elsewhere = try await client.send("POST", "/v2/c/blobs/uploads/?mount=\(digest)&from=b", body: [])
            #expect(elsewhere.status == 202)
        }
    }

    @Test(
        arguments: [
            ("bytes=2-4", 206, 2..<5), ("bytes=7-", 206, 7..<10), ("bytes=-3", 206, 7..<10),
            ("bytes=0-99", 206, 0..<10),
            ("lines=1-2", 200, 0..<10), ("bytes=4-2", 416, nil), ("bytes=10-", 416, nil), ("bytes=-0", 416, nil),
            ("bytes=a-b", 416, nil), ("bytes=", 416, nil), ("bytes=99999999999999999999-", 416, nil),
        ] as [(String, Int, Range<Int>?)])
    func pullingBlobsByRange(_ range: String, _ status: Int, _ part: Range<Int>?) async throws {
        try await TestRegistry.run { registry in
            let blob = bytes(10)
            let digest = try await push(blob, to: "a", registry.client)
            let answer = try await registry.client.send("GET", "/v2/a/blobs/\(digest)", headers: ["Range": range])
            #expect(answer.status == status)
            if let part {
                #expect(answer.body == Array(blob[part]))
            } else {
                #expect(answer.text.contains("\"errors\""))
            }
        }
    }

    @Test(arguments: algorithms) func pushingManifestsAndReferrers(_ algorithm: Digest.Algorithm) async throws {
        try await TestRegistry.run { registry in
            let client = registry.client
            let headers = ["Content-Type": type]
            let config = bytes(20)
            let image = manifest(config: digest(config, algorithm), config.count)
            let name = digest(image, algorithm)
            let early = try await client.send("PUT", "/v2/a/manifests/\(name)", headers: headers, body: image)
            #expect(early.status == 404 && early.text.contains("MANIFEST_BLOB_UNKNOWN"))
            try await push(config, algorithm, to: "a", client)
            let put = try await client.send(
                "PUT", "/v2/a/manifests/\(name)?tag=v1&tag=v2", headers: headers, body: image)
            #expect(put.status == 201 && put.all("OCI-Tag") == ["v1", "v2"], "\(put)")
            for reference in ["v1", "v2", "\(name)"] {
                let got = try await client.send("GET", "/v2/a/manifests/\(reference)")
                #expect(got.body == image && got["Content-Type"] == type && got["Docker-Content-Digest"] == "\(name)")
                let cached = try await client.send(
                    "GET", "/v2/a/manifests/\(reference)", headers: ["If-None-Match": "\"\(name)\""])
                #expect(cached.status == 304 && cached.body.isEmpty)
            }
            let inUse = try await client.send("DELETE", "/v2/a/blobs/\(digest(config, algorithm))")
            #expect(inUse.status == 405)
            let none = try await client.send("GET", "/v2/never/referrers/\(name)")
            #expect(none.status == 200 && none["Content-Type"] == "application/vnd.oci.image.index.v1+json")
            let about = manifest(config: digest(config, algorithm), config.count, subject: name, annotation: "x")
            let referrer = try await client.send(
                "PUT", "/v2/a/manifests/\(digest(about, algorithm))", headers: headers, body: about)
            #expect(referrer.status == 201 && referrer["OCI-Subject"] == "\(name)")
            let list = try await client.send(
                "GET", "/v2/a/referrers/\(name)?artifactType=application%2Fvnd.test.config")
            #expect(list["OCI-Filters-Applied"] == "artifactType" && list.text.contains("\(digest(about, algorithm))"))
            let filtered = try await client.send("GET", "/v2/a/referrers/\(name)?artifactType=other")
            #expect(!filtered.text.contains("\(digest(about, algorithm))"))
            #expect(try await client.send("DELETE", "/v2/a/manifests/\(name)").status == 202)
            #expect(try await client.send("GET", "/v2/a/manifests/v1").status == 404)
            let entries = try await registry.registry.database.read {
                try $0.history(of: RepositoryName(parsing: "a"))
            }
            #expect(entries.map(\.tag) == ["v1", "v2", "v1", "v2"] && entries.last?.digest == nil)
            #expect(HistoryChain.problem(in: entries) == nil)
        }
    }

    @Test func listingTags() async throws {
        try await TestRegistry.run { registry in
            let client = registry.client
            #expect(try await client.send("GET", "/v2/a/tags/list").text.contains("NAME_UNKNOWN"))
            let config = try await push(bytes(5), to: "a", client)
            for tag in ["b", "A", "a", "c"] {
                let put = try await client.send(
                    "PUT", "/v2/a/manifests/\(tag)", headers: ["Content-Type": type], body: manifest(config: config, 5))
                #expect(put.status == 201)
            }
            #expect(try await client.send("GET", "/v2/a/tags/list").text == #"{"name":"a","tags":["A","a","b","c"]}"#)
            let page = try await client.send("GET", "/v2/a/tags/list?n=2")
            #expect(page.text.contains(#"["A","a"]"#) && page["Link"] == #"</v2/a/tags/list?n=2&last=a>; rel="next""#)
            let rest = try await client.send("GET", "/v2/a/tags/list?n=2&last=a")
            #expect(rest.text.contains(#"["b","c"]"#) && rest["Link"] == nil)
            let zero = try await client.send("GET", "/v2/a/tags/list?n=0")
            #expect(zero.text.contains(#""tags":[]"#) && zero["Link"] == nil)
            #expect(try await client.send("GET", "/v2/a/tags/list?n=-1").status == 400)
        }
    }

    /// Whatever is asked, the answer is a 4xx in JSON, never a 500.
    @Test(arguments: [
        ("GET", "/v2/a/blobs/sha256:zz", 400), ("GET", "/v2/a/blobs/md5:00", 400), ("GET", "/v2/A/manifests/x", 400),
        ("GET", "/v2/a/manifests/.x", 400), ("PUT", "/v2/a/manifests/sha256:bad", 400),
        ("GET", "/v2/a//b/tags/list", 400), ("GET", "/v2/../x/tags/list", 400), ("GET", "/v2/a/tags/list?n=x", 400),
        ("GET", "/v2/a%zz/tags/list", 400), ("GET", "/v2/a%ff/tags/list", 400), ("GET", "/nothing", 404),
        ("POST", "/v2/a/blobs/uploads/?mount=x", 400), ("POST", "/v2/a/blobs/uploads/?digest-algorithm=md5", 400),
        ("GET", "/v2/a/blobs/uploads/not-an-upload", 404), ("POST", "/v2/", 405), ("PATCH", "/v2/a/manifests/x", 405),
    ])
    func malformedRequests(_ method: String, _ target: String, _ status: Int) async throws {
        try await TestRegistry.run { registry in
            let answer = try await registry.client.send(method, target, body: method == "GET" ? nil : [])
            #expect(answer.status == status && answer.text.hasPrefix(#"{"errors":[{"code":"#), "\(answer)")
        }
    }

    /// An upload outlives the process: the bytes and the place come from the disk.
    @Test func anUploadIsResumedByALaterServer() async throws {
        let directory = try TemporaryDirectory()
        let blob = bytes(5000)
        let name = try RepositoryName(parsing: "a")
        let first = try Registry(root: directory.path)
        let id = try await first.startUpload(to: name, hashing: .sha256)
        try await first.withUpload(id, of: name) { upload in
            try unsafe blob[..<2000].withUnsafeBytes { try unsafe upload.append($0) }
        }
        try first.database.close()
        let second = try Registry(root: directory.path)
        let digest = digest(blob, .sha256)
        try await second.withUpload(id, of: name) { upload in
            #expect(upload.offset == 2000)
            try unsafe blob[2000...].withUnsafeBytes { try unsafe upload.append($0) }
            try await second.finish(upload, id, as: digest, in: name)
        }
        #expect(try await second.blob(digest, in: name, building: false) == 5000)
        #expect(try second.storage.problem(with: digest, size: 5000) == nil)
        #expect(try second.storage.uploads().isEmpty)
        try second.database.close()
    }
}
