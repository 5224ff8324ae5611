import Glibc
import Linux
import TestSupport
import Testing

/// kill -9 at each place where a process could leave something half done; and what is pulled twice at once.
@Suite(.serialized) struct DurabilityTests {
    static let registry = Result { try AlpineRegistry() }
    let alpine: String

    init() throws { alpine = try Self.registry.get().alpine }

    /// Places in a pull, in their order.
    static let places = [
        "chunk", "layer-built", "layer-committed", "blob-committed", "documents", "named",
    ]

    @Test(arguments: places) func aPullKilledAnywhereIsFinishedByTheNext(_ place: String) throws {
        let strata = try StrataProcess()
        let killed = try strata.with(["STRATA_FAILPOINT": place]).run("pull", "\(alpine):3.15")
        #expect(killed.status == 128 + SIGKILL, "\(place): \(killed)")
        // The next command works, and tells no lie.
        let listed = try strata.succeed("images", "-q")
        if place == "named" { #expect(!listed.isEmpty) } else { #expect(listed.isEmpty) }
        try strata.succeed("pull", "\(alpine):3.15")
        #expect(try strata.succeed("system", "check").hasSuffix("Everything is as it should be.\n"), "\(place)")
        try strata.succeed("rmi", "\(alpine):3.15")
        try strata.succeed("image", "prune", "-f", "--now")
        #expect(try leftovers(strata).isEmpty, "\(place)")
    }

    @Test(arguments: ["rm", "collect"]) func aRemovalKilledAnywhereIsWholeOrNotBegun(_ place: String) throws {
        let strata = try StrataProcess()
        try strata.succeed("pull", "\(alpine):3.15")
        let killed = try strata.with(["STRATA_FAILPOINT": place]).run("rmi", "\(alpine):3.15")
        #expect(killed.status == 128 + SIGKILL, "\(place): \(killed)")
        #expect(try strata.succeed("images", "-q").isEmpty)
        #expect(try strata.succeed("system", "check").hasSuffix("Everything is as it should be.\n"))
        try strata.succeed("image", "undo")
        #expect(try !strata.succeed("images", "-q").isEmpty)
        try strata.succeed("rmi", "\(alpine):3.15")
        try strata.succeed("image", "prune", "-f", "--now")
        #expect(try leftovers(strata).isEmpty)
    }

    /// Blobs, layers and downloads that are left in a store.
    private func leftovers(_ strata: StrataProcess) throws -> String {
        try runShell("cd '\(strata.root)'; find oci/blobs/*/* layers/* ingest/* leases/* seals/* 2>/dev/null || true")
    }

    /// What is here of a blob is not fetched again: the registry sees a range.
    @Test func aKilledDownloadGoesOnWhereItStopped() async throws {
        let size = 8 << 20
        let folder = try TemporaryDirectory()
        _ = try runShell(
            "head -c \(size) /dev/urandom > data; tar --owner=0 --group=0 -cf layer.tar data", in: folder.path)
        let tar = try readFile(folder.path + "/layer.tar", limit: size * 2)
        let image = FakeImage(layer: tar)
        let server = try await FaultServer { exchange in image.answer(exchange) }
        let name = "127.0.0.1:\(server.port)/fake:1"
        let strata = try StrataProcess()
        let killed = try strata.with(["STRATA_FAILPOINT": "chunk:20"]).run("pull", name)
        #expect(killed.status == 128 + SIGKILL)
        let here = Int(try runShell("cat '\(strata.root)'/ingest/*/data | wc -c").trimmed) ?? 0
        #expect(here > 0 && here < tar.count)
        try strata.succeed("pull", name)
        let ranges = server.requests.filter { $0.path.contains("/blobs/\(image.layerDigest)") }
            .compactMap { $0.header("Range") }
        #expect(ranges == ["bytes=\(here)-\(tar.count - 1)"] || ranges == ["bytes=\(here)-"], "\(ranges)")
        await server.stop()
    }

    @Test func twoProcessesDownloadASharedLayerOnce() async throws {
        let layer = [UInt8](repeating: 0, count: 1024)
        let image = FakeImage(layer: layer)
        let server = try await FaultServer { exchange in image.answer(exchange) }
        let strata = try StrataProcess()
        let children = try (1...4).map { try strata.start(["pull", "127.0.0.1:\(server.port)/fake:\($0)"]) }
        for child in children {
            let result = try child.finish()
            #expect(result.status == 0, "\(result)")
        }
        let fetched = server.requests.count { $0.path.contains("/blobs/\(image.layerDigest)") }
        #expect(fetched == 1)
        #expect(try strata.succeed("images", "--format", "{{.Tag}}").split(separator: "\n").count == 4)
        await server.stop()
    }
}
