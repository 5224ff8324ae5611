import Archive

/// Archives of every kind that the writer and other programs make.
extension ArchiveTargets {
    @Sendable static func tarSeeds() throws -> [[UInt8]] { try [written(members), sparseGNU, paxSparse] }

    /// With a checksum, and without: whoever does not know how it is computed gets no further than to it.
    @Sendable static func erofsSeeds() throws -> [[UInt8]] {
        try [image(members), image([]), withoutChecksum(image(members)), withoutChecksum(image(many))]
    }

    /// A directory of several blocks, and chunks.
    private static let many: [(entry: TarEntry, data: [UInt8])] =
        (0..<300).map { number in
            (TarEntry(path: Array("d/\(String(repeating: "n", count: 30))\(number)".utf8), kind: .fifo), [])
        } + [
            (
                TarEntry(
                    path: Array("large".utf8), kind: .file, size: 1 << 20,
                    sparse: [.init(offset: 5000, length: 3), .init(offset: 900_000, length: 2)]), [1, 2, 3, 4, 5]
            )
        ]

    private static func withoutChecksum(_ image: [UInt8]) -> [UInt8] {
        var image = image
        // The compatible features: modification times, but no checksum.
        image.replaceSubrange(1032..<1036, with: [2, 0, 0, 0])
        return image
    }

    private static let members: [(entry: TarEntry, data: [UInt8])] = [
        (TarEntry(path: Array("d/".utf8), kind: .directory, mode: 0o755), []),
        (TarEntry(path: Array("d/file".utf8), kind: .file, size: 5), Array("bytes".utf8)),
        (TarEntry(path: Array("d/hard".utf8), kind: .hardLink, linkTarget: Array("d/file".utf8)), []),
        (TarEntry(path: Array("link".utf8), kind: .symbolicLink, linkTarget: Array("/d/file".utf8)), []),
        (TarEntry(path: Array("null".utf8), kind: .characterDevice, deviceMajor: 1, deviceMinor: 3), []),
        (TarEntry(path: Array("d/.wh.gone".utf8), kind: .file), []),
        (TarEntry(path: Array("e/.wh..wh..opq".utf8), kind: .file), []),
        (
            TarEntry(
                path: Array(String(repeating: "n", count: 150).utf8), kind: .file, uid: 4_000_000_000,
                mtimeSeconds: -5, mtimeNanoseconds: 7,
                attributes: [
                    .init(name: "user.a", value: [1, 2]), .init(name: "security.capability", value: [0, 61]),
                ]), []
        ),
        (
            TarEntry(
                path: Array("sparse".utf8), kind: .file, size: 20_000,
                sparse: [.init(offset: 100, length: 3), .init(offset: 9000, length: 2)]), [1, 2, 3, 4, 5]
        ),
    ]

    private final class Bytes { var all: [UInt8] = [] }

    private static func written(_ members: [(entry: TarEntry, data: [UInt8])]) throws -> [UInt8] {
        let bytes = Bytes()
        var writer = TarWriter { unsafe bytes.all += Array($0) }
        for member in members {
            try writer.begin(member.entry)
            if !member.data.isEmpty { try unsafe member.data.withUnsafeBytes { try unsafe writer.data($0) } }
            try writer.end()
        }
        try writer.finish()
        return bytes.all
    }

    private static func image(_ members: [(entry: TarEntry, data: [UInt8])]) throws -> [UInt8] {
        var writer = ErofsWriter(output: Output())
        for member in members {
            try writer.begin(member.entry)
            if !member.data.isEmpty { try unsafe member.data.withUnsafeBytes { try unsafe writer.data($0) } }
            try writer.end()
        }
        _ = try writer.finish()
        return writer.output.bytes
    }

    /// A header block: fields by offset, and the checksum.
    private static func header(_ fields: [(Int, String)]) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: 512)
        for (offset, text) in [(100, "0000644\0"), (108, "0000000\0"), (116, "0000000\0"), (148, "        ")] + fields {
            block.replaceSubrange(offset..<offset + text.utf8.count, with: text.utf8)
        }
        let sum = String(block.reduce(0) { $0 + Int($1) }, radix: 8)
        block.replaceSubrange(
            148..<156, with: Array((String(repeating: "0", count: 6 - sum.utf8.count) + sum + "\0 ").utf8))
        return block
    }

    private static var sparseGNU: [UInt8] {
        header([
            (0, "old"), (124, "00000000005\0"), (136, "00000000000\0"), (156, "S"), (257, "ustar  \0"),
            (386, "00000000000\0"), (398, "00000000002\0"), (410, "00000001000\0"), (422, "00000000003\0"),
            (483, "00000010000\0"),
        ]) + [1, 2, 3, 4, 5] + [UInt8](repeating: 0, count: 507 + 1024)
    }

    private static var paxSparse: [UInt8] {
        let records =
            "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n21 GNU.sparse.name=s\n30 GNU.sparse.realsize=000512\n"
        let size = String(records.utf8.count, radix: 8)
        let map = "2\n0\n1\n100\n1\n"
        return header([(0, "x"), (124, size), (156, "x"), (257, "ustar\u{0}00")]) + Array(records.utf8)
            + [UInt8](repeating: 0, count: -records.utf8.count & 511)
            + header([(0, "s"), (124, "00000001002\0"), (156, "0"), (257, "ustar\u{0}00")]) + Array(map.utf8)
            + [UInt8](repeating: 0, count: 512 - map.utf8.count) + [7, 8] + [UInt8](repeating: 0, count: 510 + 1024)
    }
}
