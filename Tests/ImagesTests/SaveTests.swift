import Content
import OCI
import TestSupport
import Testing

@testable import Images

/// What is saved, read by other programs and by ourselves.
struct SaveTests {
    private let layers = [
        SmallLayer.files(["etc/one": "1", "bin/tool": "#!"]),
        SmallLayer.files(["etc/two": "22", "etc/one": "changed"]),
    ]

    /// A store with the image `app:1`.
    private func prepare(_ bench: ImageBench, name: String = "app:1") async throws -> StoredImage {
        try bench.layout("layout", layers: layers)
        try bench.shell("skopeo copy -q oci:layout:latest oci-archive:in.tar:\(name)")
        try await bench.load("in.tar")
        return try bench.service.find(name).image
    }

    @Test func skopeoReadsItInBothFormsAndFindsTheSameDigests() async throws {
        try await ImageBench.run { bench in
            let image = try await prepare(bench)
            try await bench.save(["app:1"], as: "docker.tar")
            try await bench.save(["app:1"], as: "oci.tar", format: .oci)
            let digest = image.manifests[0].descriptor.digest
            #expect(
                try bench.shell("skopeo inspect --format '{{.Digest}}' oci-archive:docker.tar:1") == "\(digest)\n")
            #expect(try bench.shell("skopeo inspect --format '{{.Digest}}' oci-archive:oci.tar:1") == "\(digest)\n")
            #expect(try bench.shell("tar -tf oci.tar | grep -c manifest.json || true") == "0\n")
            let config = try bench.shell(
                "skopeo inspect --config --raw docker-archive:docker.tar:docker.io/library/app:1")
            #expect(Digest.sha256(of: Array(config.utf8)) == image.id)
            // Every layer goes through skopeo's own check of digests and diffIDs.
            try bench.shell("skopeo copy -q docker-archive:docker.tar:app:1 dir:out")
            #expect(try bench.shell("ls out | grep -Ec '^[0-9a-f]{64}$'") == "3\n")
        }
    }

    @Test func podmanLoadsItWithItsNameAndSavesItBack() async throws {
        try await ImageBench.run { bench in
            let image = try await prepare(bench)
            try await bench.save(["app:1"], as: "docker.tar")
            let podman = "podman --root '\(bench.path)/p' --runroot '\(bench.path)/r' --storage-driver vfs"
            let printed = try bench.shell("\(podman) load -q -i docker.tar 2>&1")
            #expect(printed.contains("Loaded image: docker.io/library/app:1"))
            #expect(try bench.shell("\(podman) image inspect --format '{{.Id}}' app:1") == "\(image.id.hex)\n")
            try bench.shell(
                "\(podman) save -q -o back.tar app:1 && \(podman) save -q --format oci-archive -o oci.tar app:1")
            _ = try await bench.service.remove("app:1", force: true, keepParents: false, platform: nil)
            for file in ["back.tar", "oci.tar"] {
                let loaded = try await bench.load(file)
                #expect(loaded.map(\.id) == [image.id], "\(file)")
                #expect(loaded.map(\.reference?.familiar) == ["app:1"], "\(file)")
            }
        }
    }

    @Test func theSameImagesGiveTheSameBytes() async throws {
        try await ImageBench.run { bench in
            _ = try await prepare(bench)
            try await bench.save(["app:1"], as: "a.tar")
            try await ImageBench.run { other in
                try await other.load("\(bench.path)/a.tar")
                try await other.save(["app:1"], as: "b.tar")
                try bench.shell("cmp a.tar '\(other.path)/b.tar'")
            }
        }
    }

    @Test func aRepositoryMeansAllItsTagsAndAnIDNone() async throws {
        try await ImageBench.run { bench in
            let image = try await prepare(bench)
            try await bench.service.tag("app:1", as: Reference(parsing: "app:2"))
            try await bench.save(["app"], as: "all.tar")
            #expect(
                try bench.shell("tar -xOf all.tar manifest.json | jq -c '[.[].RepoTags]'")
                    == "[[\"app:1\",\"app:2\"]]\n")
            try await bench.save([image.id.short], as: "id.tar")
            #expect(try bench.shell("tar -xOf id.tar manifest.json | jq -c '[.[].RepoTags]'") == "[null]\n")
            #expect(try bench.shell("tar -xOf id.tar index.json | jq -c '[.manifests[].annotations]'") == "[null]\n")
            let loaded = try await bench.load("all.tar")
            #expect(loaded.map(\.reference?.familiar) == ["app:1", "app:2"])
        }
    }

    @Test func anIndexThatIsWholeKeepsItsDigest() async throws {
        try await ImageBench.run { bench in
            try bench.layout("layout", layers: layers)
            // The second platform: the same layers under another config.
            try bench.shell(
                """
                python3 - <<'P'
                \(Self.secondPlatform)
                P
                tar -C layout -cf in.tar .
                """)
            try await bench.load("in.tar")
            let target = try #require(try bench.service.find("multi:1").reference?.target)
            #expect(target.mediaType == .ociIndex)
            #expect(try bench.service.find("multi:1").image.platform.architecture == Platform.current.architecture)
            try await bench.save(["multi:1"], as: "out.tar")
            #expect(
                try bench.shell("tar -xOf out.tar index.json | jq -r '.manifests[].digest'") == "\(target.digest)\n")
            try bench.shell("skopeo copy -q --all oci-archive:out.tar:1 oci:whole:1")
            let other = Platform(os: "linux", architecture: "s390x")
            try await bench.save(["multi:1"], as: "one.tar", platform: other)
            #expect(
                try bench.shell(
                    "skopeo inspect --override-arch s390x --format '{{.Architecture}}' oci-archive:one.tar:1")
                    == "s390x\n")
            await #expect(throws: ImageError.self) {
                try await bench.save(
                    ["multi:1"], as: "none.tar", platform: Platform(os: "linux", architecture: "riscv64"))
            }
            // One platform alone is loaded where one is asked for.
            try await ImageBench.run { alone in
                try await alone.load("\(bench.path)/out.tar", platform: other)
                #expect(try await alone.service.list(ImageFilter(), all: true).count == 1)
                #expect(try alone.service.find("multi:1").image.platform == other)
            }
        }
    }

    static let secondPlatform = """
        import json, hashlib
        l = 'layout'
        def store(o):
            b = json.dumps(o).encode(); d = hashlib.sha256(b).hexdigest()
            open(l + '/blobs/sha256/' + d, 'wb').write(b); return ('sha256:' + d, len(b))
        def read(d): return json.load(open(l + '/blobs/sha256/' + d[7:]))
        first = json.load(open(l + '/index.json'))['manifests'][0]
        m = read(first['digest']); c = read(m['config']['digest']); here = c['architecture']
        c['architecture'] = 's390x'; m['config']['digest'], m['config']['size'] = store(c)
        d, s = store(m)
        entry = lambda d, s, a: {'mediaType': m['mediaType'], 'digest': d, 'size': s, 'platform': {'os': 'linux', 'architecture': a}}
        t = 'application/vnd.oci.image.index.v1+json'
        d, s = store({'schemaVersion': 2, 'mediaType': t, 'manifests': [entry(d, s, 's390x'), entry(first['digest'], first['size'], here)]})
        json.dump({'schemaVersion': 2, 'manifests': [{'mediaType': t, 'digest': d, 'size': s,
            'annotations': {'io.containerd.image.name': 'docker.io/library/multi:1', 'org.opencontainers.image.ref.name': '1'}}]}, open(l + '/index.json', 'w'))
        """

    @Test func aDamagedBlobIsNotSaved() async throws {
        try await ImageBench.run { bench in
            let image = try await prepare(bench)
            let layer = image.manifests[0].layers[1].digest
            let path = bench.service.blobs.path(of: layer)
            try bench.shell("printf X | dd of='\(path)' bs=1 seek=20 conv=notrunc status=none")
            let error = await #expect(throws: ImageError.self) { try await bench.save(["app:1"], as: "bad.tar") }
            #expect(error?.code == .damaged)
            #expect(error?.message.contains(layer.description) == true)
            #expect(error?.hint?.contains("strata system check --repair") == true)
            #expect(try bench.shell("stat -c %s bad.tar") == "0\n", "not a byte of it")
            await #expect(throws: ImageError.self) { try await bench.save(["nosuch"], as: "no.tar") }
        }
    }
}
