import Content
import OCI
import RegistryClient
import RegistryServer
import TestSupport
import Testing

/// Other registries' repositories, handed on and kept.
struct MirrorTests {
    /// A small image and how it is pushed, to whatever registry.
    private struct Image {
        let layer: [UInt8]
        let config: [UInt8]
        let manifest: [UInt8]
        static let type = "application/vnd.oci.image.manifest.v1+json"

        var digest: Digest { .sha256(of: manifest) }

        init(_ seed: UInt8, layerBytes: Int = 300_000) {
            layer = (0..<layerBytes).map { UInt8(truncatingIfNeeded: $0 / 7) ^ seed }
            config = Array(
                #"{"architecture":"amd64","os":"linux","author":"\#(seed)","rootfs":{"type":"layers","diff_ids":[]}}"#
                    .utf8)
            manifest = Array(
                """
                {"schemaVersion":2,"mediaType":"\(Self.type)","config":{"mediaType":\
                "application/vnd.oci.image.config.v1+json","digest":"\(Digest.sha256(of: config))","size":\(config.count)},\
                "layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"\(Digest.sha256(of: layer))",\
                "size":\(layer.count)}]}
                """.utf8)
        }

        func push(to client: WireClient, _ name: String, _ tag: String) async throws {
            for bytes in [layer, config] {
                let start = try await client.send("POST", "/v2/\(name)/blobs/uploads/", body: [])
                let location = start["Location"] ?? ""
                let path = location.hasPrefix("http") ? "/" + location.split(separator: "/", maxSplits: 2)[2] : location
                let mark = path.contains("?") ? "&" : "?"
                let put = try await client.send(
                    "PUT", "\(path)\(mark)digest=\(Digest.sha256(of: bytes))",
                    headers: ["Content-Type": "application/octet-stream"], body: bytes)
                #expect(put.status == 201, "\(put)")
            }
            let put = try await client.send(
                "PUT", "/v2/\(name)/manifests/\(tag)", headers: ["Content-Type": Self.type], body: manifest)
            #expect(put.status == 201, "\(put)")
        }
    }

    /// A registry that mirrors what listens at a port as `up.test`.
    private func mirror<Result>(
        of port: Int, _ change: (inout RegistryServerConfiguration) throws -> Void = { _ in },
        _ body: (TestRegistry) async throws -> Result
    ) async throws -> Result {
        try await TestRegistry.run { configuration in
            configuration.mirrors.upstreams = [try Upstream(parsing: "up.test=http://127.0.0.1:\(port)")]
            try change(&configuration)
        } _: {
            try await body($0)
        }
    }

    private func blob(_ bytes: [UInt8]) -> String { "/v2/up.test/team/app/blobs/\(Digest.sha256(of: bytes))" }

    @Test func whatWasPulledStaysWhenTheUpstreamIsGone() async throws {
        let image = Image(1)
        try await keeps(image) { body in
            try await TestRegistry.run { upstream in
                try await image.push(to: upstream.client, "team/app", "v1")
                try await body(upstream.server.port)
            }
        }
    }

    @Test func debiansRegistryIsAnUpstreamToo() async throws {
        let image = Image(2)
        try await keeps(image) { body in
            let upstream = try DockerRegistry()
            defer { upstream.stop() }
            let port = Int(upstream.authority.split(separator: ":")[1]) ?? 0
            try await image.push(to: WireClient(port: port), "team/app", "v1")
            try await body(port)
        }
    }

    /// Pulls through a mirror while the upstream runs, and again when it does not.
    private func keeps(_ image: Image, upstream: (_ body: (Int) async throws -> Void) async throws -> Void) async throws
    {
        let directory = try TemporaryDirectory()
        func serve(_ port: Int, _ body: (TestRegistry) async throws -> Void) async throws {
            try await mirror(of: port) {
                $0.root = directory.path + "/mirror"
                $0.mirrors.freshness = .zero
            } _: {
                try await body($0)
            }
        }
        var port = 0
        try await upstream { running in
            port = running
            try await serve(running) { mirror in
                let head = try await mirror.client.send("HEAD", "/v2/up.test/team/app/manifests/v1")
                #expect(head.status == 200 && head["Docker-Content-Digest"] == image.digest.description, "\(head)")
                let manifest = try await mirror.client.send("GET", "/v2/up.test/team/app/manifests/v1")
                #expect(manifest.body == image.manifest && manifest["Content-Type"] == Image.type)
                #expect(manifest["Warning"] == nil)
                #expect(
                    try await mirror.client.send("HEAD", blob(image.layer))["Content-Length"] == "\(image.layer.count)")
                for bytes in [image.config, image.layer] {
                    let got = try await mirror.client.send("GET", blob(bytes))
                    #expect(got.status == 200 && got.body == bytes)
                }
                let tags = try await mirror.client.send("GET", "/v2/up.test/team/app/tags/list")
                #expect(tags.text.contains(#"["v1"]"#), "\(tags)")
                #expect(try await mirror.client.send("GET", "/v2/up.test/team/app/manifests/v2").status == 404)
                #expect(try await mirror.client.send("GET", "/v2/up.test/none/manifests/v2").status == 404)
                #expect(try await mirror.registry.check() == [])
            }
        }
        // The upstream is gone, and the mirror was started again.
        try await serve(port) { mirror in
            let tag = try await mirror.client.send("GET", "/v2/up.test/team/app/manifests/v1")
            #expect(tag.body == image.manifest && tag["Warning"] == "110 - \"Response is Stale\"", "\(tag)")
            let digest = try await mirror.client.send("GET", "/v2/up.test/team/app/manifests/\(image.digest)")
            #expect(digest.body == image.manifest && digest["Warning"] == nil)
            let part = try await mirror.client.send("GET", blob(image.layer), headers: ["Range": "bytes=10-19"])
            #expect(part.status == 206 && part.body == Array(image.layer[10...19]))
            let tags = try await mirror.client.send("GET", "/v2/up.test/team/app/tags/list")
            #expect(tags.text.contains(#"["v1"]"#) && tags["Warning"] != nil)
            let other = try await mirror.client.send("GET", "/v2/up.test/team/app/manifests/v9")
            #expect(other.status == 502 && other.text.contains("`up.test` cannot be asked"), "\(other)")
        }
    }

    @Test func tagsFollowTheirRegistry() async throws {
        let (first, second) = (Image(3, layerBytes: 100), Image(4, layerBytes: 100))
        try await TestRegistry.run { upstream in
            try await first.push(to: upstream.client, "team/app", "v1")
            try await mirror(of: upstream.server.port) {
                $0.mirrors.freshness = .zero
            } _: { mirror in
                func digest() async throws -> String? {
                    try await mirror.client.send("GET", "/v2/up.test/team/app/manifests/v1")["Docker-Content-Digest"]
                }
                #expect(try await digest() == first.digest.description)
                try await second.push(to: upstream.client, "team/app", "v1")
                #expect(try await digest() == second.digest.description)
                // A tag that may not move here stays what it was.
                try await mirror.registry.database.write {
                    try $0.addImmutableTags(
                        ImmutableTags(repositories: RepositoryPattern("up.test/**"), tags: TagPattern("v*")))
                }
                try await first.push(to: upstream.client, "team/app", "v1")
                #expect(try await digest() == second.digest.description)
                try await mirror.registry.database.write {
                    try $0.removeImmutableTags(
                        ImmutableTags(repositories: RepositoryPattern("up.test/**"), tags: TagPattern("v*")))
                }
                // What was removed there is not there any more.
                #expect(try await upstream.client.send("DELETE", "/v2/team/app/manifests/v1").status == 202)
                #expect(try await mirror.client.send("GET", "/v2/up.test/team/app/manifests/v1").status == 404)
                let here = try await mirror.registry.database.read {
                    try $0.tags(of: RepositoryName(parsing: "up.test/team/app"), after: "", limit: 10)
                }
                #expect(here == [])
            }
            // Within its time a tag is not asked for again.
            try await first.push(to: upstream.client, "team/app", "v1")
            try await mirror(of: upstream.server.port) { mirror in
                for image in [first, second] {
                    try await image.push(to: upstream.client, "team/app", "v1")
                    let got = try await mirror.client.send("GET", "/v2/up.test/team/app/manifests/v1")
                    #expect(got.body == first.manifest)
                }
            }
        }
    }

    /// What refers to an image is asked for there: signatures and lists of what is in it come through a mirror.
    @Test func referrersComeFromTheirRegistry() async throws {
        let image = Image(22, layerBytes: 100)
        try await TestRegistry.run { upstream in
            try await image.push(to: upstream.client, "team/app", "v1")
            let list = String(decoding: image.manifest, as: UTF8.self).replacing(
                #""schemaVersion":2,"#,
                with: """
                    "schemaVersion":2,"artifactType":"application/spdx+json","subject":{"mediaType":"\(Image.type)",\
                    "digest":"\(image.digest)","size":\(image.manifest.count)},
                    """)
            let put = try await upstream.client.send(
                "PUT", "/v2/team/app/manifests/\(Digest.sha256(of: Array(list.utf8)))",
                headers: ["Content-Type": Image.type], body: Array(list.utf8))
            #expect(put.status == 201, "\(put)")
            try await mirror(of: upstream.server.port) { mirror in
                let path = "/v2/up.test/team/app/referrers/\(image.digest)"
                let all = try await mirror.client.send("GET", path)
                #expect(
                    all.status == 200 && all.text.contains("\(Digest.sha256(of: Array(list.utf8)))")
                        && all["Content-Type"] == "application/vnd.oci.image.index.v1+json", "\(all)")
                let others = try await mirror.client.send("GET", "\(path)?artifactType=application/other")
                #expect(others.text.contains(#""manifests":[]"#) && others["OCI-Filters-Applied"] == "artifactType")
            }
        }
    }

    /// Two clients get the first half before the upstream gave the second, and the upstream is asked once.
    @Test func aBlobIsHandedOnWhileItComes() async throws {
        let image = Image(5, layerBytes: 2_000_000)
        let half = image.layer.count / 2
        let gate = ReplyGate()
        let upstream = try await FaultServer { request in
            switch request.path {
            case "/v2/": return ServerReply(200)
            case "/v2/team/app/manifests/v1":
                return ServerReply(200, headers: [("Content-Type", Image.type)], .bytes(image.manifest))
            case "/v2/team/app/blobs/\(Digest.sha256(of: image.layer))":
                return ServerReply(
                    200, .gated(Array(image.layer[..<half]), rest: Array(image.layer[half...]), gate))
            default: return ServerReply(404)
            }
        }
        try await mirror(of: upstream.port) { mirror in
            _ = try await mirror.client.send("GET", "/v2/up.test/team/app/manifests/v1")
            let client = RegistryClient(configuration: RegistryConfiguration())
            let source = client.source(for: try Reference(parsing: "\(mirror.authority)/up.test/team/app"))
            let descriptor = Descriptor(
                mediaType: MediaType(rawValue: "application/octet-stream"), digest: Digest.sha256(of: image.layer),
                size: Int64(image.layer.count))
            var readers: [(reader: any BlobReader, bytes: [UInt8])] = []
            for _ in 0..<2 { readers.append((try await source.open(descriptor, from: 0), [])) }
            for index in readers.indices {
                while readers[index].bytes.count < half, let chunk = try await readers[index].reader.next() {
                    readers[index].bytes += chunk
                }
            }
            gate.open()
            for index in readers.indices {
                while let chunk = try await readers[index].reader.next() { readers[index].bytes += chunk }
                #expect(readers[index].bytes == image.layer)
            }
            let asked = upstream.requests.filter { $0.method == "GET" && $0.path.contains("/blobs/") }
            #expect(asked.count == 1)
            await client.shutdown()
        }
        await upstream.stop()
    }

    /// A server that is told to end does not wait for an upstream that is silent in the middle of a blob.
    @Test func aSilentUpstreamDoesNotHoldUpTheEnd() async throws {
        let image = Image(21, layerBytes: 2_000_000)
        let upstream = try await FaultServer { request in
            switch request.path {
            case "/v2/": ServerReply(200)
            case "/v2/team/app/manifests/v1":
                ServerReply(200, headers: [("Content-Type", Image.type)], .bytes(image.manifest))
            default: ServerReply(200, .stalled(Array(image.layer.prefix(500_000)), announced: image.layer.count))
            }
        }
        let client = RegistryClient(configuration: RegistryConfiguration())
        let ended = try await mirror(of: upstream.port) {
            $0.limits.shutdownTime = .milliseconds(200)
        } _: { mirror in
            _ = try await mirror.client.send("GET", "/v2/up.test/team/app/manifests/v1")
            let source = client.source(for: try Reference(parsing: "\(mirror.authority)/up.test/team/app"))
            let reader = try await source.open(
                Descriptor(
                    mediaType: MediaType(rawValue: "application/octet-stream"), digest: Digest.sha256(of: image.layer),
                    size: Int64(image.layer.count)), from: 0)
            #expect(try await reader.next() != nil)
            return ContinuousClock.now
        }
        // The upstream's silence is borne for half a minute, twice.
        #expect(ended.duration(to: .now) < .seconds(25))
        await client.shutdown()
        await upstream.stop()
    }

    /// Bytes with another digest never come out whole, and nothing of them stays.
    @Test func wrongBytesAreCutOff() async throws {
        let image = Image(6, layerBytes: 50_000)
        let upstream = try await FaultServer { request in
            switch request.path {
            case "/v2/": return ServerReply(200)
            case "/v2/team/app/manifests/v1":
                return ServerReply(200, headers: [("Content-Type", Image.type)], .bytes(image.manifest))
            default: return ServerReply(200, .bytes([UInt8](repeating: 9, count: image.layer.count)))
            }
        }
        try await mirror(of: upstream.port) { mirror in
            _ = try await mirror.client.send("GET", "/v2/up.test/team/app/manifests/v1")
            // The client of the tests fails where fewer bytes come than were announced.
            await #expect(throws: WireClient.Failure.self) {
                _ = try await mirror.client.send("GET", blob(image.layer))
            }
            let stored = try await mirror.registry.database.read {
                try $0.blob(Digest.sha256(of: image.layer), in: RepositoryName(parsing: "up.test/team/app"))
            }
            #expect(stored == nil)
            #expect(try await mirror.registry.check() == [])
        }
        await upstream.stop()
    }

    @Test func clientsNameAMirrorInThreeWays() async throws {
        let image = Image(7, layerBytes: 100)
        let manager = AccessControl.Manager(name: "root")
        try await TestRegistry.run { upstream in
            try await image.push(to: upstream.client, "team/app", "v1")
            try await mirror(of: upstream.server.port) {
                $0.mirrors.root = "up.test"
            } _: { mirror in
                for path in [
                    "/v2/up.test/team/app/manifests/v1", "/v2/team/app/manifests/v1?ns=up.test",
                    "/v2/team/app/manifests/v1",
                ] {
                    #expect(try await mirror.client.send("GET", path).body == image.manifest, "\(path)")
                }
                let unknown = try await mirror.client.send("GET", "/v2/team/app/manifests/v1?ns=quay.io")
                #expect(unknown.status == 404 && unknown.text.contains("`quay.io` is not mirrored here"))
                // What is pushed here goes before what the root mirror has; a mirror is not pushed to.
                let own = Image(8, layerBytes: 10)
                try await own.push(to: mirror.client, "team/app", "v1")
                #expect(try await mirror.client.send("GET", "/v2/team/app/manifests/v1").body == own.manifest)
                let push = try await mirror.client.send("POST", "/v2/up.test/team/app/blobs/uploads/", body: [])
                #expect(push.status == 405 && push.text.contains("push it there"), "\(push)")

                // Rights are those of the name here.
                try await mirror.access.addUser("ann", password: "a", isAdministrator: true, by: manager)
                try await mirror.access.addUser("bob", password: "b", isAdministrator: false, by: manager)
                let bob = mirror.client("bob", "b")
                #expect(try await bob.send("GET", "/v2/up.test/team/app/manifests/v1").status == 403)
                #expect(try await bob.send("GET", "/v2/team/app/manifests/v1?ns=up.test").status == 403)
                let challenge = try await mirror.client.send("GET", "/v2/team/app/manifests/v1?ns=up.test")
                #expect(
                    challenge.status == 401
                        && challenge["WWW-Authenticate"]?.contains("repository:up.test/team/app:pull") == true)
                try await mirror.access.grant(
                    AccessRule(subject: .user("bob"), pattern: RepositoryPattern("up.test/**"), actions: [.pull]),
                    by: manager)
                #expect(try await bob.send("GET", "/v2/team/app/manifests/v1?ns=up.test").status == 200)
            }
        }
    }

    /// The upstream's password is the mirror's, and nobody is told of it.
    @Test func credentialsStayAtTheServer() async throws {
        let image = Image(9, layerBytes: 100)
        let manager = AccessControl.Manager(name: "root")
        let directory = try TemporaryDirectory()
        try directory.write("password", Array("up's secret\n".utf8), mode: 0o600)
        try await TestRegistry.run { upstream in
            try await image.push(to: upstream.client, "team/app", "v1")
            try await upstream.access.addUser("puller", password: "up's secret", isAdministrator: true, by: manager)
            try await mirror(of: upstream.server.port) { mirror in
                let refused = try await mirror.client.send("GET", "/v2/up.test/team/app/manifests/v1")
                #expect(refused.status == 404 && refused.text.contains("needs credentials"), "\(refused)")
            }
            try await mirror(of: upstream.server.port) {
                $0.mirrors.upstreams[0].user = "puller"
                $0.mirrors.upstreams[0].passwordFile = directory.path + "/password"
            } _: { mirror in
                let got = try await mirror.client.send("GET", "/v2/up.test/team/app/manifests/v1")
                #expect(got.status == 200 && !"\(got.headers)".contains("secret"), "\(got)")
                #expect(try await mirror.client.send("GET", blob(image.layer)).body == image.layer)
            }
        }
    }

    /// Above its bound a mirror lets go of what was pulled longest ago, and gets it again when it is asked for.
    @Test func theBoundHolds() async throws {
        let images = (10..<14).map { Image(UInt8($0), layerBytes: 100_000) }
        try await TestRegistry.run { upstream in
            for (number, image) in images.enumerated() {
                try await image.push(to: upstream.client, "team/app", "v\(number)")
            }
            try await mirror(of: upstream.server.port) {
                $0.mirrors.limit = 250_000
            } _: { mirror in
                let name = try RepositoryName(parsing: "up.test/team/app")
                for (number, image) in images.enumerated() {
                    _ = try await mirror.client.send("GET", "/v2/up.test/team/app/manifests/v\(number)")
                    #expect(try await mirror.client.send("GET", blob(image.layer)).body == image.layer)
                }
                let deadline = ContinuousClock.now + .seconds(30)
                func stored() throws -> Int64 {
                    var bytes: Int64 = 0
                    try mirror.registry.storage.forEachBlob { bytes += $0.size }
                    return bytes
                }
                while try stored() > 250_000, ContinuousClock.now < deadline {
                    try await Task.sleep(for: .milliseconds(20))
                }
                #expect(try stored() <= 250_000)
                let last = Digest.sha256(of: images[3].layer)
                #expect(try await mirror.registry.database.read { try $0.blob(last, in: name) } != nil)
                #expect(
                    try await mirror.client.send("GET", "/v2/up.test/team/app/manifests/v0").body == images[0].manifest)
                #expect(try await mirror.client.send("GET", blob(images[0].layer)).body == images[0].layer)
                #expect(try await mirror.registry.check() == [])
            }
        }
    }

    @Test func whatNobodyPullsGoes() async throws {
        let image = Image(20, layerBytes: 1000)
        try await TestRegistry.run { upstream in
            try await image.push(to: upstream.client, "team/app", "v1")
            try await mirror(of: upstream.server.port) { mirror in
                _ = try await mirror.client.send("GET", "/v2/up.test/team/app/manifests/v1")
                _ = try await mirror.client.send("GET", blob(image.layer))
                var policy = MirrorPolicy()
                policy.upstreams = [try Upstream(parsing: "up.test=http://127.0.0.1:\(upstream.server.port)")]
                let keeps = try Mirrors(mirror.registry, policy, logger: TestRegistry.silent)
                #expect(try await keeps.trim() == 0)
                policy.keep = .milliseconds(-1000)
                let forgets = try Mirrors(mirror.registry, policy, logger: TestRegistry.silent)
                #expect(try await forgets.trim() == 1)
                var blobs = 0
                try mirror.registry.storage.forEachBlob { _ in blobs += 1 }
                #expect(blobs == 0)
                await keeps.stop()
                await forgets.stop()
            }
        }
    }
}
