import Content
import OCI
import RegistryClient
import TestSupport
import Testing

@testable import Images

/// Pushes to a real registry, looked at with skopeo.
@Suite(.serialized)
struct PushTests {
    private let registry: DockerRegistry
    private let layers = [SmallLayer.files(["etc/one": "1"]), SmallLayer.files(["etc/two": "22"])]

    init() throws { registry = try DockerRegistry() }

    private func name(_ path: String) throws -> Reference { try Reference(parsing: "\(registry.authority)/\(path)") }

    private func prepare(_ bench: ImageBench, as names: String...) async throws -> StoredImage {
        try bench.layout("layout", layers: layers)
        try bench.shell("skopeo copy -q oci:layout:latest oci-archive:in.tar:app:1")
        try await bench.load("in.tar")
        for name in names { try await bench.service.tag("app:1", as: try self.name(name)) }
        return try bench.service.find("app:1").image
    }

    private func push(_ bench: ImageBench, _ path: String, allTags: Bool = false, platform: Platform? = nil)
        async throws
    {
        _ = bench.takeEvents()
        try await bench.service.push(
            try name(path), platform: platform, allTags: allTags, progress: bench.progress)
    }

    /// What each layer came to in the end.
    private func ends(_ events: [ProgressEvent]) -> [String: String] {
        var ends: [String: String] = [:]
        for case .layer(let id, let status) in events {
            ends[id] = if case .mounted(let from) = status { "\(status.text) \(from)" } else { status.text }
        }
        return ends
    }

    @Test func theManifestArrivesByteForByteWithDockersLines() async throws {
        try await ImageBench.run { bench in
            let image = try await prepare(bench, as: "app:1")
            let manifest = image.manifests[0].descriptor
            try await push(bench, "app:1")
            let events = bench.takeEvents()
            #expect(events.first == .line("The push refers to repository [\(registry.authority)/app]"))
            #expect(events.last == .line("1: digest: \(manifest.digest) size: \(manifest.size)"))
            let ids = image.layers.map(\.diffID.short)
            #expect(Array(events.dropFirst().prefix(2)) == ids.reversed().map { .layer(id: $0, .preparing) })
            #expect(ends(events) == [ids[0]: "Pushed", ids[1]: "Pushed"])
            let remote = "docker://\(registry.authority)/app:1"
            #expect(
                try bench.shell("skopeo inspect --tls-verify=false --format '{{.Digest}}' '\(remote)'")
                    == "\(manifest.digest)\n")
            try bench.shell("skopeo copy -q --src-tls-verify=false '\(remote)' dir:out")
            #expect(try bench.shell("sha256sum < out/manifest.json") == "\(manifest.digest.hex)  -\n")
            // What is there is not sent again.
            try await push(bench, "app:1")
            #expect(Set(ends(bench.takeEvents()).values) == ["Layer already exists"])
            let after = try bench.service.find("app:1").image
            #expect(after.manifests[0].sources == ["\(registry.authority)/app"])
            #expect(after.digests.map(\.name.familiar) == ["\(registry.authority)/app@\(manifest.digest)"])
        }
    }

    @Test func aSecondRepositoryGetsItsLayersMounted() async throws {
        try await ImageBench.run { bench in
            _ = try await prepare(bench, as: "one/app:1", "two/app:1", "two/app:2")
            try await push(bench, "one/app:1")
            try await push(bench, "two/app", allTags: true)
            let events = bench.takeEvents()
            #expect(
                events.contains { if case .layer(_, .mounted("one/app")) = $0 { true } else { false } })
            #expect(events.filter { if case .line = $0 { true } else { false } }.count == 3, "one head, two tags")
            #expect(
                try bench.shell(
                    "skopeo list-tags --tls-verify=false docker://\(registry.authority)/two/app | jq -c '.Tags | sort'")
                    == "[\"1\",\"2\"]\n")
        }
    }

    @Test func anIndexGoesWholeOrItsOneImageAlone() async throws {
        try await ImageBench.run { bench in
            try bench.layout("layout", layers: layers)
            try bench.shell("python3 - <<'P'\n\(SaveTests.secondPlatform)\nP\ntar -C layout -cf in.tar .")
            try await bench.load("in.tar")
            try await bench.service.tag("multi:1", as: try name("multi:1"))
            let target = try #require(try bench.service.find("multi:1").reference?.target)
            try await push(bench, "multi:1")
            #expect(bench.takeEvents().last == .line("1: digest: \(target.digest) size: \(target.size)"))
            let remote = "docker://\(registry.authority)/multi"
            try bench.shell("skopeo copy -q --all --src-tls-verify=false '\(remote):1' oci:all:1")
            let other = Platform(os: "linux", architecture: "s390x")
            try await push(bench, "multi:1", platform: other)
            #expect(
                try bench.shell(
                    "skopeo inspect --tls-verify=false --override-arch s390x --raw '\(remote):1' | jq -r .layers[0].size"
                )
                    != "null\n")
            // Without the other platform's config the index would be broken at the other end.
            let images = try await bench.service.list(ImageFilter(), all: true)
            let dangling = try #require(images.first { $0.platform == other })
            try bench.service.blobs.remove(dangling.id)
            try await push(bench, "multi:1")
            let events = bench.takeEvents()
            let own = try #require(bench.service.find("multi:1").image.manifests.first?.descriptor.digest)
            #expect(
                events.contains {
                    if case .warning(let text) = $0 { text.contains("\(target.digest) -> \(own)") } else { false }
                })
            #expect(
                try bench.shell("skopeo inspect --tls-verify=false --format '{{.Digest}}' '\(remote):1'") == "\(own)\n")
        }
    }

    @Test func aDamagedBlobIsNotPushed() async throws {
        try await ImageBench.run { bench in
            let image = try await prepare(bench, as: "app:1")
            let layer = image.manifests[0].layers[0].digest
            try bench.shell(
                "printf X | dd of='\(bench.service.blobs.path(of: layer))' bs=1 seek=20 conv=notrunc status=none")
            let error = await #expect(throws: ImageError.self) { try await push(bench, "app:1") }
            #expect(error?.code == .damaged)
            #expect(error?.message.contains(layer.description) == true)
            #expect(error?.hint == "run `strata system check --repair`")
            #expect(
                try bench.shell(
                    "skopeo inspect --tls-verify=false docker://\(registry.authority)/app:1 2>&1 || echo none"
                )
                .hasSuffix("none\n"))
        }
    }

    @Test func whatIsNotHereIsSaidAsDockerSaysIt() async throws {
        try await ImageBench.run { bench in
            _ = try await prepare(bench, as: "app:1")
            for (path, message) in [
                ("nosuch", "An image does not exist locally with the tag: \(registry.authority)/nosuch"),
                ("app:2", "tag does not exist: \(registry.authority)/app:2"),
                ("app", "tag does not exist: \(registry.authority)/app:latest"),
            ] {
                let error = await #expect(throws: ImageError.self) { try await push(bench, path) }
                #expect(error?.message == message)
            }
            await #expect(throws: ImageError.self) { try await push(bench, "app:1", allTags: true) }
        }
    }

    @Test func aForeignLayerStaysWhereItIs() async throws {
        try await ImageBench.run { bench in
            _ = try await prepare(bench, as: "app:1")
            // The same image, its base layer said to be foreign.
            try bench.shell(
                """
                python3 - <<'P'
                import json, hashlib
                l = 'layout'; i = json.load(open(l + '/index.json'))
                m = json.load(open(l + '/blobs/sha256/' + i['manifests'][0]['digest'][7:]))
                m['layers'][0].update(mediaType='application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', urls=['https://example.org/x'])
                b = json.dumps(m).encode(); d = hashlib.sha256(b).hexdigest(); open(l + '/blobs/sha256/' + d, 'wb').write(b)
                e = i['manifests'][0]; e['digest'] = 'sha256:' + d; e['size'] = len(b)
                e['annotations'] = {'io.containerd.image.name': '\(registry.authority)/foreign:1'}
                json.dump(i, open(l + '/index.json', 'w'))
                P
                tar -C layout -cf foreign.tar .
                """)
            try await bench.load("foreign.tar")
            // docker-registry would refuse a manifest whose layers it does not have: the words alone are looked at.
            _ = try? await push(bench, "foreign:1")
            #expect(ends(bench.takeEvents()).values.sorted() == ["Pushed", "Skipped foreign layer"])
        }
    }
}
