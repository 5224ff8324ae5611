import OCI
import TestSupport
import Testing

extension Requirement {
    private static let tags = "Listing Tags"
    private static let referrers = "Listing Referrers"

    /// All descriptors of a list of referrers, page after page.
    private static func descriptors(_ client: ConformanceClient, _ first: String) async throws -> [Descriptor] {
        var found: [Descriptor] = []
        var path: String? = first
        while let next = path {
            let answer = try await client.send("GET", next)
            try #require(answer.status == 200 && answer["Content-Type"] == ConformanceClient.index, "\(answer)")
            let list = try client.decode(Index.self, answer)
            #expect(list.schemaVersion == 2 && list.mediaType?.rawValue == ConformanceClient.index)
            found += list.manifests
            path = try client.next(answer)
            try #require(found.count < 100)
        }
        return found
    }

    /// Pushes referrers of a subject: two artifacts and two indexes.
    private static func pushReferrers(_ client: ConformanceClient, of subject: [UInt8]) async throws -> [[UInt8]] {
        let field = ",\"subject\":\(client.descriptor(ConformanceClient.image, subject))"
        let note = ",\"annotations\":{\"org.example.note\":\"\(client.repository)\"}"
        let artifact = try await client.manifest(
            "artifact", more: field + note + ",\"artifactType\":\"application/vnd.example.sbom\"")
        let plain = try await client.manifest("plain", more: field, config: "application/vnd.example.config+json")
        let index = client.index([], more: field + note)
        let typed = client.index([], more: field + ",\"artifactType\":\"application/vnd.example.sbom\"")
        for bytes in [artifact, plain] { try #require(try await client.put(bytes).status == 201) }
        for bytes in [index, typed] {
            try #require(try await client.put(bytes, type: ConformanceClient.index).status == 201)
        }
        return [artifact, plain, index, typed]
    }

    static let discovery: [Requirement] = [
        .init(tags, .must, "a repository's tags are 200 with its name and their list") { client in
            _ = try await client.pushImage("image", tags: ["v1", "v2"])
            let (list, answer) = try await client.tags()
            #expect(list == ["v1", "v2"] && answer["Content-Type"] == "application/json" && answer["Link"] == nil)
        },
        .init(tags, .may, "the list is empty where there are no tags") { client in
            let bytes = try await client.pushImage("image")
            #expect(try await client.tags().tags == [])
            _ = try await client.put(bytes, as: "v1")
            _ = try await client.send("DELETE", "/manifests/v1")
            #expect(try await client.tags().tags == [])
        },
        .init(tags, .must, "a repository that is not there is 404") { client in
            client.expect(try await client.send("GET", "/tags/list"), 404, code: "NAME_UNKNOWN")
        },
        .init(tags, .must, "tags are in lexical order, whatever their case") { client in
            let names = ["b", "A", "a", "c", "B", "1", "_", "a.b", "a-b", "Z", "10", "2"]
            _ = try await client.pushImage("image", tags: names)
            let list = try await client.tags().tags
            #expect(Set(list) == Set(names) && list.count == names.count)
            #expect(list.map { $0.lowercased() } == list.map { $0.lowercased() }.sorted(), "\(list)")
        },
        .init(tags, .must, "`n` gives so many, and a Link leads to the rest") { client in
            let names = (0..<23).map { "\($0 % 2 == 0 ? "t" : "T")\($0)" }
            _ = try await client.pushImage("image", tags: names)
            let whole = try await client.tags().tags
            for count in [1, 5, 22] {
                var found: [String] = []
                var path: String? = "/tags/list?n=\(count)"
                while let next = path {
                    let answer = try await client.send("GET", next)
                    let page = try client.decode(ConformanceClient.TagList.self, answer).tags
                    path = try client.next(answer)
                    #expect(page.count == count || path == nil && page.count <= count)
                    found += page
                    try #require(found.count <= whole.count)
                }
                #expect(found == whole)
            }
            for count in [23, 24, 1_000_000] {
                let (list, answer) = try await client.tags("?n=\(count)")
                #expect(list == whole && answer["Link"] == nil)
            }
        },
        .init(tags, .must, "`n` of zero gives an empty list and no Link") { client in
            _ = try await client.pushImage("image", tags: ["v1"])
            for query in ["?n=0", "?n=0&last=a"] {
                let (list, answer) = try await client.tags(query)
                #expect(list == [] && answer["Link"] == nil)
            }
        },
        .init(tags, .must, "`last` begins after that tag, with or without `n`, be it there or not") { client in
            _ = try await client.pushImage("image", tags: ["a", "b", "c", "d", "E"])
            for (query, expected) in [
                ("?last=b", ["c", "d", "E"]), ("?n=2&last=b", ["c", "d"]), ("?last=bb&n=1", ["c"]), ("?last=E", []),
                ("?last=zzz", []), ("?last=0", ["a", "b", "c", "d", "E"]), ("?last=D&n=9", ["d", "E"]),
            ] {
                #expect(try await client.tags(query).tags == expected, "\(query)")
            }
        },
        .init(tags, .ours, "a malformed `n` or `last` is 400") { client in
            _ = try await client.pushImage("image", tags: ["v1"])
            for query in [
                "n=-1", "n=x", "n=", "n=1.5", "n=99999999999999999999", "n=0x1", "last=.a", "last=%00", "last=a/b",
                "last=%ff",
            ] {
                client.expect(try await client.send("GET", "/tags/list?\(query)"), 400)
            }
        },
        .init("_catalog", .ours, "repositories are listed page by page with a Link") { client in
            let bytes = client.content("blob")
            let names = (0..<5).map { "\(client.repository)/c\($0)" }
            for name in names { try await client.push(bytes, to: name) }
            struct Catalog: Decodable { var repositories: [String] }
            var found: [String] = []
            var path: String? = "/v2/_catalog?n=2&last=\(client.repository)"
            while let next = path, found.count < 5 {
                let answer = try await client.send("GET", next)
                try #require(answer.status == 200, "\(answer)")
                let page = try client.decode(Catalog.self, answer).repositories
                #expect((1...2).contains(page.count))
                found += page
                path = try client.next(answer)
            }
            #expect(Array(found.prefix(5)) == names)
            for query in ["n=-1", "n=x", "last=A", "last=a//b", "last=%00"] {
                client.expect(try await client.send("GET", "/v2/_catalog?\(query)"), 400)
            }
        },
        .init(referrers, .must, "a list is 200 and an image index, never 404") { client in
            // Of nothing, in a repository that is not there, and in one that is.
            #expect(try await descriptors(client, "/referrers/\(client.nothing)").isEmpty)
            try await client.push(client.content("blob"))
            #expect(try await descriptors(client, "/referrers/\(client.nothing)").isEmpty)
        },
        .init(referrers, .must, "a malformed digest is 400") { client in
            for digest in ["x", "sha256:", "sha256:zz", "md5:d41d8cd98f00b204e9800998ecf8427e", "v1"] {
                client.expect(try await client.send("GET", "/referrers/\(digest)"), 400, code: "DIGEST_INVALID")
            }
        },
        .init(referrers, .must, "the descriptors are those of the manifests with that subject") { client in
            let subject = try await client.pushImage("subject")
            let pushed = try await pushReferrers(client, of: subject)
            _ = try await pushReferrers(client, of: client.content("another"))
            let found = try await descriptors(client, "/referrers/\(client.digest(subject))")
            #expect(Set(found.map(\.digest)) == Set(pushed.map(client.digest)) && found.count == 4)
            for (bytes, type, artifact) in zip3(
                pushed,
                [ConformanceClient.image, ConformanceClient.image, ConformanceClient.index, ConformanceClient.index],
                [
                    "application/vnd.example.sbom", "application/vnd.example.config+json", nil,
                    "application/vnd.example.sbom",
                ])
            {
                let descriptor = try #require(found.first { $0.digest == client.digest(bytes) })
                #expect(descriptor.mediaType.rawValue == type && descriptor.size == bytes.count)
                #expect(descriptor.artifactType?.rawValue == artifact)
            }
            #expect(
                found.first { $0.digest == client.digest(pushed[0]) }?.annotations == [
                    "org.example.note": client.repository
                ])
            #expect(
                found.first { $0.digest == client.digest(pushed[2]) }?.annotations == [
                    "org.example.note": client.repository
                ])
        },
        .init(referrers, .must, "a list that does not fit goes on behind a Link") { client in
            let subject = try await client.pushImage("subject")
            let pushed = try await pushReferrers(client, of: subject)
            let path = "/referrers/\(client.digest(subject))?n=1"
            #expect(try client.next(try await client.send("GET", path)) != nil)
            let found = try await descriptors(client, path)
            #expect(Set(found.map(\.digest)) == Set(pushed.map(client.digest)) && found.count == 4)
            let filtered = try await descriptors(client, path + "&artifactType=application/vnd.example.sbom")
            #expect(
                filtered.count == 2
                    && filtered.allSatisfy { $0.artifactType?.rawValue == "application/vnd.example.sbom" })
        },
        .init(referrers, .should, "artifactType filters, and OCI-Filters-Applied says so") { client in
            let subject = try await client.pushImage("subject")
            _ = try await pushReferrers(client, of: subject)
            let path = "/referrers/\(client.digest(subject))"
            for (type, count) in [
                ("application/vnd.example.sbom", 2), ("application%2Fvnd.example.config%2Bjson", 1), ("none", 0),
            ] {
                let answer = try await client.send("GET", "\(path)?artifactType=\(type)")
                #expect(answer["OCI-Filters-Applied"] == "artifactType")
                #expect(try client.decode(Index.self, answer).manifests.count == count, "\(type)")
            }
            #expect(try await client.send("GET", path)["OCI-Filters-Applied"] == nil)
        },
        .init(referrers, .must, "what is deleted is listed no more, and what comes back is") { client in
            let subject = try await client.pushImage("subject")
            let pushed = try await pushReferrers(client, of: subject)
            #expect(try await client.send("DELETE", "/manifests/\(client.digest(pushed[0]))").status == 202)
            let path = "/referrers/\(client.digest(subject))"
            #expect(
                Set(try await descriptors(client, path).map(\.digest)) == Set(pushed.dropFirst().map(client.digest)))
            #expect(try await client.put(pushed[0]).status == 201)
            #expect(try await descriptors(client, path).count == 4)
        },
        .init("Referrers Tag Schema", .ours, "an index under the fallback tag is a tag as any other") { client in
            let subject = try await client.pushImage("subject")
            let digest = client.digest(subject)
            let tag = "\(digest.algorithm.rawValue)-\(digest.description.split(separator: ":")[1].prefix(64))"
            let index = client.index([client.descriptor(ConformanceClient.image, subject)])
            #expect(try await client.put(index, as: tag, type: ConformanceClient.index).status == 201)
            #expect(try await client.send("GET", "/manifests/\(tag)").body == index)
            // The list of the API is made from the manifests themselves.
            #expect(try await descriptors(client, "/referrers/\(digest)").isEmpty)
        },
    ]

    private static func zip3<A, B, C>(_ a: [A], _ b: [B], _ c: [C]) -> [(A, B, C)] {
        zip(a, zip(b, c)).map { ($0, $1.0, $1.1) }
    }
}
