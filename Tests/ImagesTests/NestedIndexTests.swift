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
    /// - Parameters:
    ///   - entries: how often each index lists what it lists.
    ///   - other: an entry before those, in Python's words.
    private func prepare(_ bench: ImageBench, entries: Int = 1, beside other: String? = nil) throws {
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
                entry = {'mediaType': t, **store({'schemaVersion': 2, 'mediaType': t, 'manifests': [\(other ?? "")] + [entry] * \(entries)})}
            entry['annotations'] = {'io.containerd.image.name': 'docker.io/library/nested:1', 'org.opencontainers.image.ref.name': '1'}
            json.dump({'schemaVersion': 2, 'manifests': [entry]}, open('layout/index.json', 'w'))
            P
            tar -C layout -cf in.tar .
            """)
    }

    /// Whether both indexes below the outermost are here, and lead to the image.
    private func whole(_ bench: ImageBench, _ name: String = "nested:1") throws -> Bool {
        let reference = try #require(try bench.service.find(name).reference)
        let nested = try bench.service.nestedIndexes(of: reference.target)
        return nested.isReadable && nested.here.count == 2 && nested.leads(to: reference.manifest)
    }

    @Test func theyAreLoadedSavedAndPulledWhole() async throws {
        try await ImageBench.run { bench in
            try prepare(bench)
            try await bench.load("in.tar")
            try await bench.service.tag("nested:1", as: try name("nested:1"))
            let target = try #require(try bench.service.find("nested:1").reference?.target)
            #expect(try whole(bench))
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
                    #expect(try whole(third, "\(try name("nested:1"))"))
                }
            }
        }
    }

    @Test func undoBringsThemBackAndTheirEndComesWithTheName() async throws {
        try await ImageBench.run { bench in
            try prepare(bench)
            try await bench.load("in.tar")
            let blobs = try bench.service.blobs.digests().count
            _ = try await bench.service.remove("nested:1", force: false, keepParents: false, platform: nil)
            try bench.service.collect()
            _ = try await bench.service.undo(nil)
            #expect(try whole(bench))
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
            let nested = try bench.service.nestedIndexes(of: target).here
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
                #expect(try whole(bench))
            }
            // One that is gone is missed by the check, and a pull brings it.
            try bench.shell("rm '\(path)'")
            let missed = try await bench.service.check(repair: false, progress: bench.progress)
            #expect(missed.findings.map(\.subject) == [last.digest.description])
            _ = try await bench.service.pull(
                try name("nested:1"), platform: nil, allTags: false, progress: bench.progress)
            #expect(try whole(bench))
            // What a damaged index lists is not known, and kept.
            let first = try #require(nested.first)
            try bench.shell(
                "printf X | dd of='\(bench.service.blobs.path(of: first.digest))' bs=1 seek=20 conv=notrunc status=none"
            )
            for _ in 0..<2 { try bench.service.collect() }
            #expect(bench.service.blobs.size(of: last.digest) == last.size)
            try bench.shell("rm -f '\(bench.service.blobs.path(of: first.digest))'")
            try bench.service.collect()
            #expect(bench.service.blobs.size(of: last.digest) == last.size)
            let repaired = try await bench.service.check(repair: true, progress: bench.progress)
            #expect(repaired.findings.map(\.subject) == [first.digest.description])
            #expect(try whole(bench))
        }
    }

    /// Two paths for each of many levels: everything is read once, whichever way leads to it.
    @Test func whatManyWaysLeadToIsReadOnce() async throws {
        try await ImageBench.run { bench in
            try prepare(bench, entries: 3000)
            try await bench.load("in.tar")
            let target = try #require(try bench.service.find("nested:1").reference?.target)
            #expect(try whole(bench))
            try await bench.save(["nested:1"], as: "out.tar")
            #expect(
                try bench.shell("tar -xOf out.tar index.json | jq -r '.manifests[].digest'") == "\(target.digest)\n")
        }
    }

    /// Of an index whose entries name no platform, another than the first was taken: that is no damage, and up to date.
    @Test func theWayThatWasTakenIsTheOneThatCounts() async throws {
        try await ImageBench.run { bench in
            try prepare(bench, beside: "{'mediaType': t, 'digest': 'sha256:' + '0' * 64, 'size': 9}")
            try await bench.load("in.tar")
            #expect(try whole(bench))
            let found = try bench.service.find("nested:1")
            #expect(try bench.service.isWhole(found.image, found.reference))
            #expect(try await bench.service.check(repair: false, progress: bench.progress).findings.isEmpty)
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
