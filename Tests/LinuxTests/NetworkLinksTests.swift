import Glibc
import Linux
import TestSupport
import Testing

/// Interfaces in a network namespace that holds nothing else.
struct NetworkLinksTests {
    @Test func namesHaveAtMostFifteenBytes() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/netns"
        _ = try open(path, .createNew)
        try makeNetworkNamespace(at: path)
        defer { try? unmount(path, lazily: true) }
        let namespace = try open(path, .read)
        let raw = namespace.raw
        // What fails on that thread is not counted as this test's: it is gathered.
        let wrong = Monitor<[String]>([])
        try inNetworkNamespace(raw) {
            func expect(_ isSo: Bool, line: Int = #line) {
                if !isSo { wrong.withLock { $0.append("line \(line)") } }
            }
            let links = try NetworkLinks()
            let same = try open(path, .read)
            let mac: MACAddress = [2, 0, 0, 0, 0, 1]
            // One byte too many, and more than a request has room for.
            for length in [16, 2000] {
                let long = String(repeating: "l", count: length)
                for attempt in [
                    { try links.makeBridge(long, mac, address: 0x0a00_0001, prefix: 16) },
                    { try links.makePair(long, on: "lo", peer: "peer", in: same, mac) },
                    { try links.makePair("line", on: "lo", peer: long, in: same, mac) }, { try links.remove(long) },
                    { try links.bringUp(long) },
                ] as [() throws -> Void] {
                    do {
                        try attempt()
                        expect(false)
                    } catch { expect((error as? SystemError)?.errno == ENAMETOOLONG) }
                }
                expect(!links.has(long) && !links.isUp(long))
            }
            let bridge = "bridge-89012345"
            try links.makeBridge(bridge, mac, address: 0x0a00_0001, prefix: 16)
            expect(links.has(bridge) && !links.isUp(bridge))
            // Again is fine.
            try links.makeBridge(bridge, mac, address: 0x0a00_0001, prefix: 16)
            try links.bringUp(bridge)
            expect(links.isUp(bridge))
            try links.makePair("line-6789012345", on: bridge, peer: "peer-6789012345", in: same, mac)
            expect(links.has("line-6789012345") && links.has("peer-6789012345"))
            try links.remove("line-6789012345")
            expect(!links.has("line-6789012345") && !links.has("peer-6789012345"))
            try links.remove(bridge)
            try links.remove(bridge)
        }
        #expect(wrong.withLock { $0 } == [])
    }

    @Test(
        arguments: [
            ("02:42:ac:12:01:0a", [0x02, 0x42, 0xac, 0x12, 0x01, 0x0a]),
            ("fF:00:aB:Cd:09:90", [255, 0, 171, 205, 9, 144]),
            ("", nil), ("02:42:ac:12:01", nil), ("02:42:ac:12:01:0a:00", nil), ("02:42:ac:12:01:zz", nil),
            ("2:42:ac:12:01:0a", nil), ("02:42:ac:12:01:", nil), (":02:42:ac:12:01:0a", nil),
            ("02:42:ac:12:01:0a ", nil), ("02-42-ac-12-01-0a", nil), ("02:42:ac:12-01:0a", nil),
            ("02:42:ac:12:01:+a", nil), ("02:42:ac:12:01:-a", nil), ("02:42:ac:12:01:-0", nil),
            ("02:42:ac:12:01:0２", nil), ("02:42:ac:12:01:２", nil), ("0242.ac12.010a", nil),
        ] as [(String, MACAddress?)])
    func hardwareAddresses(_ text: String, _ bytes: MACAddress?) { #expect(parseMACAddress(text) == bytes) }
}
