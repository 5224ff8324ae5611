import Linux
import Testing

struct NetworkLinksTests {
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
