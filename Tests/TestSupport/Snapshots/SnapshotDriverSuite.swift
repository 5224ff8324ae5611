import Linux
package import OCI
package import Snapshots
import Testing

/// What every snapshot driver must do, each check on a store of its own; all fail on leftovers.
package struct SnapshotDriverSuite: Sendable {
    /// A check by its name.
    package struct Check: Sendable, CustomTestStringConvertible {
        package let testDescription: String
        package let run: @Sendable (SnapshotDriverSuite) throws -> Void

        init(_ name: String, _ run: @escaping @Sendable (SnapshotDriverSuite) throws -> Void) {
            testDescription = name
            self.run = run
        }
    }

    /// In a user namespace, where devices and some attributes cannot be made.
    package static let isPrivileged = isInitialUserNamespace()

    package static let checks: [Check] =
        [
            Check("an empty layer") { try $0.takesAnEmptyLayer() },
            Check("a life: made, listed, removed") { try $0.livesAndGoes() },
            Check("names, kinds, owners, times, attributes, holes as GNU tar extracts them") {
                try $0.isAsTarExtracts()
            },
            Check("tars in pieces of any size") { try $0.takesAnyPieces() },
            Check("bad tars leave nothing") { try $0.refusesBadTars() },
            Check("an abandoned layer leaves nothing") { try $0.abandonedLeavesNothing() },
            Check("a layer replaced while it is mounted") { try $0.replacesWhileMounted() },
            Check("the same layer from many threads") { try $0.takesTheSameLayerAtOnce() },
            Check("a tree of 2040 levels") { try $0.takesDeepTrees() },
            Check("whiteouts and opaque directories over five layers") { try $0.stacks() },
            Check("an opaque root") { try $0.hidesBelowAnOpaqueRoot() },
            Check("a full disk, and one that cannot be written to") { try $0.survivesItsDisk() },
            Check("damage") { try $0.findsDamage() },
            Check("a touched layer is verified again") { try $0.renewsSeals() },
        ]
        + (isPrivileged ? mergeCases : mergeCases.filter { !$0.makesDevices }).map { test in
            Check(test.name) { try $0.merges(test) }
        }

    package let bench: LayerBench
    package let driver: any SnapshotDriver

    package init(_ kind: SnapshotKind) throws {
        bench = try LayerBench()
        driver =
            kind == .erofs
            ? try ErofsDriver(layers: bench.layers) : try DirectoryDriver(layers: bench.layers)
        try bench.directory.write("canary", Array("alive".utf8))
    }

    /// Runs a check on a driver and looks for what it left behind.
    package static func run(_ check: Check, on kind: SnapshotKind) throws {
        let suite = try SnapshotDriverSuite(kind)
        try check.run(suite)
        try suite.driver.remove(suite.driver.layers())
        #expect(try names(in: suite.bench.layers) == [], "leftovers in layers/")
        let others = try names(in: suite.bench.directory.path)?.filter { !["canary", "layers", "run"].contains($0) }
        #expect(others == [], "leftovers beside the store")
        #expect(try readFile(suite.bench.directory.path + "/canary", limit: 100) == Array("alive".utf8))
        #expect(try mountTable().filter { $0.target.hasPrefix(suite.bench.directory.path) }.isEmpty, "mounts")
    }

    // MARK: Parts

    /// Mounts layers, lowest first, while the body runs.
    package func withView<Value>(_ layers: [Digest], _ body: (String) throws -> Value) throws -> Value {
        let mounts = try LayerMounts(driver: driver, runDirectory: bench.run)
        let target = bench.directory.path + "/view-" + uniqueSuffix()
        try makeDirectory(target)
        defer { try? removeDirectory(target) }
        try mounts.mountView(layers: layers, at: target)
        let result = Result { try body(target) }
        try mounts.unmountRoot(at: target)
        return try result.get()
    }

    /// The entries of a layer, one a line: path, kind, mode, owner, size, target.
    func lines(of diffID: Digest) throws -> [String] {
        var lines: [String] = []
        try driver.entries(of: diffID) { lines.append(Self.line($0)) }
        return lines
    }

    static func line(_ entry: LayerEntry) -> String {
        var words = ["/" + String(decoding: entry.path, as: UTF8.self), "\(entry.kind)"]
        if entry.kind != .whiteout { words.append(String(entry.mode, radix: 8)) }
        if entry.kind == .file { words.append("\(entry.size)") }
        if entry.uid != 0 { words.append("of \(entry.uid)") }
        if entry.links > 1 { words.append("x\(entry.links)") }
        if !entry.linkTarget.isEmpty { words.append("-> " + String(decoding: entry.linkTarget, as: UTF8.self)) }
        if entry.isOpaque { words.append("opaque") }
        return words.joined(separator: " ")
    }

    /// Whether the verifier is content with what is stored.
    func verify(_ tar: [UInt8], as diffID: Digest? = nil) throws {
        _ = try bench.feed(tar, to: try driver.verifier(of: diffID ?? digest(of: tar)))
    }

    // MARK: Checks

    private func takesAnEmptyLayer() throws {
        let record = try bench.add([], to: driver)
        #expect(record.contents == LayerContents(size: 0, files: 0))
        #expect(try lines(of: record.diffID) == ["/ directory 755"])
        #expect(try withView([record.diffID]) { try names(in: $0) } == [])
    }

    private func livesAndGoes() throws {
        let missing = digest(of: [1])
        #expect(try driver.record(of: missing) == nil)
        #expect(throws: SnapshotError.notFound(missing)) { try driver.source(of: missing) }
        #expect(throws: SnapshotError.notFound(missing)) { try driver.checkSeal(missing) }
        #expect(throws: SnapshotError.notFound(missing)) { try driver.verifier(of: missing) }
        #expect(throws: SnapshotError.notFound(missing)) { try driver.entries(of: missing) { _ in } }
        try driver.remove([missing])

        let one = try bench.add([.file("a", "12345"), .hardLink("b", to: "a"), .file(".wh.c")], to: driver)
        let two = try bench.add([.file("x", "1")], to: driver)
        #expect(one.contents == LayerContents(size: 5, files: 3))
        #expect(try driver.record(of: one.diffID) == one)
        #expect(try driver.layers() == [one.diffID, two.diffID].sorted())
        #expect(try driver.storedBytes(of: one.diffID) > 0)
        try driver.checkSeal(one.diffID)
        #expect(try driver.source(of: one.diffID).kind == driver.kind)
        // Another of the same kind sees the same; one of the other kind sees no layer of its own.
        let again: any SnapshotDriver =
            driver.kind == .erofs ? try DirectoryDriver(layers: bench.layers) : try ErofsDriver(layers: bench.layers)
        #expect(try again.record(of: one.diffID) == nil)

        try driver.remove([one.diffID])
        #expect(try driver.record(of: one.diffID) == nil)
        #expect(try driver.layers() == [two.diffID])
        #expect(throws: SnapshotError.notFound(one.diffID)) { try driver.source(of: one.diffID) }
        // What a process that died in a removal left.
        try makeDirectories(bench.layers + "/.removed-x/tree/d")
        try driver.removeLeftovers()
        #expect(try names(in: bench.layers) == [two.diffID.hex])
    }

    private func takesAnyPieces() throws {
        let tar = LayerTar(Self.everything).finished
        let diffID = digest(of: tar)
        var first: [String]?
        for pieces in [513, 4096, 1 << 20] {
            try bench.add(tar, to: driver, pieces: pieces)
            let lines = try lines(of: diffID)
            #expect(lines == first ?? lines, "in pieces of \(pieces)")
            first = lines
            _ = try bench.feed(tar, to: try driver.verifier(of: diffID), pieces: pieces)
        }
    }

    private func refusesBadTars() throws {
        var cut = LayerTar([.file("a", String(repeating: "x", count: 100_000))]).bytes
        cut.removeLast(2000)
        var wrongSum = LayerTar([.file("a", "x")]).finished
        wrongSum[150] ^= 1
        for (name, tar) in [("cut", cut), ("a wrong checksum", wrongSum)] {
            #expect(throws: (any Error).self, "\(name)") { try bench.add(tar, to: driver) }
            #expect(try names(in: bench.layers) == [], "\(name)")
        }
    }

    private func abandonedLeavesNothing() throws {
        let tar = LayerTar(Self.everything).finished
        for end in stride(from: 512, to: tar.count, by: tar.count / 7) {
            let scratch = try bench.makeScratch()
            defer { try? removeTree(scratch) }
            let writer = try driver.beginLayer(in: scratch)
            try unsafe tar[..<end].withUnsafeBytes { try unsafe writer.consume($0) }
        }
        // All but the commit.
        let scratch = try bench.makeScratch()
        _ = try bench.feed(tar, to: try driver.beginLayer(in: scratch))
        #expect(try names(in: bench.layers) == [])
        #expect(try driver.layers() == [])
        try removeTree(scratch)
    }

    private func replacesWhileMounted() throws {
        let tar = LayerTar([.directory("d"), .file("d/f", "content")]).finished
        let diffID = try bench.add(tar, to: driver).diffID
        try withView([diffID]) { view in
            let file = try open(view + "/d/f", .read)
            try bench.add(tar, to: driver)
            #expect(try readSome(from: file.raw, upTo: 100) == Array("content".utf8))
            #expect(try withView([diffID]) { try readFile($0 + "/d/f", limit: 100) } == Array("content".utf8))
        }
        #expect(try names(in: bench.layers) == [diffID.hex])
        try verify(tar)
    }

    private func takesTheSameLayerAtOnce() throws {
        let tar = LayerTar((0..<50).map { .file("d/f\($0)", "\($0)") }).finished
        let results = try runThreads(4) { try bench.add(tar, to: driver).contents }
        #expect(results == [LayerContents](repeating: LayerContents(size: 90, files: 51), count: 4))
        try verify(tar)
    }

    private func takesDeepTrees() throws {
        let path = [String](repeating: "d", count: 2040).joined(separator: "/")
        let tar = LayerTar([.file(path + "/f", "deep")]).finished
        let diffID = try bench.add(tar, to: driver).diffID
        #expect(try lines(of: diffID).count == 2042)
        try verify(tar)
        try driver.checkSeal(diffID)
        try withView([diffID]) { view in
            // Longer than a path may be with the view's own.
            let directory = try open(path: Array(path.utf8), beneath: try open(view, .directory), .directory)
            #expect(try FileStatus(of: "f", in: directory).size == 4)
        }
    }
}

extension SnapshotDriverSuite {
    /// The layers of all checks that make one, by the checks' names.
    package static let tars =
        ["everything", "damage"] + stackedLayers.indices.map { "stacked \($0)" }
        + mergeCases.filter { $0.refusal == nil }.map(\.name)

    package static func tar(named name: String) -> [UInt8] {
        let stacked = stackedLayers.indices.first { name == "stacked \($0)" }.map { stackedLayers[$0] }
        let merged = mergeCases.first { $0.name == name }?.members
        return LayerTar(stacked ?? merged ?? (name == "damage" ? damagedLayer : everything)).finished
    }
}
