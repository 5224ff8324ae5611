import Archive
import Testing

/// Archives that lie, and what is said of them. Whatever the size of the pieces, the answer is the same.
@Suite("Hostile tar archives")
struct HostileTarTests {
    struct Case: CustomTestStringConvertible {
        var name: String
        /// nil where it is to be read.
        var reason: TarError.Reason?
        var bytes: [UInt8]
        var testDescription: String { name }

        init(_ name: String, _ reason: TarError.Reason?, _ build: (inout RawTar) -> Void) {
            var tar = RawTar()
            build(&tar)
            self.init(name, reason, bytes: tar.finished)
        }

        init(_ name: String, _ reason: TarError.Reason?, bytes: [UInt8]) {
            (self.name, self.reason, self.bytes) = (name, reason, bytes)
        }

        static func header(_ name: String, _ reason: TarError.Reason?, _ header: RawTar.Header) -> Case {
            Case(name, reason) { $0.add(header) }
        }

        /// A pax header with these records and a file of so many bytes.
        static func pax(
            _ name: String, _ reason: TarError.Reason?, _ records: [(String, String)], size: Int = 0
        ) -> Case {
            Case(name, reason) {
                $0.addPax(records)
                $0.add(.init(), data: [UInt8](repeating: 7, count: size))
            }
        }

        /// A pax header of just these bytes, and a file.
        static func raw(_ name: String, _ reason: TarError.Reason?, _ body: String) -> Case {
            raw(name, reason, Array(body.utf8))
        }

        static func raw(_ name: String, _ reason: TarError.Reason?, _ body: [UInt8]) -> Case {
            Case(name, reason) {
                $0.add(.init(name: "PaxHeaders/file", type: "x"), data: body)
                $0.add(.init())
            }
        }

        /// An old GNU sparse member: runs as stored in the header, and so many stored bytes.
        static func gnuSparse(
            _ name: String, _ reason: TarError.Reason?, runs: [(Int64, Int64)], real: Int64, stored: Int
        ) -> Case {
            Case(name, reason) {
                $0.addGNUSparse(runs: runs, realSize: real, data: [UInt8](repeating: 1, count: stored))
            }
        }

        /// Pax sparse 1.0: the map's text, then data.
        static func paxSparse(
            _ name: String, _ reason: TarError.Reason?, map: String, real: Int64 = 4096, data: Int = 0
        ) -> Case {
            Case(name, reason) {
                $0.addPax([
                    ("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", "s"),
                    ("GNU.sparse.realsize", "\(real)"),
                ])
                var body = Array(map.utf8)
                body += [UInt8](repeating: 0, count: -body.count & 511) + [UInt8](repeating: 1, count: data)
                $0.add(.init(), data: body)
            }
        }
    }

    private func check(_ row: Case) throws {
        for pieces in [64 << 10, 513, 1] where pieces > 1 || row.bytes.count < 20_000 {
            let error = try tarError(row.bytes, pieces: pieces)
            #expect(error?.reason == row.reason, "in pieces of \(pieces): \(error?.description ?? "no error")")
            if let error { #expect(!error.description.isEmpty && error.description.utf8.count < 500) }
        }
    }

    /// Notes whether what it gets lies in the piece that the parser was given, that is, was not copied.
    private struct Counter: TarHandler {
        var piece: Range<UInt> = 0..<0
        var count: Int64 = 0
        var copied = 0

        mutating func begin(_ entry: TarEntry) {}
        mutating func data(_ bytes: UnsafeRawBufferPointer) {
            count += Int64(bytes.count)
            let start = UInt(bitPattern: bytes.baseAddress)
            if !piece.contains(start) || start + UInt(bytes.count) > piece.upperBound { copied += 1 }
        }
        mutating func end() {}
    }

    @Test(arguments: [true, false]) func fiveGiBPassThroughUnheld(isPax: Bool) throws {
        let size: Int64 = 5 << 30
        var tar = RawTar()
        if isPax {
            tar.addPax([("size", "\(size)")])
            tar.add(.init())
        } else {
            tar.add(.init(size: RawTar.binary(size, 12)))
        }
        var parser = TarParser()
        var counter = Counter()
        try unsafe tar.bytes.withUnsafeBytes { try unsafe parser.consume($0, into: &counter) }
        let piece = [UInt8](repeating: 1, count: 1 << 20)
        try unsafe piece.withUnsafeBytes { bytes in
            let start = UInt(bitPattern: bytes.baseAddress)
            counter.piece = start..<(start + UInt(bytes.count))
            for _ in 0..<(size >> 20) { try unsafe parser.consume(bytes, into: &counter) }
        }
        try parser.finish()
        #expect(counter.count == size)
        #expect(counter.copied == 0)
    }

    private static let long = String(repeating: "n", count: 255)

    static let headers: [Case] = [
        .header("a checksum that does not fit", .badChecksum, .init(checksum: "0000000\0")),
        .header("a checksum of letters", .badChecksum, .init(checksum: "checksum")),
        .header("a checksum of signed bytes, as Sun's tar wrote", nil, signedChecksum),
        .header("a size of letters", .malformed(.size), .init(size: Array("12345678abc\0".utf8))),
        .header("a size with a 9", .malformed(.size), .init(size: Array("00000000009\0".utf8))),
        .header("a negative size", .outOfRange(.size), .init(size: RawTar.binary(-1, 12))),
        .header("a size of 2^63", .outOfRange(.size), .init(size: overflowing)),
        .header("a size of all ones in octal", .truncated, .init(size: Array("777777777777".utf8))),
        .header("2^63-1 bytes and no data", .truncated, .init(size: RawTar.binary(.max, 12))),
        .header("a directory with a size", nil, .init(name: "d/", size: Array("00000001000\0".utf8), type: "5")),
        .header("a symbolic link with a size", nil, .init(size: Array("00000001000\0".utf8), type: "2", link: "a")),
        .header("an owner of 2^32-1", .outOfRange(.owner), .init(patches: [(108, RawTar.binary(0xFFFF_FFFF, 8))])),
        .header("a negative owner", .outOfRange(.owner), .init(patches: [(108, RawTar.binary(-2, 8))])),
        .header("a group of 2^32", .outOfRange(.group), .init(patches: [(116, RawTar.binary(1 << 32, 8))])),
        .header("a time of letters", .malformed(.time), .init(mtime: Array("yesterday   ".utf8))),
        .header("a mode of letters", .malformed(.mode), .init(mode: "rwxr-xr-")),
        .header("a device of 2^20", .outOfRange(.device), .init(type: "3", minor: "4000000\0")),
        .header("a negative device", .outOfRange(.device), .init(type: "4", patches: [(329, RawTar.binary(-1, 8))])),
        .header("no name", .missing(.path), .init(name: "")),
        .header("a symbolic link to nowhere", .missing(.linkTarget), .init(type: "2")),
        .header("a hard link to nothing", .missing(.linkTarget), .init(type: "1")),
        .header("a volume label", .unsupportedType(UInt8(ascii: "V")), .init(type: "V")),
        .header("a continued file", .unsupportedType(UInt8(ascii: "M")), .init(type: "M")),
        .header("GNU's sparse type in a ustar archive", .unsupportedType(UInt8(ascii: "S")), .init(type: "S")),
        .header("an unknown type", .unsupportedType(UInt8(ascii: "!")), .init(type: "!")),
        .header("a name and prefix that fill their fields", nil, .init(name: long, prefix: long)),
        .header("a name of bytes that are no text", nil, .init(nameBytes: [0xFF, 0xFE, 0x80])),
    ]

    private static let overflowing: [UInt8] = [0x80, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0]

    private static var signedChecksum: RawTar.Header {
        var header = RawTar.Header(nameBytes: Array("Stra\u{DF}e".utf8))
        let sum = RawTar.block(header).enumerated().reduce(0) { sum, byte in
            (148..<156).contains(byte.offset) ? sum : sum + Int(Int8(bitPattern: byte.element))
        }
        header.checksum = String(decoding: RawTar.octal(sum + 8 * 32, 8), as: UTF8.self)
        return header
    }

    @Test(arguments: headers) func headersAreJudged(_ row: Case) throws { try check(row) }

    static let extended: [Case] = [
        .raw("no record", .malformed(.extendedHeader), "\n"),
        .raw("a length of nothing", .malformed(.extendedHeader), "0 a=b\n"),
        .raw("a length that is too short", .malformed(.extendedHeader), "5 path=a\n"),
        .raw("a length past the end", .malformed(.extendedHeader), "99 path=a\n"),
        .raw("a length that overflows", .malformed(.extendedHeader), "99999999999999999999 path=a\n"),
        .raw("a negative length", .malformed(.extendedHeader), "-9 path=a\n"),
        .raw("no newline", .malformed(.extendedHeader), "9 path=ab"),
        .raw("no equals sign", .malformed(.extendedHeader), "9 path:a\n"),
        .raw("no key", .malformed(.extendedHeader), "5 =a\n"),
        .raw("no space", .malformed(.extendedHeader), "8path=a\n"),
        .raw("a NUL in the key", .malformed(.extendedHeader), "10 pa\0th=\n"),
        .raw("zeros", .malformed(.extendedHeader), [UInt8](repeating: 0, count: 512)),
        .pax("an unknown key", nil, [("COMMENT.we", "like")]),
        .pax("a NUL in the path", .holdsNUL(.path), [("path", "etc/passwd\0.txt")]),
        .pax("a NUL in the target", .holdsNUL(.linkTarget), [("linkpath", "a\0b")]),
        .pax("a path longer than Linux has", .tooLong(.path), [("path", String(repeating: "p/", count: 2050))]),
        .pax("a negative size", .outOfRange(.size), [("size", "-1")]),
        .pax("a size of 2^63", .outOfRange(.size), [("size", "9223372036854775808")]),
        .pax("a size of a hundred digits", .outOfRange(.size), [("size", String(repeating: "9", count: 100))]),
        .pax("a size in hexadecimal", .malformed(.size), [("size", "0x10")]),
        .pax("more than there is", .truncated, [("size", "1000000")], size: 10),
        .pax("less than there is: data where a header should be", .badChecksum, [("size", "0")], size: 600),
        .pax("an owner of 2^32-1", .outOfRange(.owner), [("uid", "4294967295")]),
        .pax("a negative group", .outOfRange(.group), [("gid", "-5")]),
        .pax("a time of letters", .malformed(.time), [("mtime", "now")]),
        .pax("a time with two points", .malformed(.time), [("mtime", "1.2.3")]),
        .pax("a time past 2^63", .outOfRange(.time), [("mtime", "9999999999999999999.5")]),
        .pax(
            "a time of a thousand digits behind the point", nil, [("mtime", "1." + String(repeating: "1", count: 1000))]
        ),
        .pax("an attribute without a name", .malformed(.attributeName), [("SCHILY.xattr.", "a")]),
        .pax("an attribute's name too long", .malformed(.attributeName), [("SCHILY.xattr.user.\(long)", "a")]),
        .pax(
            "an attribute's value too large", .attributeTooLarge("user.big"),
            [("SCHILY.xattr.user.big", String(repeating: "v", count: (64 << 10) + 1))]),
        .pax(
            "too many attributes", .tooManyAttributes,
            (0...512).map { ("SCHILY.xattr.user.\($0)", "v") }),
        Case("a pax header of more than a MiB", .metadataTooLarge) {
            $0.add(.init(type: "x", patches: [(124, RawTar.octal((1 << 20) + 1, 12))]))
        },
        Case("a GNU name of 2^62 bytes", .metadataTooLarge) {
            $0.add(.init(type: "L", patches: [(124, RawTar.binary(1 << 62, 12))]))
        },
        Case("a GNU name of negative length", .outOfRange(.size)) {
            $0.add(.init(type: "L", patches: [(124, RawTar.binary(-512, 12))]))
        },
        Case("a pax header and no member", .truncated) { $0.addPax([("path", "a")]) },
        Case("a GNU name and no member", .truncated) { $0.add(.init(type: "L"), data: Array("name\0".utf8)) },
        Case("a global header that is damaged", .malformed(.extendedHeader)) {
            $0.add(.init(type: "g"), data: Array("garbage".utf8))
        },
        Case("a global header that says a size", nil) {
            $0.addPax([("size", "99999")], type: "g")
            $0.add(.init())
        },
    ]

    @Test(arguments: extended) func extendedHeadersAreJudged(_ row: Case) throws { try check(row) }

    private static let good: [UInt8] = {
        var tar = RawTar()
        tar.add(.init(), data: Array("content".utf8))
        return tar.bytes
    }()
    private static let block = [UInt8](repeating: 0, count: 512)

    static let ends: [Case] = [
        Case("nothing at all", nil, bytes: []),
        Case("no end", nil, bytes: good),
        Case("one zero block", nil, bytes: good + block),
        Case("one zero block, and more", .loneZeroBlock, bytes: good + block + good),
        Case("garbage after the end", nil, bytes: good + block + block + Array("garbage".utf8)),
        Case("another archive after the end", nil, bytes: good + block + block + good),
        Case("garbage instead of an end", .truncated, bytes: good + Array("garbage".utf8)),
        Case("a block of garbage", .badChecksum, bytes: good + [UInt8](repeating: 65, count: 512)),
        Case("a piece of a header", .truncated, bytes: Array(good.prefix(511))),
        Case("a header", .truncated, bytes: Array(good.prefix(512))),
        Case("a piece of the data", .truncated, bytes: Array(good.prefix(515))),
        Case("all data and no padding", nil, bytes: Array(good.prefix(519))),
        Case("a piece of a zero block", .truncated, bytes: good + block.prefix(3)),
        Case("a piece of the second zero block", .truncated, bytes: good + block + block.prefix(3)),
        Case("text", .badChecksum, bytes: sampleText(2000)),
        Case("gzip", .truncated, bytes: [0x1F, 0x8B, 8, 0]),
    ]

    @Test(arguments: ends) func endsAreJudged(_ row: Case) throws { try check(row) }

    static let sparse: [Case] = [
        .gnuSparse("old GNU", nil, runs: [(0, 512), (4096, 100)], real: 8192, stored: 612),
        .gnuSparse("old GNU, all hole", nil, runs: [], real: 1 << 40, stored: 0),
        .gnuSparse("ended by an empty run", nil, runs: [(512, 5), (8192, 0)], real: 8192, stored: 5),
        .gnuSparse("runs that overlap", .inconsistentSparseMap, runs: [(0, 512), (511, 1)], real: 1024, stored: 513),
        .gnuSparse("runs backwards", .inconsistentSparseMap, runs: [(512, 10), (0, 10)], real: 1024, stored: 20),
        .gnuSparse("a run past the end", .inconsistentSparseMap, runs: [(0, 512)], real: 511, stored: 512),
        .gnuSparse("more runs than data", .inconsistentSparseMap, runs: [(0, 512)], real: 512, stored: 511),
        .gnuSparse("more data than runs", .inconsistentSparseMap, runs: [(0, 512)], real: 512, stored: 1024),
        .gnuSparse("a negative offset", .inconsistentSparseMap, runs: [(-1, 1)], real: 512, stored: 1),
        .gnuSparse("a negative length", .inconsistentSparseMap, runs: [(5, -5)], real: 512, stored: 0),
        .gnuSparse("an end past 2^63", .inconsistentSparseMap, runs: [(.max, 1)], real: .max, stored: 1),
        .gnuSparse("a negative size", .outOfRange(.size), runs: [(0, 1)], real: -1, stored: 1),
        Case("old GNU, a map that never ends", .truncated, bytes: endlessMap),
        Case("old GNU, a map over blocks", nil) {
            $0.addGNUSparse(
                runs: [(0, 1)], realSize: 9, data: [1, 2], extraBlocks: [mapBlock(offset: 8, isLast: true)])
        },
        .paxSparse("pax 1.0", nil, map: "2\n0\n512\n1024\n10\n", data: 522),
        .paxSparse("pax 1.0, all hole", nil, map: "0\n"),
        .paxSparse(
            "pax 1.0, a map over blocks", nil, map: "300\n" + (0..<300).map { "\($0 * 2)\n1\n" }.joined(), data: 300),
        .paxSparse("a count of letters", .malformed(.sparseMap), map: "two\n0\n1\n", data: 1),
        .paxSparse("a negative count", .malformed(.sparseMap), map: "-1\n", data: 1),
        .paxSparse("a count of 2^64", .outOfRange(.sparseMap), map: "18446744073709551616\n", data: 1),
        .paxSparse("too many runs", .tooManyExtents, map: "999999999\n", data: 1),
        .paxSparse("fewer runs than it says", .malformed(.sparseMap), map: "9\n0\n1\n", data: 1),
        .paxSparse("a run past the end", .inconsistentSparseMap, map: "1\n4096\n1\n", data: 1),
        .paxSparse("runs that overlap", .inconsistentSparseMap, map: "2\n0\n10\n9\n10\n", data: 20),
        .paxSparse("less data than runs", .inconsistentSparseMap, map: "1\n0\n10\n", data: 9),
        .pax(
            "pax 0.1", nil,
            [("GNU.sparse.size", "4096"), ("GNU.sparse.numblocks", "2"), ("GNU.sparse.map", "0,5,1024,5")], size: 10),
        .pax(
            "pax 0.1, a number too few", .malformed(.sparseMap),
            [("GNU.sparse.size", "4096"), ("GNU.sparse.numblocks", "1"), ("GNU.sparse.map", "0,5,10")], size: 5),
        .pax(
            "pax 0.1, another count", .inconsistentSparseMap,
            [("GNU.sparse.size", "4096"), ("GNU.sparse.numblocks", "3"), ("GNU.sparse.map", "0,5")], size: 5),
        .pax("pax 0.1, empty numbers", .malformed(.sparseMap), [("GNU.sparse.map", ",,,")]),
        .pax(
            "pax 0.0", nil,
            [
                ("GNU.sparse.size", "4096"), ("GNU.sparse.numblocks", "2"), ("GNU.sparse.offset", "0"),
                ("GNU.sparse.numbytes", "5"), ("GNU.sparse.offset", "1024"), ("GNU.sparse.numbytes", "5"),
            ], size: 10),
        .pax("pax 0.0, a length without an offset", .inconsistentSparseMap, [("GNU.sparse.numbytes", "5")]),
        .pax(
            "pax 0.0, an offset without a length", .inconsistentSparseMap,
            [("GNU.sparse.numblocks", "1"), ("GNU.sparse.offset", "5")]),
        .pax(
            "pax 0.0, two offsets", .inconsistentSparseMap,
            [("GNU.sparse.offset", "5"), ("GNU.sparse.offset", "6")]),
        .pax("version 2.0", .unsupportedSparseVersion, [("GNU.sparse.major", "2"), ("GNU.sparse.minor", "0")]),
        .pax("1.0 without a map", .malformed(.sparseMap), [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0")]),
        Case("a sparse directory", .inconsistentSparseMap) {
            $0.addPax([("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0")])
            $0.add(.init(name: "d/", type: "5"))
        },
    ]

    private static func mapBlock(offset: Int64, isLast: Bool) -> [UInt8] {
        RawTar.binary(offset, 12) + RawTar.binary(1, 12) + [UInt8](repeating: 0, count: 480) + [isLast ? 0 : 1]
            + [UInt8](repeating: 0, count: 7)
    }

    private static var endlessMap: [UInt8] {
        var tar = RawTar()
        let blocks = (1...9).map { mapBlock(offset: $0 * 2, isLast: false) }
        tar.addGNUSparse(runs: [(0, 1)], realSize: 100, data: [], extraBlocks: blocks)
        return tar.bytes
    }

    @Test(arguments: sparse) func sparseMapsAreJudged(_ row: Case) throws { try check(row) }
}
