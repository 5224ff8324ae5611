import Archive
import Testing

/// Layers that between them have everything an image can hold.
struct ErofsCase: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let members: [Member]

    private init(_ name: String, _ members: [Member]) {
        testDescription = name
        self.members = members
    }

    static let all = [
        ErofsCase("nothing", []), ErofsCase("one entry", [.file("d/f", "x")]),
        ErofsCase("300 entries of a directory", files(300) { "d/file-\($0)" }),
        ErofsCase("names around the dots", dots), ErofsCase("names that are no UTF-8", bytes),
        ErofsCase("names of 255 bytes, several blocks of them", longNames),
        ErofsCase("directories around a block's size", directorySizes),
        ErofsCase("link targets of every size around a block's", targets),
        ErofsCase("file sizes around a block's", fileSizes), ErofsCase("kinds, modes, owners and times", metadata),
        ErofsCase("hard links", hardLinks), ErofsCase("attributes", attributes), ErofsCase("sparse files", sparseFiles),
        ErofsCase("whiteouts and opaque directories", whiteouts),
        ErofsCase("200 levels", [.file([String](repeating: "d", count: 200).joined(separator: "/"), "x")]),
    ]

    static func files(_ count: Int, named name: (Int) -> String) -> [Member] {
        (0..<count).map { number -> Member in .file(name(number), "\(number)") }
    }

    /// Names before, between and after `.` and `..`.
    private static let dots = [
        "!", "-", "+x", ".!", ".-a", "..!", "...", ".a", "..a", "0", "a", "~",
    ].map { name -> Member in .file("d/" + name) }

    private static let bytes = [
        Member([0xFF, 0xFE], .directory), Member([0xFF, 0xFE, 0x2F, 0x80, 1], .file, data: [1]),
    ]

    private static let longNames = files(100) { "d/" + String(repeating: "n", count: 252) + "\(100 + $0)" }

    /// The last block near the end of a block, exactly full, or just begun.
    private static let directorySizes: [Member] =
        (240...260).flatMap { count in files(count) { "d\(count)/f\(1000 + $0)" } }
        + files(12) { "e/" + String(repeating: "x", count: 250) + "\(10 + $0)" }

    private static let targets = [
        1, 59, 3967, 3968, 3969, 4030, 4031, 4032, 4033, 4094, 4095,
    ].map { length -> Member in .symbolicLink("l\(length)", to: String(repeating: "t", count: length)) }

    private static let fileSizes = [
        0, 1, 4095, 4096, 4097, 8192, 262_143, 262_144, 262_145, 1_000_000,
    ].map { size -> Member in Member(Array("f\(size)".utf8), .file, data: pattern(size)) }

    private static let metadata: [Member] = [
        Member("block", .blockDevice, mode: 0o660) { ($0.deviceMajor, $0.deviceMinor) = (259, 300) },
        Member("char", .characterDevice, mode: 0o666) { ($0.deviceMajor, $0.deviceMinor) = (5, 1) },
        Member("largest", .characterDevice) { ($0.deviceMajor, $0.deviceMinor) = (4095, 0xFFFFF) },
        Member("fifo", .fifo, mode: 0o600), .file("setuid", "x", mode: 0o6755), .directory("sticky", mode: 0o1777),
        .file("none", "x", mode: 0), Member("owned", .file) { ($0.uid, $0.gid) = (4_294_967_294, 65536) },
        Member("future", .file) { ($0.mtimeSeconds, $0.mtimeNanoseconds) = (1 << 33, 999_999_999) },
        Member("past", .file) { ($0.mtimeSeconds, $0.mtimeNanoseconds) = (-1, 123_456_700) },
    ]

    private static let hardLinks: [Member] =
        [.file("a", "x"), .symbolicLink("l", to: "a"), .hardLink("l2", to: "l")]
        + (0..<500).map { number -> Member in .hardLink("d/h\(number)", to: "a") }

    private static let sparseFiles: [Member] = [
        .sparse("one run", size: 10_000, [Run(5000, pattern(100))]), .sparse("only a hole", size: 1 << 20, []),
        .sparse("nothing", size: 0, []),
        .sparse("whole", size: 5000, [Run(0, pattern(2500)), Run(2500, pattern(2500))]),
        .sparse("unaligned runs in one block", size: 4096, [Run(1, [1]), Run(100, [2, 3]), Run(4095, [4])]),
        .sparse(
            "runs over blocks", size: 100_000, [Run(4000, pattern(200)), Run(50_000, pattern(9000)), Run(99_999, [7])]),
        .sparse("hole at the end", size: 1_000_000, [Run(0, pattern(4096))]),
        .sparse("chunks of several blocks", size: 300 << 20, largeRuns),
        Member("with attributes", .file) {
            $0.size = 9000
            $0.sparse = []
            $0.attributes = [.init(name: "user.odd", value: [1, 2, 3])]
        },
    ]

    private static let largeRuns: [Run] = [
        Run(0, pattern(10)), Run(77_777_777, pattern(100_000)), Run((300 << 20) - 5, pattern(5)),
    ]

    private static let whiteouts: [Member] = [
        .file("a/.wh.x"), .file("a/.wh.y"), .file("b/.wh..wh..opq"), .file(".wh.z"), .file("b/f", "x"),
    ]

    private static let attributes: [Member] = [
        Member("capability", .file, mode: 0o755, data: "x") {
            $0.attributes = [.init(name: "security.capability", value: netRaw)]
        },
        Member("acl", .directory, mode: 0o750) {
            $0.attributes = [
                .init(name: "system.posix_acl_access", value: acl), .init(name: "system.posix_acl_default", value: acl),
            ]
        },
        Member("user", .file) {
            $0.attributes = [
                .init(name: "user.a", value: []), .init(name: "user." + String(repeating: "n", count: 250), value: [0]),
                .init(name: "trusted.t", value: Array("value".utf8)),
                .init(name: "security.selinux", value: Array("system_u:object_r:bin_t:s0\0".utf8)),
                .init(name: "user.large", value: pattern(60_000)), .init(name: "user.a", value: [1]),
            ]
        },
        Member("large", .symbolicLink) {
            $0.linkTarget = [UInt8](repeating: 0x74, count: 3000)
            $0.attributes = [.init(name: "trusted.large", value: pattern(5000))]
        },
        // Overlayfs's own are not an image's to set; the others Linux does not know.
        Member("dropped", .file) {
            $0.attributes = [
                .init(name: "trusted.overlay.redirect", value: Array("/etc".utf8)),
                .init(name: "user.overlay.opaque", value: Array("y".utf8)), .init(name: "com.apple.x", value: [1]),
                .init(name: "user.", value: [1]), .init(name: "system.posix_acl_accessx", value: [1]),
            ]
        },
        Member("opaque", .directory) { $0.attributes = [.init(name: "user.own", value: [1, 2, 3, 4, 5])] },
        .file("opaque/.wh..wh..opq"), .file("opaque/.wh.x"), .hardLink("link", to: "user"),
    ]

    /// cap_net_raw+ep
    private static let netRaw: [UInt8] = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]

    /// user::rwx, user:1000:r-x, group::r-x, mask::r-x, other::---
    private static let acl: [UInt8] = [
        [2, 0, 0, 0], [1, 0, 7, 0, 255, 255, 255, 255], [2, 0, 5, 0, 232, 3, 0, 0], [4, 0, 5, 0, 255, 255, 255, 255],
        [16, 0, 5, 0, 255, 255, 255, 255], [32, 0, 0, 0, 255, 255, 255, 255],
    ].flatMap(\.self)
}

/// Bytes that tell where they come from.
func pattern(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) } }
