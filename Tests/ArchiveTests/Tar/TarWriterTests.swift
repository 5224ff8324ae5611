import Archive
import Glibc
import TestSupport
import Testing

@Suite struct TarWriterTests {
    private final class Bytes {
        var all: [UInt8] = []
    }

    private func archive(_ members: [TarMember]) throws -> [UInt8] {
        let bytes = Bytes()
        var writer = TarWriter { unsafe bytes.all += Array($0) }
        for member in members {
            try writer.begin(member.entry)
            // In two pieces, as a file is read.
            for half in [
                member.data.prefix(member.data.count / 2),
                member.data.suffix(member.data.count - member.data.count / 2),
            ] {
                try unsafe half.withUnsafeBytes { try unsafe writer.data($0) }
            }
            try writer.end()
        }
        try writer.finish()
        return bytes.all
    }

    private static func file(_ path: String, _ data: String = "", _ change: (inout TarEntry) -> Void = { _ in })
        -> TarMember
    {
        var entry = TarEntry(path: Array(path.utf8), kind: .file, size: Int64(data.utf8.count))
        change(&entry)
        return TarMember(entry: entry, data: Array(data.utf8))
    }

    private static let long = String(repeating: "n", count: 120)

    static let members: [TarMember] = [
        file("plain", "text") { $0.mtimeSeconds = 1_700_000_000 },
        TarMember(entry: TarEntry(path: Array("dir/".utf8), kind: .directory, mode: 0o1777, uid: 5, gid: 6)),
        // Divided between name and prefix.
        file("dir/" + String(repeating: "d", count: 90) + "/" + String(repeating: "f", count: 90), "x"),
        // No slash divides these.
        file(long, "long"), file("d" + long + "/" + long + "/" + long, "longer"),
        TarMember(
            entry: TarEntry(path: Array("link".utf8), kind: .symbolicLink, linkTarget: Array(("../" + long).utf8))),
        TarMember(entry: TarEntry(path: Array("hard".utf8), kind: .hardLink, linkTarget: Array("plain".utf8))),
        TarMember(
            entry: TarEntry(
                path: Array("null".utf8), kind: .characterDevice, mode: 0o666, deviceMajor: 1, deviceMinor: 3)),
        TarMember(entry: TarEntry(path: Array("disk".utf8), kind: .blockDevice, deviceMajor: 259, deviceMinor: 65_537)),
        TarMember(entry: TarEntry(path: Array("pipe".utf8), kind: .fifo)),
        file("owners") {
            $0.uid = 4_000_000_000
            $0.gid = 2_097_152
            $0.mode = 0o6755
        },
        file("times") {
            $0.mtimeSeconds = 1_700_000_000
            $0.mtimeNanoseconds = 120_000_000
        },
        file("before 1970") {
            $0.mtimeSeconds = -2
            $0.mtimeNanoseconds = 250_000_000
        },
        file("long ago") { $0.mtimeSeconds = -10_000_000_000 },
        file("far ahead") { $0.mtimeSeconds = 8_589_934_592 },
        // Bytes that are no text.
        TarMember(entry: TarEntry(path: [0xFF, 0xFE, 0x41], kind: .file, size: 1), data: [7]),
        file("attributes", "a") {
            $0.attributes = [
                .init(name: "security.capability", value: [1, 0, 0, 2, 0, 4] + [UInt8](repeating: 0, count: 14)),
                .init(name: "user.empty line", value: Array("\n=\n".utf8)),
            ]
        },
        TarMember(
            entry: TarEntry(
                path: Array("sparse".utf8), kind: .file, size: 1 << 40,
                sparse: [.init(offset: 4096, length: 3), .init(offset: 1 << 39, length: 2)]),
            data: Array("abcde".utf8)),
        TarMember(entry: TarEntry(path: Array("hole".utf8), kind: .file, size: 1 << 20, sparse: [])),
    ]

    @Test func theParserReadsBackEveryMember() throws {
        let bytes = try archive(Self.members)
        #expect(bytes.count.isMultiple(of: 512))
        let read = try parseTar(bytes)
        for (read, written) in zip(read, Self.members) { #expect(read == written) }
        #expect(read.count == Self.members.count)
        #expect(try archive(Self.members) == bytes)
    }

    @Test func gnuTarReadsItToo() throws {
        let directory = try TemporaryDirectory()
        // Devices and owners beyond the machine's are left out of what it unpacks, not of what it lists.
        try directory.write("all.tar", try archive(Self.members))
        let names = try runShell("tar -tf all.tar --quoting-style=literal 2>/dev/null | wc -l", in: directory.path)
        #expect(Int(names.split(separator: "\n")[0]) == Self.members.count)
        let files = Self.members.filter { $0.entry.sparse == nil && $0.entry.kind == .file }
        try directory.write("files.tar", try archive(files))
        _ = try runShell("mkdir out && tar -C out --xattrs --xattrs-include='*' -xf files.tar", in: directory.path)
        #expect(try runShell("cat out/d\(Self.long)/\(Self.long)/\(Self.long)", in: directory.path) == "longer")
        #expect(try runShell("stat -c '%u:%g %a' out/owners", in: directory.path) == "4000000000:2097152 6755\n")
        #expect(try runShell("stat -c %y out/times", in: directory.path).contains(":20.120000000"))
        #expect(try runShell("stat -c %Y out/before*", in: directory.path) == "-2\n")
        let sparse = Self.members.filter { $0.entry.path == Array("hole".utf8) }
        try directory.write("sparse.tar", try archive(sparse))
        let hole = try runShell("tar -xf sparse.tar && stat -c '%s %b' hole", in: directory.path)
        #expect(hole == "1048576 0\n")
    }

    @Test func wrongSizesAreNoticed() throws {
        var writer = TarWriter { _ in }
        try writer.begin(Self.file("f", "abc").entry)
        try unsafe [UInt8]([1]).withUnsafeBytes { bytes in
            try unsafe writer.data(bytes)
            #expect(throws: TarWriter.Failure.wrongSize(member: "f")) { try writer.end() }
            try unsafe writer.data(bytes)
            try unsafe writer.data(bytes)
            #expect(throws: TarWriter.Failure.wrongSize(member: "f")) { try unsafe writer.data(bytes) }
        }
        #expect(throws: TarWriter.Failure.badAttribute(member: "f", name: "a=b")) {
            try writer.begin(Self.file("f") { $0.attributes = [.init(name: "a=b", value: [])] }.entry)
        }
    }
}
