import Archive
import Testing

@Suite("Tar parser")
struct TarParserTests {
    @Test func readsMembersInOrder() throws {
        var tar = RawTar()
        tar.add(.init(name: "etc/", mode: "0040755\0", type: "5"))  // the type bits of the mode are no permissions
        tar.add(
            .init(name: "etc/motd", uid: "0001750\0", gid: "0000144\0", mtime: RawTar.octal(1_700_000_000, 12)),
            data: [1, 2, 3])
        tar.add(.init(name: "etc/issue", type: "2", link: "motd"))
        tar.add(.init(name: "etc/motd2", type: "1", link: "etc/motd"))
        tar.add(.init(name: "dev/null", mode: "0000666\0", type: "3", major: "0000001\0", minor: "0000003\0"))
        tar.add(.init(name: "dev/sda", type: "4", major: "0000010\0"))
        tar.add(.init(name: "run/pipe", type: "6"))
        let members = try parseTar(tar.finished)
        #expect(
            members == [
                TarMember(entry: TarEntry(path: Array("etc/".utf8), kind: .directory, mode: 0o755)),
                TarMember(
                    entry: TarEntry(
                        path: Array("etc/motd".utf8), kind: .file, mode: 0o644, uid: 1000, gid: 100, size: 3,
                        mtimeSeconds: 1_700_000_000), data: [1, 2, 3]),
                TarMember(
                    entry: TarEntry(path: Array("etc/issue".utf8), kind: .symbolicLink, linkTarget: Array("motd".utf8))),
                TarMember(
                    entry: TarEntry(path: Array("etc/motd2".utf8), kind: .hardLink, linkTarget: Array("etc/motd".utf8))),
                TarMember(
                    entry: TarEntry(
                        path: Array("dev/null".utf8), kind: .characterDevice, mode: 0o666, deviceMajor: 1,
                        deviceMinor: 3)),
                TarMember(entry: TarEntry(path: Array("dev/sda".utf8), kind: .blockDevice, deviceMajor: 8)),
                TarMember(entry: TarEntry(path: Array("run/pipe".utf8), kind: .fifo)),
            ])
    }
}
