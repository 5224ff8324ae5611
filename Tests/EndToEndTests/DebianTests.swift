import Linux
import OCI
import Snapshots
import TestSupport
import Testing

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A real root file system of six layers, through a registry: what is mounted is what another tool unpacks.
struct DebianTests {
    @Test(arguments: [SnapshotKind.erofs, .directory]) func isPulledAsUmociUnpacksIt(_ kind: SnapshotKind) async throws
    {
        let image = try await DebianImage.shared.value
        try await onThread(named: "debian pull") { try pull(image, kind) }
    }

    private func pull(_ image: DebianImage, _ kind: SnapshotKind) throws {
        let registry = try DockerRegistry()
        let name = registry.authority + "/debian"
        _ = try runShell(
            "skopeo copy -q --dest-tls-verify=false oci:'\(image.layout)':latest docker://\(name):latest 2>&1")
        let strata = try StrataProcess(environment: ["STRATA_SNAPSHOTTER": kind.rawValue])
        // It dies while a layer comes, when one is made, when one is in place: nothing half stays, and the next pull goes on.
        for place in ["chunk:3", "layer-built:1", "layer-committed:1"] {
            let result = try strata.with(["STRATA_FAILPOINT": place]).run("pull", "-q", name)
            #expect(result.status == 137, "\(place): \(result)")
            #expect(try strata.succeed("image", "ls", "-q") == "", "\(place)")
            for hex in try names(in: strata.root + "/layers") ?? [] {
                #expect(try FileStatus.ifExists("\(strata.root)/layers/\(hex)/layer.json") != nil, "\(place): \(hex)")
            }
        }
        #expect(try strata.succeed("pull", "-q", name) == name + ":latest\n")
        #expect(try names(in: strata.root + "/ingest") ?? [] == [])
        let layers = try JSONDecoder().decode(
            [Digest].self,
            from: Data(strata.succeed("image", "inspect", "--format", "{{json .RootFS.Layers}}", name).utf8))
        #expect(layers.count == 6)
        #expect(try names(in: strata.root + "/layers") ?? [] == layers.map(\.hex).sorted())
        _ = try strata.succeed("system", "check")

        let driver = try SnapshotDrivers.choose(root: strata.root, named: kind.rawValue)
        let mounts = try LayerMounts(driver: driver, runDirectory: strata.directory.path + "/run/mounts")
        let view = strata.directory.path + "/view"
        try makeDirectory(view)
        try mounts.mountView(layers: layers, at: view)
        let differences = Result { try TreeListing(view).differences(from: image.tree) }
        try mounts.unmountRoot(at: view)
        #expect(try differences.get() == [])
    }
}
