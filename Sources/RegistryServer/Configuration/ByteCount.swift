/// A number of bytes as people write it.
package enum ByteCount {
    private static let units: [String: Double] = [
        "": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "pb": 1e15, "kib": 0x1p10, "mib": 0x1p20,
        "gib": 0x1p30, "tib": 0x1p40, "pib": 0x1p50,
    ]

    /// Bytes of `500MB`, `1.5 TB`, `20GiB`, `1000`: digits with a point or none, and a unit whatever its case.
    ///
    /// - Returns: nil for anything else, for less than one byte, and for more than a disk can have.
    package static func parse(_ text: String) -> Int64? {
        let number = text.prefix { $0.isASCII && $0.isNumber || $0 == "." }
        let unit = text.dropFirst(number.count).drop { $0 == " " }
        guard number.first != ".", number.last != ".", let count = Double(number), let size = units[unit.lowercased()],
            (1..<9e18).contains(count * size)
        else { return nil }
        return Int64(count * size)
    }
}
