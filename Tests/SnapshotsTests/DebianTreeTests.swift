import Linux
import OCI
import Snapshots
import TestSupport
import Testing

/// A real root file system over six layers is what another tool makes of it.
struct DebianTreeTests {
    @Test(arguments: [SnapshotKind.erofs, .directory]) func isWhatUmociUnpacks(_ kind: SnapshotKind) async throws {
        let image = try await DebianImage.shared.value
        let differences = try await onThread(named: "debian tree") {
            let suite = try SnapshotDriverSuite(kind)
            let records = try image.layers.map { try suite.bench.add(file: $0, to: suite.driver) }
            for (record, file) in zip(records, image.layers) {
                _ = try suite.bench.feed(file: file, to: try suite.driver.verifier(of: record.diffID))
                try suite.driver.checkSeal(record.diffID)
                if kind == .erofs {
                    let output = try runShell("fsck.erofs -d3 '\(suite.driver.path(of: record.diffID))' 2>&1")
                    #expect(output.contains("No errors found") && !output.contains("<E>"), "\(output.suffix(500))")
                }
            }
            return try suite.withView(records.map(\.diffID)) { try TreeListing($0) }.differences(from: image.tree)
        }
        #expect(differences == [])
        #expect(image.tree.entries.count > 30_000)
        let attributes = image.tree.entries.values.flatMap(\.attributes.keys)
        #expect(attributes.count { $0 == "security.capability" } >= 3)
        #expect(image.tree.entries.contains { $0.value.firstName != $0.key }, "hard links")
    }
}
