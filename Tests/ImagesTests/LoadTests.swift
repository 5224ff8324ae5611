import Linux
import OCI
import Snapshots
import TestSupport
import Testing

@testable import Images

/// Archives that other programs wrote, and archives that nobody should.
struct LoadTests {
    private let layers = [
        SmallLayer.files(["etc/one": "1", "bin/tool": "#!"]),
        SmallLayer.files(["etc/two": "22", "etc/one": "changed"]),
    ]

    /// A layout with the image, named `latest`.
    private func prepared(_ bench: ImageBench) throws { try bench.layout("layout", layers: layers) }

    private func files(_ bench: ImageBench, _ name: String) throws -> [Digest] {
        let image = try bench.service.find(name).image
        for layer in image.layers { #expect(try bench.service.driver.record(of: layer.diffID) != nil) }
        return image.layers.map(\.diffID)
    }

    struct Archive: Sendable, CustomTestStringConvertible {
        var what: String
        var script: String
        var name: String?
        /// The manifest is the layout's own, byte for byte.
        var keepsManifest = false
        var testDescription: String { what }
    }

    static let archives = [
        Archive(
            what: "skopeo docker-archive, layers uncompressed, legacy links",
            script: "skopeo copy -q oci:layout:latest docker-archive:a.tar:example/app:1.2", name: "example/app:1.2"),
        Archive(
            what: "skopeo oci-archive with a full name",
            script: "skopeo copy -q oci:layout:latest oci-archive:a.tar:example/app:1.2", name: "example/app:1.2",
            keepsManifest: true),
        Archive(
            what: "skopeo oci-archive with a tag alone: no name",
            script: "skopeo copy -q oci:layout:latest oci-archive:a.tar:latest", name: nil, keepsManifest: true),
        Archive(
            what: "a layout in a tar with ./ before every name",
            script: "tar -C layout -cf a.tar .", name: nil, keepsManifest: true),
        Archive(
            what: "gzip", script: "tar -C layout -c . | gzip > a.tar", name: nil, keepsManifest: true),
        Archive(
            what: "zstd", script: "tar -C layout -c . | zstd -q > a.tar", name: nil, keepsManifest: true),
        Archive(
            what: "umoci, retagged",
            script: "umoci tag --image layout:latest v1 && umoci rm --image layout:latest && tar -C layout -cf a.tar .",
            name: nil, keepsManifest: true),
    ]

    @Test(arguments: archives, [false, true])
    func whatOthersWroteComesIn(_ archive: Archive, throughAPipe: Bool) async throws {
        try await ImageBench.run { bench in
            try prepared(bench)
            let manifest = try bench.shell("jq -r '.manifests[0].digest' layout/index.json").dropLast()
            let config = try bench.shell(
                "jq -r .config.digest layout/blobs/sha256/\(manifest.dropFirst(7))"
            ).dropLast()
            try bench.shell(archive.script)
            let loaded =
                throughAPipe ? try await bench.load(piped: "cat a.tar") : try await bench.load("a.tar")
            #expect(loaded.map { "\($0.id)" } == [String(config)])
            #expect(loaded.map { $0.reference?.familiar } == [archive.name])
            let image = try bench.service.find(archive.name ?? String(config)).image
            #expect(image.layers.count == 2)
            #expect(try files(bench, archive.name ?? String(config)).count == 2)
            #expect(image.size == 2 + 1 + 2 + 7)
            if archive.keepsManifest {
                #expect(image.manifests.map { "\($0.descriptor.digest)" } == [String(manifest)])
            }
            #expect(try bench.shell("ls store/ingest; ls store/leases") == "", "nothing is left behind")
        }
    }

    @Test func anOldArchiveWithLayerDirectoriesComesIn() async throws {
        try await ImageBench.run { bench in
            try prepared(bench)
            // As docker wrote before version 25: a directory for each layer, the second a link to the first's tar.
            try bench.shell(
                """
                set -e; mkdir -p old/aa old/bb; cd old
                { \(layers[0]); } > aa/layer.tar; ln -s ../aa/layer.tar bb/layer.tar
                echo 1.0 | tee aa/VERSION > bb/VERSION; echo '{}' | tee aa/json > bb/json
                d=sha256:$(sha256sum < aa/layer.tar | cut -c1-64)
                printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["%s","%s"]}}' $d $d > c.json
                c=$(sha256sum < c.json | cut -c1-64); mv c.json $c.json
                echo '{"old":{"1":"bb"}}' > repositories
                printf '[{"Config":"%s.json","RepoTags":["old:1","old:2"],"Layers":["aa/layer.tar","bb/layer.tar"]}]' $c > manifest.json
                tar -cf ../old.tar *
                """)
            let loaded = try await bench.load("old.tar")
            #expect(loaded.map(\.reference?.familiar) == ["old:1", "old:2"])
            let image = try bench.service.find("old:1").image
            #expect(image.layers.count == 2 && image.layers[0] == image.layers[1])
            #expect(image.layers.map(\.size) == [3, 3])
            #expect(image.manifests[0].layers.map(\.mediaType) == [.ociLayerGzip, .ociLayerGzip])
        }
    }

    @Test func whatIsHereKeepsItsManifestAndIsNotMadeAgain() async throws {
        try await ImageBench.run { bench in
            try prepared(bench)
            try bench.shell(
                """
                tar -C layout -cf oci.tar . && skopeo copy -q oci:layout:latest docker-archive:docker.tar:app:1
                """)
            let first = try await bench.load("oci.tar")
            let before = try bench.contents()
            let image = try bench.service.find("\(first[0].id)").image
            _ = bench.takeEvents()
            let again = try await bench.load("docker.tar")
            #expect(again == [LoadedImage(id: first[0].id, reference: try Reference(parsing: "app:1"))])
            #expect(
                !bench.takeEvents().contains { if case .layer = $0 { true } else { false } }, "no layer is made again")
            #expect(try bench.contents() == before)
            #expect(try bench.service.find("app:1").image.manifests == image.manifests)
        }
    }

    @Test func aNameMovesAndIsTold() async throws {
        try await ImageBench.run { bench in
            try prepared(bench)
            try bench.layout("other", layers: [SmallLayer.files(["x": "y"])])
            for name in ["layout", "other"] {
                try bench.shell("skopeo copy -q oci:\(name):latest oci-archive:\(name).tar:app:1")
            }
            let old = try await bench.load("layout.tar")[0].id
            _ = bench.takeEvents()
            try await bench.load("other.tar")
            #expect(
                bench.takeEvents().contains(
                    .line("The image app:1 already exists, renaming the old one with ID \(old) to empty string")))
        }
    }

    struct Hostile: Sendable, CustomTestStringConvertible {
        var what: String
        /// Python that changes the layout `l` and adds members to `tar`.
        var script: String
        var message: String
        var testDescription: String { what }
    }

    static let hostile = [
        Hostile(what: "a name that climbs", script: "add('../../evil', b'x')", message: "climbs out of it"),
        Hostile(
            what: "a symbolic link out", script: "link('blobs/sha256/x', '../../../etc/passwd')",
            message: "outside of it"),
        Hostile(what: "an absolute link", script: "link('x', '/etc/passwd')", message: "outside of it"),
        Hostile(
            what: "a hard link out", script: "link('x', '../etc/passwd', tarfile.LNKTYPE)", message: "outside of it"),
        Hostile(
            what: "links in a circle",
            script: "put('manifest.json', b'[{\"Config\":\"a\",\"Layers\":[]}]'); link('a', 'b'); link('b', 'a')",
            message: "lead nowhere"),
        Hostile(
            what: "a config outside",
            script: "put('manifest.json', b'[{\"Config\":\"../../etc/passwd\",\"Layers\":[]}]')",
            message: "outside of it"),
        Hostile(what: "a layer that is missing", script: "os.remove(layer(0))", message: "is missing"),
        Hostile(what: "a config that is missing", script: "os.remove(config())", message: "is missing"),
        Hostile(what: "a manifest that is missing", script: "os.remove(manifest())", message: "is missing"),
        Hostile(
            what: "a layer with other bytes",
            script: "b = bytearray(read(layer(1))); b[len(b) // 2] ^= 1; write(layer(1), bytes(b))",
            message: "has digest"),
        Hostile(
            what: "a layer that is too short", script: "write(layer(1), read(layer(1))[:-1])", message: "too short"),
        Hostile(
            what: "a config with other bytes", script: "write(config(), read(config()).replace(b'amd64', b'arm64'))",
            message: "digest"),
        Hostile(
            what: "docker's config with other bytes",
            script:
                "c = config()[len(l) + 1:]; put('manifest.json', json.dumps([{'Config': c, 'Layers': []}]).encode()); os.remove(l + '/index.json'); write(config(), read(config()).replace(b'amd64', b'arm64'))",
            message: "has digest"),
        Hostile(
            what: "an index that is missing", script: "index(deep(0, 1))", message: "is missing"),
        Hostile(what: "indexes in indexes", script: "index(deep(6, 0))", message: "nest deeper"),
        Hostile(
            what: "JSON in JSON", script: "write(l + '/index.json', b'[' * 100000 + b']' * 100000)",
            message: "nested deeper"),
        Hostile(
            what: "a sparse member",
            script:
                "add('x', b'', {'GNU.sparse.major': '0', 'GNU.sparse.minor': '1', 'GNU.sparse.map': '0,0', 'GNU.sparse.size': '4096', 'GNU.sparse.numblocks': '1', 'GNU.sparse.name': 'x'})",
            message: "sparse"),
        Hostile(what: "a tar that ends early", script: "cut(700)", message: "cut off"),
        Hostile(what: "no tar", script: "raw(b'no tar at all' * 100)", message: "cannot be read"),
        Hostile(what: "nothing", script: "raw(b'')", message: "empty"),
        Hostile(what: "xz", script: "raw(bytes.fromhex('fd377a585a000004'))", message: "xz"),
        Hostile(what: "bzip2", script: "raw(b'BZh91AY&SY')", message: "bzip2"),
        Hostile(what: "neither layout nor docker's", script: "os.remove(l + '/index.json')", message: "neither"),
        Hostile(
            what: "docker's of before 1.10",
            script: "os.remove(l + '/index.json'); put('repositories', b'{}')", message: "before 1.10"),
        Hostile(
            what: "a tag that is none",
            script:
                "put('manifest.json', b'[{\"Config\":\"' + config()[len(l)+1:].encode() + b'\",\"RepoTags\":[\"a b\"],\"Layers\":[]}]')",
            message: "no name"),
    ]

    @Test(arguments: hostile)
    func aHostileArchiveIsRefusedWithoutATrace(_ archive: Hostile) async throws {
        try await ImageBench.run { bench in
            try bench.layout("layout", layers: [SmallLayer.files(["a": "b"])] + layers)
            try bench.shell("cat > make.py <<'P'\n\(Self.python)\n\(archive.script)\nfinish()\nP\npython3 make.py")
            let before = try bench.contents()
            let error = await #expect(throws: ImageError.self) { try await bench.load("a.tar") }
            #expect(error?.code == .invalid)
            #expect(error?.message.contains(archive.message) == true, "\(error?.message ?? "")")
            #expect(try bench.contents() == before)
            #expect(try bench.shell("ls store/ingest; ls store/leases; ls store/layers") == "")
            #expect(try await bench.service.list(ImageFilter(), all: true).isEmpty)
        }
    }

    /// Bytes flipped, pieces left out, doubled or filled with noise: an archive comes in as it was, or not at all.
    @Test(arguments: ["docker", "layout"]) func aDamagedArchiveComesInWholeOrNotAtAll(_ form: String) async throws {
        try await ImageBench.run { bench in
            try prepared(bench)
            try bench.shell(
                form == "docker"
                    ? "skopeo copy -q oci:layout:latest docker-archive:good.tar:app:1" : "tar -C layout -cf good.tar .")
            let good = try readFile("\(bench.path)/good.tar", limit: 1 << 20)
            let id = try await bench.load("good.tar")[0].id
            _ = try await bench.service.remove(id.description, force: true, keepParents: false, platform: nil)
            _ = try await bench.service.prune(ImageFilter(), all: true, plan: false, now: true)
            let empty = try bench.contents()
            var state: UInt64 = form == "docker" ? 17 : 42
            func random(_ bound: Int) -> Int {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Int((state >> 33) % UInt64(bound))
            }
            for round in 0..<80 {
                var bytes = good
                let start = random(bytes.count)
                let end = min(bytes.count, start + 1 + random(700))
                switch round % 4 {
                case 0: bytes[start] ^= UInt8(1 << random(8))
                case 1: bytes.removeSubrange(start..<end)
                case 2: bytes.insert(contentsOf: bytes[start..<end], at: end)
                default: for index in start..<end { bytes[index] = UInt8(random(256)) }
                }
                try bench.directory.write("bad.tar", bytes)
                do {
                    let loaded = try await bench.load("bad.tar")
                    // What the damage did not touch counts, and a tag may have become another one.
                    #expect(loaded.allSatisfy { $0.id == id }, "round \(round)")
                    _ = try await bench.service.remove(id.description, force: true, keepParents: false, platform: nil)
                    _ = try await bench.service.prune(ImageFilter(), all: true, plan: false, now: true)
                } catch {
                    #expect(error is ImageError, "round \(round): \(error)")
                }
                #expect(try bench.contents() == empty, "round \(round)")
            }
        }
    }

    private static let python = """
        import io, json, os, hashlib; import tarfile
        l = 'layout'; extra = []; over = None; length = None
        def read(p): return open(p, 'rb').read()
        def write(p, b): open(p, 'wb').write(b)
        def put(p, b): write(l + '/' + p, b)
        def blob(d): return l + '/blobs/sha256/' + d[7:]
        def manifest(): return blob(json.loads(read(l + '/index.json'))['manifests'][0]['digest'])
        m = json.loads(read(manifest()))
        def config(): return blob(m['config']['digest'])
        def layer(n): return blob(m['layers'][n]['digest'])
        def add(name, data, pax={}, kind=tarfile.REGTYPE, target=''): extra.append((name, data, pax, kind, target))
        def link(name, target, kind=tarfile.SYMTYPE): add(name, b'', {}, kind, target)
        def store(b):
            d = hashlib.sha256(b).hexdigest(); write(l + '/blobs/sha256/' + d, b)
            return {'mediaType': 'application/vnd.oci.image.index.v1+json', 'digest': 'sha256:' + d, 'size': len(b)}
        def deep(levels, missing):
            d = json.loads(read(l + '/index.json'))['manifests'][0]
            if missing: return {'mediaType': 'application/vnd.oci.image.index.v1+json', 'digest': 'sha256:' + '0' * 64, 'size': 10}
            for _ in range(levels): d = store(json.dumps({'schemaVersion': 2, 'manifests': [d]}).encode())
            return d
        def index(d): write(l + '/index.json', json.dumps({'schemaVersion': 2, 'manifests': [d]}).encode())
        def raw(b):
            global over
            over = b
        def cut(n):
            global length
            length = n
        def finish():
            if over is not None: return write('a.tar', over)
            out = io.BytesIO()
            with tarfile.open(fileobj=out, mode='w', format=tarfile.PAX_FORMAT) as t:
                for name, data, pax, kind, target in extra:
                    i = tarfile.TarInfo(name); i.size = len(data); i.pax_headers = pax; i.type = kind; i.linkname = target
                    t.addfile(i, io.BytesIO(data))
                t.add(l, arcname='.')
            write('a.tar', out.getvalue()[:length])
        """
}
