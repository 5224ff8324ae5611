import RegistryServer
import Testing

struct ByteCountTests {
    @Test(arguments: [
        ("1", 1), ("1000", 1000), ("7B", 7), ("500MB", 500_000_000), ("1.5TB", 1_500_000_000_000),
        ("1.5 tb", 1_500_000_000_000),
        ("2kB", 2000), ("1KiB", 1024), ("20GiB", 20 << 30), ("1TiB", 1 << 40), ("8PB", 8_000_000_000_000_000),
    ])
    func sizesAreReadAsPeopleWriteThem(_ text: String, _ bytes: Int64) { #expect(ByteCount.parse(text) == bytes) }

    @Test(arguments: [
        "", " ", "0", "0GB", "GB", ".", ".5GB", "5.GB", "1,5TB", "-5GB", "+5GB", "2GB3", "1.2.3GB", "1e3", "0x10",
        "lots", "１GB",
        "5 G B", "5GB ", " 5GB", "9999999PB", "0.5", "5XB", "٣GB", "5\u{0}GB",
    ])
    func whatIsNoSizeIsNone(_ text: String) { #expect(ByteCount.parse(text) == nil) }
}
