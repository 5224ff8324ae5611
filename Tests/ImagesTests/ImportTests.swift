import Content
import Linux
import OCI
import Snapshots
import TestSupport
import Testing

@testable import Images

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Images made of a root file system's tar.
struct ImportTests {
    private func run(
        _ bench: ImageBench, _ file: String, as name: String? = "mine:1", changes: [String] = [], message: String = "",
        platform: Platform? = nil
    ) async throws -> StoredImage {
        let input = try open("\(bench.path)/\(file)", .read)
        let id = try await bench.service.importImage(
            from: input.raw, as: try name.map { try Reference(parsing: $0) },
            changes: try changes.map { try ConfigChange(parsing: $0) }, message: message, platform: platform,
            progress: bench.progress)
        return try bench.service.find(id.description).image
    }

    @Test func aTarInAnyCompressionGivesTheSameLayerAndTheSameBlob() async throws {
        let rootfs = "\(SharedMaterial.path)/images/alpine/alpine-minirootfs-3.15.11-x86_64.tar.gz"
        try await ImageBench.run { bench in
            try bench.shell("gzip -dc '\(rootfs)' > a.tar; cp '\(rootfs)' a.tar.gz; zstd -q a.tar -o a.tar.zst")
            let plain = try await run(bench, "a.tar", as: "a:1")
            #expect(
                try bench.shell("sha256sum < a.tar") == "\(plain.layers[0].diffID.hex)  -\n", "the diffID is the tar's")
            let blob = plain.manifests[0].layers[0]
            let path = bench.service.blobs.path(of: blob.digest)
            try bench.shell("gzip -dc < '\(path)' | cmp - a.tar")
            for file in ["a.tar.gz", "a.tar.zst"] {
                let again = try await run(bench, file, as: "b:1")
                #expect(again == plain || again.manifests.map(\.layers) == plain.manifests.map(\.layers), "\(file)")
            }
            // Elsewhere the same bytes come out.
            try await ImageBench.run { other in
                try other.shell("cp '\(bench.path)/a.tar.gz' .")
                #expect(try await run(other, "a.tar.gz").id == plain.id)
            }
            try await bench.save(["a:1"], as: "out.tar")
            try bench.shell("skopeo copy -q docker-archive:out.tar oci:out:1")
            #expect(try bench.shell("ls store/ingest; ls store/leases") == "")
        }
    }

    @Test func changesMessageAndPlatformAreInTheConfig() async throws {
        try await ImageBench.run { bench in
            try bench.shell("{ \(SmallLayer.files(["a": "b"])); } > a.tar")
            let platform = Platform(os: "linux", architecture: "arm64")
            let image = try await run(
                bench, "a.tar", changes: ["CMD [\"sh\"]", "ENV A=b C=d", "LABEL x=y", "EXPOSE 80"], message: "hello",
                platform: platform)
            let config = try bench.service.config(of: image).value
            #expect(config.config?.cmd == ["sh"])
            #expect(config.config?.env == ["A=b", "C=d"])
            #expect(config.config?.labels == ["x": "y"])
            #expect(config.config?.exposedPorts?.keys.sorted() == ["80/tcp"])
            #expect(config.platform == platform)
            #expect(config.created == "2023-11-14T22:13:20Z")
            #expect(config.history?.map(\.comment) == ["hello"])
            let history = try await bench.service.history("mine:1", platform: nil)
            #expect(history.map(\.comment) == ["hello"])
            #expect(history.map(\.size) == [1])
            let unnamed = try await run(bench, "a.tar", as: nil)
            #expect(unnamed.references.isEmpty)
            #expect(try bench.service.config(of: unnamed).value.history?.map(\.comment) == ["Imported from -"])
        }
    }

    @Test(arguments: [
        ("true > a.tar", "empty"), ("head -c 2000 /dev/urandom > a.tar", "cannot be used"),
        ("printf BZh91AY > a.tar", "bzip2"),
        ("tar -cf b.tar . && head -c 700 b.tar > a.tar", "cut off"),
        ("echo x > x && tar -cf - x | gzip | head -c 60 > a.tar", "cut off"),
    ])
    func whatIsNoTarLeavesNoTrace(_ script: String, message: String) async throws {
        try await ImageBench.run { bench in
            try bench.shell(script)
            let before = try bench.contents()
            let error = await #expect(throws: ImageError.self) { try await run(bench, "a.tar") }
            #expect(error?.code == .invalid)
            #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
            #expect(try bench.contents() == before)
            #expect(try bench.shell("ls store/ingest; ls store/leases; ls store/layers") == "")
        }
    }
}
