import Linux
import OCI
import Snapshots
import Testing

extension SnapshotDriverSuite {
    /// Changes something in a layer's directory.
    private struct Damage: Sendable {
        var name: String
        var make: @Sendable (_ layer: String) throws -> Void

        init(_ name: String, _ make: @escaping @Sendable (_ layer: String) throws -> Void) {
            self.name = name
            self.make = make
        }

        init(_ name: String, shell: String) {
            self.init(name) { _ = try runShell(shell, in: $0) }
        }

        /// Of one bit, at a share of the layer file's length.
        static func flip(_ share: Double) -> Damage {
            Damage("a bit at \(share)") { layer in
                let file = try open(layer + "/layer.erofs", .update)
                let offset = Int64(Double(try FileStatus(of: file).size - 1) * share)
                var byte: [UInt8] = [0]
                _ = try unsafe byte.withUnsafeMutableBytes {
                    try unsafe preadFull(from: file.raw, at: offset, into: $0, "layer")
                }
                byte[0] ^= 0x10
                try unsafe byte.withUnsafeBytes { try unsafe pwriteAll($0, to: file.raw, at: offset, "layer") }
            }
        }
    }

    private static let common = [
        Damage("no layer.json", shell: "rm layer.json"),
        Damage("half a layer.json", shell: "truncate -s 40 layer.json"),
        Damage("another's layer.json", shell: "sed -i 's/sha256:..../sha256:0000/' layer.json"),
    ]

    private static let inFiles =
        [0, 0.001, 0.2, 0.5, 0.9, 0.99, 0.999].map(Damage.flip) + [
            Damage("no file", shell: "rm layer.erofs"), Damage("a cut file", shell: "truncate -s -4096 layer.erofs"),
            Damage("a longer file", shell: "truncate -s +4096 layer.erofs"),
            Damage("an empty file", shell: "truncate -s 0 layer.erofs"),
            Damage(
                "data in the first hole", shell: "printf x | dd of=layer.erofs bs=1 seek=100 conv=notrunc status=none"),
        ]

    private static let overlay = isPrivileged ? "trusted.overlay." : "user.overlay."

    private static let inTrees = [
        Damage("no tree", shell: "rm -r tree"), Damage("other bytes", shell: "printf y > tree/f"),
        Damage("more bytes", shell: "printf yy >> tree/f"), Damage("fewer bytes", shell: "truncate -s 0 tree/f"),
        Damage("other bytes, the old time", shell: "touch -r tree/f t; printf y > tree/f; touch -r t tree/f; rm t"),
        Damage("a mode", shell: "chmod 600 tree/d/g"), Damage("setuid gone", shell: "chmod u-s tree/setuid"),
        Damage("an owner", shell: "chown 5 tree/d/g"), Damage("a group", shell: "chown :5 tree/d"),
        Damage("a time", shell: "touch tree/d/g"), Damage("a directory's time", shell: "touch tree/d"),
        Damage("the root's mode", shell: "chmod 711 tree"), Damage("a file gone", shell: "rm tree/d/g"),
        Damage("a file more", shell: "touch tree/d/h"), Damage("a directory more", shell: "mkdir tree/e"),
        Damage("a renamed file", shell: "mv tree/d/g tree/d/G"),
        Damage("a link's target", shell: "ln -sfn y tree/l"), Damage("a link for a file", shell: "ln -sf /f tree/d/g"),
        Damage("a link for a directory", shell: "mv tree/d e; ln -s ../e tree/d"),
        Damage("a copy for a hard link", shell: "cp -p tree/f x; mv x tree/hard"),
        Damage("one more hard link", shell: "ln tree/d/g tree/d/h; rm tree/d/h; ln tree/d/g extra"),
        Damage(
            "bytes in a hole",
            shell: "touch -r tree/hole t; printf x | dd of=tree/hole bs=1 seek=50000 conv=notrunc "
                + "status=none; touch -r t tree/hole; rm t"),
        Damage("a whiteout gone", shell: "rm tree/d/w"),
        Damage("a file for a whiteout", shell: "rm tree/d/w; touch tree/d/w"),
        Damage("no capability") { layer in _ = try runShell("setcap -r tree/capable", in: layer) },
        Damage("another attribute") { try setAttribute("user.a", [2], of: $0 + "/tree/capable") },
        Damage("an attribute more") { try setAttribute("user.b", [2], of: $0 + "/tree/capable") },
        Damage("opaque") { try setAttribute(overlay + "opaque", [121], of: $0 + "/tree/d") },
        Damage("a redirect") { try setAttribute(overlay + "redirect", [121], of: $0 + "/tree/d") },
    ]

    private static let inDevices = [
        Damage("another device", shell: "rm tree/null; mknod -m 660 tree/null c 1 5; touch -d @1700000000 tree/null"),
        Damage("a file for a device", shell: "rm tree/null; touch tree/null"),
    ]

    static let damagedLayer: [LayerTar.Member] = [
        .file("f", "x"), .directory("d"), .file("d/g", "1234"), .symbolicLink("l", to: "f"), .hardLink("hard", to: "f"),
        .file("setuid", "x", mode: 0o4755), .node("null", "3", 1, 3), .file("d/.wh.w"),
        .file("capable", "elf", mode: 0o755).with {
            $0.attributes = [
                ("security.capability", [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
                ("user.a", [1]),
            ]
        },
        .file("hole").with { member in
            member.sparse = (100_000, [(0, 10), (90_000, 10)])
            member.data = [UInt8](repeating: 1, count: 20)
        },
        .file("big", String(repeating: "0123456789abcdef", count: 3000)),
    ]

    func findsDamage() throws {
        var damages = Self.common + (driver.kind == .erofs ? Self.inFiles : Self.inTrees)
        if driver.kind == .directory, Self.isPrivileged { damages += Self.inDevices }
        let tar = LayerTar(Self.damagedLayer).finished
        let diffID = digest(of: tar)
        for damage in damages {
            try bench.add(tar, to: driver)
            try driver.checkSeal(diffID)
            try verify(tar)
            try damage.make("\(bench.layers)/\(diffID.hex)")
            expectDamaged("\(damage.name): the seal") { try driver.checkSeal(diffID) }
            expectDamaged("\(damage.name): the verifier") { try verify(tar) }
            // Never mounted, not even by who has not looked at it before.
            expectDamaged("\(damage.name): a mount") { try withView([diffID]) { _ in } }
        }
        // Made again, it is good again.
        try bench.add(tar, to: driver)
        try verify(tar)
        #expect(try withView([diffID]) { try readFile($0 + "/d/g", limit: 10) } == Array("1234".utf8))
        // Another tar than the layer's.
        var other = LayerTar(Self.damagedLayer)
        other.add(.file("new"))
        expectDamaged("another tar") { try verify(other.finished, as: diffID) }
    }

    private func expectDamaged(_ what: String, _ body: () throws -> Void) {
        let error = #expect(throws: SnapshotError.self, "\(what)") { try body() }
        if case .damaged? = error { return }
        Issue.record("\(what): \(error.map { "\($0)" } ?? "nothing")")
    }

    func renewsSeals() throws {
        let tar = LayerTar(Self.damagedLayer).finished
        let record = try bench.add(tar, to: driver)
        let file = driver.kind == .erofs ? "layer.erofs" : "tree/d/g"
        // The same mode once more: only the time of the change differs.
        _ = try runShell("chmod --reference=\(file) \(file)", in: "\(bench.layers)/\(record.diffID.hex)")
        expectDamaged("touched") { try driver.checkSeal(record.diffID) }
        try verify(tar)
        try driver.checkSeal(record.diffID)
        #expect(try driver.record(of: record.diffID) == record)
    }
}
