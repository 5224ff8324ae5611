import Linux
import OCI
import Snapshots
import TestSupport
import Testing

@Suite("Layer mounts")
struct LayerMountsTests {
    let bench: LayerBench
    let driver: ErofsDriver
    let mounts: LayerMounts
    let target: String

    init() throws {
        bench = try LayerBench()
        driver = try ErofsDriver(layers: bench.layers)
        mounts = try LayerMounts(driver: driver, runDirectory: bench.run)
        target = bench.directory.path + "/root"
        try makeDirectory(target)
    }

    private func mountedLayers() throws -> [String] {
        try mountTable().filter { $0.kind == "erofs" && $0.target.hasPrefix(bench.run) }.map(\.target)
    }

    private func makeImage() throws -> [Digest] {
        try [
            [
                .directory("etc"), .file("etc/one", "1"), .file("etc/gone", "x"), .file("d/old", "x"),
                .file("both", "low"),
            ],
            [.file("etc/.wh.gone"), .file("both", "high"), .file("d/.wh..wh..opq"), .file("d/new", "n")],
        ].map { try bench.add($0, to: driver).diffID }
    }

    @Test func aViewShowsTheLayersMerged() throws {
        try mounts.mountView(layers: makeImage(), at: target)
        #expect(
            try runShell("find . -type f | sort | xargs grep -H .", in: target) == """
                ./both:high
                ./d/new:n
                ./etc/one:1

                """)
        #expect(throws: (any Error).self, "read-only") { try makeDirectory(target + "/new") }
        #expect(try mountedLayers().count == 2)
        try mounts.unmountRoot(at: target)
        #expect(try mountedLayers().isEmpty)
        #expect(try names(in: bench.run + "/layers") == [])
        #expect(try names(in: target) == [])
    }
}
