import OCI
import RegistryClient
import TestSupport
import Testing

/// Manifests as registries give them: OCI and docker's schema 2, and everything that is none.
@Suite struct ManifestFaultTests {
    private static let hex = String(repeating: "0123456789abcdef", count: 4)

    private static func manifest(_ type: String, config: String, extra: String = "") -> [UInt8] {
        Array(
            #"{"schemaVersion":2,"mediaType":"\#(type)","config":{"mediaType":"\#(config)","digest":"sha256:\#(hex)","size":2},"layers":[]\#(extra)}"#
                .utf8)
    }

    private static let oci = manifest(
        "application/vnd.oci.image.manifest.v1+json", config: "application/vnd.oci.image.config.v1+json")
    private static let schema2 = manifest(
        "application/vnd.docker.distribution.manifest.v2+json",
        config: "application/vnd.docker.container.image.v1+json")
    private static let list = Array(
        #"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json","manifests":[{"mediaType":"application/vnd.docker.distribution.manifest.v2+json","digest":"sha256:\#(hex)","size":7,"platform":{"os":"linux","architecture":"amd64"}}]}"#
            .utf8)
    private static let schema1 = Array(#"{"schemaVersion":1,"name":"a","tag":"b","fsLayers":[],"history":[]}"#.utf8)

    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var outcome: Outcome
        /// The media type of what is found.
        var type: MediaType?
        /// Ask for the digest of these bytes instead of a tag.
        var wanted: [UInt8]?
        var check: @Sendable (RegistryError) -> Bool = { _ in true }
        var reply: @Sendable (HTTPExchange) -> ServerReply
    }

    private static func good(_ name: String, _ bytes: [UInt8], said: String?, _ type: MediaType) -> Case {
        Case(testDescription: name, outcome: .fine, type: type) { _ in
            ServerReply(200, headers: said.map { [("Content-Type", $0)] } ?? [], .bytes(bytes))
        }
    }

    private static func bad(
        _ name: String, _ outcome: Outcome, wanted: [UInt8]? = nil,
        check: @escaping @Sendable (RegistryError) -> Bool = { _ in true },
        reply: @escaping @Sendable (HTTPExchange) -> ServerReply
    ) -> Case {
        Case(testDescription: name, outcome: outcome, wanted: wanted, check: check, reply: reply)
    }

    private static func error(_ status: Int, _ code: String, _ message: String)
        -> @Sendable (HTTPExchange) -> ServerReply
    {
        { _ in ServerReply(status, text: #"{"errors":[{"code":"\#(code)","message":"\#(message)"}]}"#) }
    }

    static let cases: [Case] = [
        good("OCI", oci, said: "application/vnd.oci.image.manifest.v1+json", .ociManifest),
        good("OCI as text", oci, said: "text/plain", .ociManifest),
        good("OCI without a type", oci, said: nil, .ociManifest),
        good("schema 2", schema2, said: "application/vnd.docker.distribution.manifest.v2+json", .dockerManifest),
        good(
            "a list of schema 2", list, said: "application/vnd.docker.distribution.manifest.list.v2+json",
            .dockerIndex),
        bad("schema 1", .document) { _ in ServerReply(200, .bytes(schema1)) },
        bad("an index that says to be a manifest", .document) { _ in
            ServerReply(200, headers: [("Content-Type", "application/vnd.oci.image.manifest.v1+json")], .bytes(list))
        },
        bad("text", .document) { _ in ServerReply(200, text: "<html>") },
        bad("nothing", .document) { _ in ServerReply(200) },
        bad("10,000 deep", .document) { _ in
            ServerReply(200, text: String(repeating: "[", count: 10_000) + String(repeating: "]", count: 10_000))
        },
        bad("more than the limit, announced", .registry(.invalidAnswer), check: { $0.message.contains("limit") }) { _ in
            ServerReply(200, .stalled([UInt8](repeating: 0x20, count: 100), announced: Limits.manifestBytes + 1))
        },
        bad("endless", .registry(.invalidAnswer), check: { $0.message.contains("limit") }) { _ in
            ServerReply(200, .endless([UInt8](repeating: 0x20, count: 64 << 10)))
        },
        bad("another digest than asked for", .registry(.invalidAnswer), wanted: schema2) { _ in
            ServerReply(200, .bytes(oci))
        },
        bad("another digest than it says", .registry(.invalidAnswer)) { _ in
            ServerReply(200, headers: [("Docker-Content-Digest", "sha256:\(hex)")], .bytes(oci))
        },
        bad("the digest that was asked for", .fine, wanted: oci) { _ in
            ServerReply(200, headers: [("Docker-Content-Digest", "sha512:\(hex)\(hex)")], .bytes(oci))
        },
        bad(
            "unknown manifest", .registry(.manifestUnknown), check: { $0.message == "manifest unknown: gone" },
            reply: error(404, "MANIFEST_UNKNOWN", "gone")),
        bad("unknown name", .registry(.nameUnknown), reply: error(404, "NAME_UNKNOWN", "no such thing")),
        bad("404 without a word", .registry(.manifestUnknown)) { _ in ServerReply(404) },
        bad("404 with a page", .registry(.manifestUnknown)) { _ in ServerReply(404, text: "<h1>Not Found</h1>") },
        bad("denied", .registry(.denied), reply: error(403, "DENIED", "no")),
        bad("denied by an answer 401", .registry(.denied), reply: error(401, "DENIED", "no")),
        bad(
            "an error that steers the terminal", .registry(.rejected),
            check: { !$0.description.unicodeScalars.contains { $0.value < 0x20 } },
            reply: error(400, "BAD", #"a\u001b[2Jb\u202ec\nd"#)),
        bad(
            "a long error", .registry(.rejected), check: { $0.description.utf8.count < 1000 },
            reply: error(400, "BAD", String(repeating: "x", count: 60_000))),
        bad("a very long error", .registry(.rejected), check: { $0.description.utf8.count < 1000 }) { _ in
            ServerReply(400, .endless([UInt8](repeating: 0x78, count: 16 << 10)))
        },
    ]

    @Test(arguments: cases) func aManifestIsTakenOrRefused(_ row: Case) async throws {
        try await FaultServer.with({ $0.path.contains("/manifests/") ? row.reply($0) : ServerReply(200) }) { server in
            try await withClient { client in
                var reference = try Reference(parsing: "\(server.authority)/team/app:1")
                if let wanted = row.wanted { reference = reference.with(digest: Digest.sha256(of: wanted)) }
                let (outcome, error) = try await Outcome.of {
                    let resolved = try await client.resolve(reference)
                    #expect(resolved.descriptor.digest == Digest.sha256(of: resolved.bytes))
                    #expect(resolved.descriptor.size == Int64(resolved.bytes.count))
                    if let type = row.type { #expect(resolved.descriptor.mediaType == type) }
                }
                #expect(outcome == row.outcome, "\(error?.description ?? "")")
                if let error { #expect(row.check(error), "\(error)") }
                let asked = server.requests.first { $0.path.contains("/manifests/") }
                let accepted = asked?.headers.filter { $0.name == "Accept" }.map(\.value) ?? []
                #expect(accepted.contains("application/vnd.oci.image.index.v1+json"))
                #expect(accepted.contains("application/vnd.docker.distribution.manifest.v2+json"))
            }
        }
    }

    @Test func aHeadThatTellsNoDigestIsNoAnswer() async throws {
        let full = [
            ("Docker-Content-Digest", "sha256:\(Self.hex)"), ("Content-Length", "10"),
            ("Content-Type", "application/vnd.oci.image.index.v1+json"),
        ]
        for missing in [nil, 0, 1, 2] {
            let headers = full.enumerated().filter { $0.offset != missing }.map(\.element)
            try await FaultServer.with({ $0.method == "HEAD" ? ServerReply(200, headers: headers) : ServerReply(200) })
            {
                server in
                try await withClient { client in
                    let head = try await client.head(Reference(parsing: "\(server.authority)/team/app"))
                    #expect((head == nil) == (missing != nil), "without \(missing.map { full[$0].0 } ?? "nothing")")
                    #expect(server.requests("HEAD", "/v2/team/app/manifests/latest").count == 1)
                }
            }
        }
    }

    @Test func tagsAreReadPageByPage() async throws {
        let handler: FaultServer.Handler = { request in
            guard request.path.hasSuffix("/tags/list") else { return ServerReply(200) }
            switch request.query {
            case "n=1000":
                // Another host in the link is not followed there.
                return ServerReply(
                    200, headers: [("Link", #"<http://elsewhere.invalid/v2/team/app/tags/list?last=b>; rel="next""#)],
                    text: #"{"name":"team/app","tags":["a","b","not a tag"]}"#)
            case "last=b":
                return ServerReply(
                    200, headers: [("Link", #"<?last=c>; rel="next""#)], text: #"{"tags":["c"]}"#)
            default: return ServerReply(200, text: #"{"tags":null}"#)
            }
        }
        try await FaultServer.with(handler) { server in
            try await withClient { client in
                let tags = try await client.tags(of: Reference(parsing: "\(server.authority)/team/app"))
                #expect(tags == ["a", "b", "c"])
            }
        }
    }

    @Test func tagsThatLeadInACircleEnd() async throws {
        let handler: FaultServer.Handler = {
            ServerReply(200, headers: [("Link", "<\($0.path)?\($0.query)>; rel=\"next\"")], text: #"{"tags":["a"]}"#)
        }
        try await FaultServer.with(handler) { server in
            try await withClient { client in
                let reference = try Reference(parsing: "\(server.authority)/team/app")
                let (outcome, _) = try await Outcome.of { _ = try await client.tags(of: reference) }
                #expect(outcome == .registry(.invalidAnswer))
            }
        }
    }
}
