import Content
import OCI
import TestSupport
import Testing

@testable import Images

/// Indexes that list indexes: all of them come, stay and go with the name that means the outermost.
@Suite(.serialized)
struct NestedIndexTests {
    private let registry: DockerRegistry

    init() throws { registry = try DockerRegistry() }

    private func name(_ path: String) throws -> Reference { try Reference(parsing: "\(registry.authority)/\(path)") }

    /// An archive `in.tar` of the name `nested:1`: an index of an index of an index of one image.
    ///
    /// - Parameter entries: how often each index lists what it lists.
    private func prepare(_ bench: ImageBench, entries: Int = 1) throws {
        try bench.layout("layout", layers: [SmallLayer.files(["etc/one": "1"])])
        try bench.shell(
            """
            python3 - <<'P'
            import json, hashlib
            def store(o):
                b = json.dumps(o).encode(); d = hashlib.sha256(b).hexdigest()
                open('layout/blobs/sha256/' + d, 'wb').write(b); return {'digest': 'sha256:' + d, 'size': len(b)}
            t = 'application/vnd.oci.image.index.v1+json'
            entry = json.load(open('layout/index.json'))['manifests'][0]
            entry.pop('annotations')
            for depth in range(3):
                entry = {'mediaType': t, **store({'schemaVersion': 2, 'mediaType': t, 'manifests': [entry] * \(entries)})}
            entry['annotations'] = {'io.containerd.image.name': 'docker.io/library/nested:1', 'org.opencontainers.image.ref.name': '1'}
            json.dump({'schemaVersion': 2, 'manifests': [entry]}, open('layout/index.json', 'w'))
            P
            tar -C layout -cf in.tar .
            """)
    }

    /// Whether both indexes below the outermost are here.
    private func whole(_ bench: ImageBench, _ target: Descriptor) throws -> Bool {
        let nested = try bench.service.indexesOnTheWay(from: target, to: .current)
        return nested.count == 2 && nested.allSatisfy { bench.service.blobs.size(of: $0.digest) == $0.size }
    }

    @Test func theyAreLoadedSavedAndPulledWhole() async throws {
        try await ImageBench.run { bench in
            try prepare(bench)
            try await bench.load("in.tar")
            try await bench.service.tag("nested:1", as: try name("nested:1"))
            let target = try #require(try bench.service.find("nested:1").reference?.target)
            #expect(try whole(bench, target))
            try await bench.service.push(try name("nested:1"), platform: nil, allTags: false, progress: bench.progress)
            #expect(bench.takeEvents().last == .line("1: digest: \(target.digest) size: \(target.size)"))
            try await ImageBench.run { other in
                _ = try await other.service.pull(
                    try name("nested:1"), platform: nil, allTags: false, progress: other.progress)
                // Nothing but the outermost is named, and nothing is given up.
                try other.service.collect()
                try await other.save(["\(try name("nested:1"))"], as: "out.tar")
                #expect(
                    try other.shell("tar -xOf out.tar index.json | jq -r '.manifests[].digest'") == "\(target.digest)\n"
                )
                #expect(!other.takeEvents().contains { if case .warning = $0 { true } else { false } })
                try await ImageBench.run { third in
                    try await third.load("\(other.path)/out.tar")
                    #expect(try third.service.find("\(try name("nested:1"))").reference?.target == target)
                    #expect(try whole(third, target))
                }
            }
        }
    }

    @Test func undoBringsThemBackAndTheirEndComesWithTheName() async throws {
        try await ImageBench.run { bench in
            try prepare(bench)
            try await bench.load("in.tar")
            let target = try #require(try bench.service.find("nested:1").reference?.target)
            let blobs = try bench.service.blobs.digests().count
            _ = try await bench.service.remove("nested:1", force: false, keepParents: false, platform: nil)
            try bench.service.collect()
            _ = try await bench.service.undo(nil)
            #expect(try whole(bench, target))
            #expect(try bench.service.blobs.digests().count == blobs)
            _ = try await bench.service.remove("nested:1", force: false, keepParents: false, platform: nil)
            try bench.service.collect(.init(restorable: true))
            #expect(try bench.service.blobs.digests().isEmpty)
        }
    }

    @Test func aDamagedOneIsFetchedAgain() async throws {
        try await ImageBench.run { bench in
            try prepare(bench)
            try await bench.load("in.tar")
            try await bench.service.tag("nested:1", as: try name("nested:1"))
            try await bench.service.push(try name("nested:1"), platform: nil, allTags: false, progress: bench.progress)
            let target = try #require(try bench.service.find("nested:1").reference?.target)
            let nested = try bench.service.indexesOnTheWay(from: target, to: .current)
            let last = try #require(nested.last)
            let path = bench.service.blobs.path(of: last.digest)
            for damage in ["dd of='\(path)' bs=1 seek=20 conv=notrunc status=none", "head -c1 > '\(path)'"] {
                try bench.shell("printf X | \(damage)")
                let found = try await bench.service.check(repair: false, progress: bench.progress)
                #expect(found.findings.map(\.subject) == [last.digest.description])
                #expect(found.findings.first?.affects.contains("nested:1") == true)
                let report = try await bench.service.check(repair: true, progress: bench.progress)
                #expect(
                    report.findings.map(\.outcome)
                        == [.repaired("fetched again from \(try name("nested").familiarRepository)")])
                #expect(try whole(bench, target))
            }
            // One that is gone is missed by the check, and a pull brings it.
            try bench.shell("rm '\(path)'")
            let missed = try await bench.service.check(repair: false, progress: bench.progress)
            #expect(missed.findings.map(\.subject) == [last.digest.description])
            _ = try await bench.service.pull(
                try name("nested:1"), platform: nil, allTags: false, progress: bench.progress)
            #expect(try whole(bench, target))
            // What a damaged index lists is not known, and kept.
            let first = try #require(nested.first)
            try bench.shell(
                "printf X | dd of='\(bench.service.blobs.path(of: first.digest))' bs=1 seek=20 conv=notrunc status=none"
            )
            try bench.service.collect()
            #expect(bench.service.blobs.size(of: last.digest) == last.size)
        }
    }

    /// Two paths for each of many levels: everything is read once, whichever way leads to it.
    @Test func whatManyWaysLeadToIsReadOnce() async throws {
        try await ImageBench.run { bench in
            try prepare(bench, entries: 3000)
            try await bench.load("in.tar")
            let target = try #require(try bench.service.find("nested:1").reference?.target)
            #expect(try whole(bench, target))
            try await bench.save(["nested:1"], as: "out.tar")
            #expect(
                try bench.shell("tar -xOf out.tar index.json | jq -r '.manifests[].digest'") == "\(target.digest)\n")
        }
    }

    @Test func aPlatformThatNobodyNamesIsLookedUp() async throws {
        try await ImageBench.run { bench in
            try prepare(bench)
            try await bench.load("in.tar")
            let other = Platform(os: "linux", architecture: "riscv64")
            let error = await #expect(throws: ImageError.self) {
                try await bench.save(["nested:1"], as: "out.tar", platform: other)
            }
            #expect(error?.code == .notFound)
        }
    }
}
