import Linux
import OCI
import TestSupport
import Testing

/// A served registry with images and accounts, as a browser finds it: `ann` manages, `bob` may pull `team/*`.
struct BrowserBench {
    let strata: StrataProcess
    let authority: String
    var origin: String { "http://\(authority)" }

    static func run(_ body: (BrowserBench) async throws -> Void) async throws {
        let strata = try StrataProcess()
        let port = try freePort()
        let server = try strata.start(["registry", "serve", "--listen", "127.0.0.1:\(port)"])
        let deadline = ContinuousClock.now + .seconds(60)
        while !server.output.contains("http") {
            if ContinuousClock.now > deadline {
                throw StrataProcess.Failure(description: "the registry does not serve: \(server.errorOutput)")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        let bench = BrowserBench(strata: strata, authority: "127.0.0.1:\(port)")
        try await bench.fill(WireClient(port: port))
        try await body(bench)
        server.signal(15)
        #expect(try server.finish().status == 0)
    }

    /// Debian's busybox, pushed by strata as a person would, and an image of two platforms with all that a page can show.
    private func fill(_ client: WireClient) async throws {
        let folder = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
        let archive = strata.directory.path + "/image.tar"
        _ = try await onThread(named: "image") {
            try runShell("bash '/\(folder)/scripts/demo-image' '\(archive)' '\(authority)/team/hello:1.0' >/dev/null")
        }
        try strata.succeed("load", "--input", archive)
        for name in ["team/hello:1.0", "secret/hello:1.0"] {
            if name.hasPrefix("secret") {
                try strata.succeed("tag", "\(authority)/team/hello:1.0", "\(authority)/\(name)")
            }
            try strata.succeed("push", "--quiet", "\(authority)/\(name)")
        }
        try await pushPlatforms(to: "team/web-frontend", client)
        for (name, flags) in [("ann", ["--admin"]), ("bob", [])] {
            let result = try strata.run(
                ["registry", "user", "add", name, "--password-stdin"] + flags, input: Array("\(name)'s secret\n".utf8))
            #expect(result.status == 0, "\(result)")
        }
        try strata.succeed("registry", "access", "grant", "user:bob", "team/*", "pull")
        try strata.succeed("registry", "immutable", "add", "team/*", "v*")
        try strata.succeed("registry", "retention", "set", "team/*", "pr-*: newest 1", "v*: always")
        try strata.succeed("registry", "quota", "set", "team/**", "1GB")
        try strata.succeed("registry", "robot", "add", "ci", "--expires", "90d")
        try strata.succeed("registry", "group", "add", "developers")
        try strata.succeed("registry", "group", "join", "developers", "bob")
        try strata.succeed(
            "registry", "webhook", "add", "deploy", "http://127.0.0.1:1/hook", "--repository", "team/*", "--kind",
            "tag.moved")
    }

    private func pushPlatforms(to name: String, _ client: WireClient) async throws {
        func put(_ bytes: [UInt8], _ type: String, _ reference: String) async throws -> String {
            let answer = try await client.send(
                "PUT", "/v2/\(name)/manifests/\(reference)", headers: ["Content-Type": type], body: bytes)
            #expect(answer.status == 201, "\(answer)")
            return #"{"mediaType":"\#(type)","digest":"\#(Digest.sha256(of: bytes))","size":\#(bytes.count)"#
        }
        func blob(_ bytes: [UInt8], _ type: String) async throws -> String {
            let digest = Digest.sha256(of: bytes)
            let answer = try await client.send("POST", "/v2/\(name)/blobs/uploads/?digest=\(digest)", body: bytes)
            #expect(answer.status == 201, "\(answer)")
            return #"{"mediaType":"\#(type)","digest":"\#(digest)","size":\#(bytes.count)}"#
        }
        let oci = "application/vnd.oci.image"
        var entries: [String] = []
        for (number, architecture) in ["amd64", "arm64"].enumerated() {
            var layers: [String] = []
            for (layer, size) in [3_400_000, 1_250_000, 48_000].enumerated() {
                let byte = UInt8(16 * number + layer)
                layers.append(try await blob([UInt8](repeating: byte, count: size), "\(oci).layer.v1.tar"))
            }
            let config = try await blob(Array(Self.config(architecture).utf8), "\(oci).config.v1+json")
            let manifest =
                #"{"schemaVersion":2,"mediaType":"\#(oci).manifest.v1+json","config":\#(config),"layers":[\#(layers.joined(separator: ","))]}"#
            let digest = Digest.sha256(of: Array(manifest.utf8)).description
            let entry = try await put(Array(manifest.utf8), "\(oci).manifest.v1+json", digest)
            entries.append(entry + #","platform":{"os":"linux","architecture":"\#(architecture)"}}"#)
        }
        let index =
            #"{"schemaVersion":2,"mediaType":"\#(oci).index.v1+json","manifests":[\#(entries.joined(separator: ","))]}"#
        var subject = ""
        for tag in ["latest", "v2.4.0", "v2.4", "pr-1187", "pr-1190"] {
            subject = try await put(Array(index.utf8), "\(oci).index.v1+json", tag) + "}"
        }
        _ = try await client.send("DELETE", "/v2/\(name)/manifests/pr-1187")
        let empty = try await blob(Array("{}".utf8), "application/vnd.oci.empty.v1+json")
        let list =
            #"{"schemaVersion":2,"mediaType":"\#(oci).manifest.v1+json","artifactType":"application/spdx+json","config":\#(empty),"layers":[\#(empty)],"subject":\#(subject)}"#
        _ = try await put(
            Array(list.utf8), "\(oci).manifest.v1+json", Digest.sha256(of: Array(list.utf8)).description)
    }

    private static func config(_ architecture: String) -> String {
        #"""
        {"created":"2026-01-01T12:00:00Z","architecture":"\#(architecture)","os":"linux","config":{"User":"web","WorkingDir":"/srv",
        "Env":["PATH=/usr/local/bin:/usr/bin:/bin","PORT=8080"],"Entrypoint":["/srv/server"],"Cmd":["--port","8080"],
        "ExposedPorts":{"8080/tcp":{}},"Volumes":{"/data":{}},"Labels":{"org.opencontainers.image.source":"https://code.example/web",
        "org.opencontainers.image.licenses":"Apache-2.0"}},"rootfs":{"type":"layers","diff_ids":[]},"history":[
        {"created_by":"/bin/sh -c #(nop) ADD file:5c2d in / "},{"created_by":"/bin/sh -c #(nop)  CMD [\"bash\"]","empty_layer":true},
        {"created_by":"RUN /bin/sh -c apt-get update && apt-get install -y --no-install-recommends ca-certificates libssl3 && rm -rf /var/lib/apt/lists/* # buildkit"},
        {"created_by":"COPY <dist> /srv # buildkit"},{"created_by":"ENTRYPOINT [\"/srv/server\"]","empty_layer":true}]}
        """#
    }
}
