/// A tar archive written field by field, so that it can lie in any of them.
struct RawTar {
    var bytes: [UInt8] = []

    struct Header {
        var name = "file"
        var nameBytes: [UInt8]?
        var mode = "0000644\0"
        var uid = "0000000\0"
        var gid = "0000000\0"
        /// Octal of `data.count` where nil.
        var size: [UInt8]?
        var mtime: [UInt8] = Array("00000000000\0".utf8)
        var type: Character = "0"
        var link = ""
        var magic = "ustar\000"
        var major = "0000000\0"
        var minor = "0000000\0"
        var prefix = ""
        /// Bytes written over the finished header at an offset, before the checksum.
        var patches: [(offset: Int, bytes: [UInt8])] = []
        var checksum: String?
    }

    /// A header block.
    static func block(_ header: Header, dataSize: Int = 0) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ offset: Int, _ bytes: some Sequence<UInt8>) {
            for (index, byte) in bytes.enumerated() { block[offset + index] = byte }
        }
        put(0, (header.nameBytes ?? Array(header.name.utf8)).prefix(100))
        put(100, header.mode.utf8)
        put(108, header.uid.utf8)
        put(116, header.gid.utf8)
        put(124, header.size ?? octal(dataSize, 12))
        put(136, header.mtime)
        put(148, "        ".utf8)
        put(156, String(header.type).utf8)
        put(157, header.link.utf8.prefix(100))
        put(257, header.magic.utf8)
        put(329, header.major.utf8)
        put(337, header.minor.utf8)
        put(345, header.prefix.utf8.prefix(155))
        for patch in header.patches { put(patch.offset, patch.bytes) }
        let sum = block.reduce(0) { $0 + Int($1) }
        put(148, header.checksum.map { Array($0.utf8) } ?? octal(sum, 7) + [32])
        return block
    }

    /// Octal digits and a NUL.
    static func octal(_ number: Int, _ width: Int) -> [UInt8] {
        let digits = String(number, radix: 8)
        return Array(repeating: 48, count: width - 1 - digits.utf8.count) + Array(digits.utf8) + [0]
    }

    /// GNU's base-256.
    static func binary(_ number: Int64, _ width: Int) -> [UInt8] {
        var field = (0..<width).reversed().map { index -> UInt8 in
            index < 8 ? UInt8(truncatingIfNeeded: number >> (8 * Int64(index))) : (number < 0 ? 0xFF : 0)
        }
        field[0] |= 0x80
        return field
    }

    mutating func add(_ header: Header, data: [UInt8] = []) {
        bytes += RawTar.block(header, dataSize: data.count)
        bytes += data
        pad()
    }

    /// A pax header of records.
    mutating func addPax(_ records: [(String, [UInt8])], type: Character = "x") {
        add(Header(name: "PaxHeaders/file", type: type), data: records.flatMap { RawTar.record($0.0, $0.1) })
    }

    mutating func addPax(_ records: [(String, String)], type: Character = "x") {
        addPax(records.map { ($0.0, Array($0.1.utf8)) }, type: type)
    }

    static func record(_ key: String, _ value: [UInt8]) -> [UInt8] {
        let body = Array(" \(key)=".utf8) + value + [10]
        var length = body.count
        while String(length).utf8.count + body.count != length { length = String(length).utf8.count + body.count }
        return Array(String(length).utf8) + body
    }

    /// An old GNU sparse member, its first four runs in the header; `extraBlocks` follow as they are.
    mutating func addGNUSparse(
        runs: [(Int64, Int64)], realSize: Int64, data: [UInt8], extraBlocks: [[UInt8]] = []
    ) {
        var header = Header(type: "S")
        header.magic = "ustar  \0"
        header.size = RawTar.binary(Int64(data.count), 12)
        header.patches = runs.prefix(4).enumerated().map { index, run in
            (386 + index * 24, RawTar.binary(run.0, 12) + RawTar.binary(run.1, 12))
        }
        header.patches.append((482, [extraBlocks.isEmpty ? 0 : 1]))
        header.patches.append((483, RawTar.binary(realSize, 12)))
        bytes += RawTar.block(header)
        extraBlocks.forEach { bytes += $0 }
        bytes += data
        pad()
    }

    mutating func pad() { bytes += [UInt8](repeating: 0, count: -bytes.count & 511) }

    mutating func end() { bytes += [UInt8](repeating: 0, count: 1024) }

    /// The archive with its two zero blocks.
    var finished: [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }
}
