import Archive
import TestSupport
import Testing

/// The reader and images that are damaged or made to harm: it says what is wrong, never crashes, never runs on forever, and
/// never reads outside of the image (`MemoryInput` fails when it is asked to).
struct ErofsDamageTests {
    /// An image that is about to be damaged.
    struct Patient {
        static let members: [Member] = [
            .file("d/a", "content"), .hardLink("d/b", to: "d/a"), .symbolicLink("l", to: "target"),
            .file("e/f/g", "x"), .sparse("sparse", size: 50_000, [Run(20_000, [1, 2, 3])]),
            Member("x", .file) {
                $0.attributes = [.init(name: "user.name", value: [1, 2, 3, 4]), .init(name: "user.b", value: [])]
            },
        ]

        var bytes: [UInt8]
        private let nids: [String: UInt64]

        init() throws {
            bytes = try makeImage(Patient.members).bytes
            var nids: [String: UInt64] = [:]
            try ErofsReader(MemoryInput(bytes: bytes)).entries {
                nids[String(decoding: $0.path, as: UTF8.self)] = $0.nid
            }
            self.nids = nids
        }

        func nid(_ path: String) -> UInt64 { nids[path] ?? 0 }

        /// Where the inode of a path lies.
        func inode(_ path: String) -> Int { number(at: 1064) * 4096 + Int(nid(path)) * 32 }

        /// The entries of a directory whose only block follows its inode.
        func directory(_ path: String) -> Int { inode(path) + 64 }

        private func number(at offset: Int) -> Int {
            bytes[offset..<offset + 4].reversed().reduce(0) { $0 << 8 | Int($1) }
        }

        mutating func put(_ values: UInt8..., at offset: Int) {
            bytes.replaceSubrange(offset..<offset + values.count, with: values)
        }

        mutating func put(nid: UInt64, at offset: Int) {
            for byte in 0..<8 { bytes[offset + byte] = UInt8(truncatingIfNeeded: nid >> UInt64(8 * byte)) }
        }

        /// Says that there is no checksum: computing it takes most of the time.
        mutating func dropChecksum() { put(2, at: 1032) }

        /// Makes the superblock's checksum right again, so that the reader looks further.
        mutating func seal() {
            guard bytes.count >= 4096 else { return }
            put(0, 0, 0, 0, at: 1028)
            let checksum = CRC32C.checksum(bytes[1024..<4096])
            for byte in 0..<4 { bytes[1028 + byte] = UInt8(truncatingIfNeeded: checksum >> UInt32(8 * byte)) }
        }

        /// Reads all that the image has.
        func read() throws {
            let reader = try ErofsReader(MemoryInput(bytes: bytes))
            var files: [UInt64] = []
            try reader.entries { if $0.kind == .file { files.append($0.nid) } }
            for nid in files {
                try reader.content(of: nid) { _ in
                } hole: { _ in
                }
            }
            try reader.validate()
        }
    }

    struct Damage: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let reason: ErofsError.Reason
        let inflict: @Sendable (inout Patient) -> Void

        init(_ name: String, _ reason: ErofsError.Reason, _ inflict: @escaping @Sendable (inout Patient) -> Void) {
            testDescription = name
            self.reason = reason
            self.inflict = inflict
        }
    }

    static let superblock = [
        Damage("empty", .notAnImage) { $0.bytes = [] },
        Damage("cut off in the superblock", .notAnImage) { $0.bytes.removeSubrange(1151...) },
        Damage("not finished", .notAnImage) {
            $0.bytes.replaceSubrange(0..<4096, with: [UInt8](repeating: 0, count: 4096))
        },
        Damage("cut off", .damaged("it is longer than the file")) { $0.bytes.removeLast() },
        Damage("blocks of 8 KiB", .unsupported("a block of 2^13 bytes")) { $0.put(13, at: 1036) },
        Damage("a device table", .unsupported("a feature of the image")) { $0.put(1, 0, at: 1110) },
        Damage("a feature bit", .unsupported("a feature of the image")) { $0.put(8, at: 1104) },
        Damage("large directory blocks", .unsupported("a feature of the image")) { $0.put(1, at: 1114) },
        Damage("no blocks", .damaged("it is longer than the file")) { $0.put(0, 0, 0, 0, at: 1060) },
        Damage("inodes outside", .damaged("it is longer than the file")) { $0.put(0xFF, 0xFF, at: 1064) },
        Damage("shared attributes outside", .damaged("it is longer than the file")) { $0.put(0, 0, 0, 1, at: 1068) },
        Damage("a root outside", .damaged("it lies outside the image")) { $0.put(0xFF, 0xFF, at: 1038) },
        Damage("a root that is a file", .damaged("no directory")) { $0.put(UInt8($0.nid("x")), at: 1038) },
        Damage("the number of inodes", .damaged("the number of inodes")) { $0.put(99, at: 1040) },
    ]

    static let inodes = [
        Damage("an unknown format", .unsupported("format 32769")) { $0.put(0x80, at: $0.inode("x") + 1) },
        Damage("compressed", .unsupported("format 3")) { $0.put(3, at: $0.inode("x")) },
        Damage("no kind", .damaged("mode 420")) { $0.put(0xA4, 0x01, at: $0.inode("x") + 4) },
        Damage("too many nanoseconds", .damaged("its time")) { $0.put(0, 0xCA, 0x9A, 0x3B, at: $0.inode("x") + 40) },
        Damage("no links", .damaged("no links")) { $0.put(0, at: $0.inode("x") + 44) },
        Damage("a negative size", .damaged("its size")) { $0.put(0x80, at: $0.inode("x") + 15) },
        Damage("a size beyond the image", .damaged("its data leaves the image")) {
            $0.put(1, at: $0.inode("d/a") + 12)
        },
        Damage("data outside", .damaged("its data leaves the image")) {
            $0.put(0xFF, 0xFF, 0xFF, 0xFF, at: $0.inode("d/a") + 16)
        },
        Damage("data over the superblock", .damaged("its data overlaps")) { $0.put(0, at: $0.inode("d/a") + 16) },
        Damage("one name too few", .damaged("it has 2 names and says 3")) { $0.put(3, at: $0.inode("d/a") + 44) },
        Damage("one subdirectory too few", .damaged("it has 3 names and says 4")) { $0.put(4, at: $0.inode("e") + 44) },
        Damage("attributes beyond the image", .damaged("its attributes leave the image")) {
            $0.put(0xFF, 0xFF, at: $0.inode("x") + 2)
        },
        Damage("attributes of nothing", .damaged("empty attributes")) { $0.put(1, 0, at: $0.inode("x") + 2) },
        Damage("an attribute cut off", .damaged("one is cut off")) { $0.put(200, at: $0.inode("x") + 76) },
        Damage("an unknown prefix", .unsupported("the name prefix 99")) { $0.put(99, at: $0.inode("x") + 77) },
        Damage("an attribute's name", .damaged("a name")) { $0.put(0xFF, at: $0.inode("x") + 80) },
        Damage("more shared attributes than there is room", .damaged("their count")) {
            $0.put(255, at: $0.inode("x") + 68)
        },
        Damage("a shared attribute outside", .damaged("a shared one lies outside the image")) {
            $0.put(1, at: $0.inode("x") + 68)
            $0.put(0xFF, 0xFF, 0xFF, 0xFF, at: $0.inode("x") + 76)
        },
        Damage("a target with a NUL", .damaged("its target")) { $0.put(0, at: $0.inode("l") + 66) },
        Damage("an empty target", .damaged("its target")) { $0.put(0, at: $0.inode("l") + 8) },
        Damage("a target of 4096 bytes", .damaged("its target")) { $0.put(0, 16, at: $0.inode("l") + 8) },
        Damage("a tail over the end of a block", .damaged("its data leaves the image")) {
            $0.put(0xFF, 0x0F, at: $0.inode("l") + 8)
        },
        Damage("unknown chunks", .unsupported("its chunks")) { $0.put(0x40, at: $0.inode("sparse") + 16) },
        Damage("a chunk outside", .damaged("a chunk leaves the image")) {
            $0.put(0xFF, at: $0.inode("sparse") + 64 + 17)
        },
        Damage("an index of chunks outside", .damaged("its index of chunks leaves the image")) {
            $0.put(0x7F, at: $0.inode("sparse") + 15)
        },
        // 13 chunks of one block: the image has fewer.
        Damage("chunks that share a block", .damaged("its chunks overlap")) { patient in
            for chunk in 0..<13 { patient.put(1, 0, 0, 0, at: patient.inode("sparse") + 64 + 4 * chunk) }
        },
    ]

    static let directories = [
        Damage("no entries", .damaged("the number of entries of a block")) { $0.put(0, 0, at: $0.directory("d") + 8) },
        Damage("half an entry", .damaged("the number of entries of a block")) {
            $0.put(13, 0, at: $0.directory("d") + 8)
        },
        Damage("more entries than there is room", .damaged("the number of entries of a block")) {
            $0.put(0xFC, 0x0F, at: $0.directory("d") + 8)
        },
        Damage("a directory of 5 bytes", .damaged("a block is cut off")) { $0.put(5, at: $0.inode("d") + 8) },
        Damage("a name that ends before it begins", .damaged("the place of a name")) {
            $0.put(2, 0, at: $0.directory("d") + 20)
        },
        Damage("a name outside", .damaged("the place of a name")) { $0.put(0xFF, 0xFF, at: $0.directory("d") + 20) },
        Damage("a slash in a name", .damaged("a name")) { $0.put(UInt8(ascii: "/"), at: $0.directory("d") + 48 + 3) },
        Damage("names out of order", .damaged("its names are not sorted")) {
            $0.put(UInt8(ascii: "z"), at: $0.directory("d") + 48 + 3)
        },
        Damage("a name twice", .damaged("its names are not sorted")) {
            $0.put(UInt8(ascii: "b"), at: $0.directory("d") + 48 + 3)
        },
        Damage("no `.`", .damaged("its entries `.` and `..`")) {
            $0.put(UInt8(ascii: "-"), at: $0.directory("d") + 48)
        },
        Damage("`.` that leads elsewhere", .damaged("its entries `.` and `..`")) {
            $0.put(nid: $0.nid("e"), at: $0.directory("d"))
        },
        Damage("`..` that leads elsewhere", .damaged("its entries `.` and `..`")) {
            $0.put(nid: $0.nid("e"), at: $0.directory("d") + 12)
        },
        Damage("a type that is not the inode's", .damaged("an entry's type is not its inode's")) {
            $0.put(2, at: $0.directory("d") + 34)
        },
        Damage("an entry outside", .damaged("it lies outside the image")) {
            $0.put(nid: .max, at: $0.directory("d") + 24)
        },
        Damage("an entry just outside", .damaged("it lies outside the image")) {
            $0.put(nid: UInt64($0.bytes.count / 32), at: $0.directory("d") + 24)
        },
        // `e/f` is `e` itself; what `..` of `e` says is noticed only after the circle.
        Damage("a circle", .damaged("it is in two places")) { $0.put(nid: $0.nid("e"), at: $0.directory("e") + 24) },
        Damage("a circle to the root", .damaged("it is in two places")) {
            $0.put(nid: $0.nid(""), at: $0.directory("e") + 24)
        },
        Damage("a directory in two places", .damaged("it is in two places")) {
            $0.put(nid: $0.nid("d"), at: $0.directory("") + 36)
        },
        Damage("a directory in a file", .damaged("its data leaves the image")) { $0.put(0x7F, at: $0.inode("d") + 13) },
    ]

    @Test(arguments: superblock + inodes + directories) func says(_ damage: Damage) throws {
        var patient = try Patient()
        damage.inflict(&patient)
        patient.seal()
        let error = #expect(throws: ErofsError.self) { try patient.read() }
        #expect(error?.reason == damage.reason)
        #expect(error?.description.isEmpty == false)
    }

    @Test func noticesAWrongChecksum() throws {
        var patient = try Patient()
        patient.put(1, at: 2000)
        let error = #expect(throws: ErofsError.self) { try patient.read() }
        #expect(error?.reason == .damaged("its checksum is wrong"))
    }

    /// Whatever byte of superblock, inodes, attributes and directories is changed, reading ends, well or with `ErofsError`.
    @Test(arguments: [0xFF, 0x01, 0x80] as [UInt8]) func anyByte(_ difference: UInt8) throws {
        var patient = try Patient()
        patient.dropChecksum()
        var found = 0
        for offset in Array(1024..<1184) + Array(patient.inode("") - 64..<patient.bytes.count) {
            // Padding that nothing points to says nothing new: some of it is enough.
            if patient.bytes[offset] == 0, offset % 4 == 1, offset > 1184 { continue }
            var damaged = patient
            damaged.bytes[offset] ^= difference
            do { try damaged.read() } catch is ErofsError { found += 1 }
        }
        #expect(found > 200)
    }

    /// The same with numbers at the ends of their range.
    @Test(arguments: [0, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF] as [UInt32]) func anyNumber(_ number: UInt32) throws {
        var patient = try Patient()
        patient.dropChecksum()
        for offset in stride(from: 1024, to: 1184, by: 4)
            + stride(from: patient.inode("") - 64, to: patient.bytes.count, by: 4)
        {
            var damaged = patient
            for byte in 0..<4 { damaged.bytes[offset + byte] = UInt8(truncatingIfNeeded: number >> UInt32(8 * byte)) }
            do { try damaged.read() } catch is ErofsError {}
        }
    }
}

private func + (left: StrideTo<Int>, right: StrideTo<Int>) -> [Int] { Array(left) + Array(right) }
