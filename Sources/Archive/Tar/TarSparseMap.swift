/// The runs of data of a sparse member as they are read: each is checked against those before it.
struct TarSparseMap: Sendable {
    private(set) var extents: [TarEntry.Extent] = []
    /// All runs read, the empty ones too.
    private(set) var count = 0
    private var end: Int64 = 0
    private var stored: Int64 = 0

    mutating func append(offset: Int64, length: Int64) throws(TarError.Reason) {
        count += 1
        guard count <= TarParser.maximumExtents else { throw .tooManyExtents }
        guard offset >= end, length >= 0, length <= .max - offset else { throw .inconsistentSparseMap }
        end = offset + length
        stored += length  // at most `end`
        // GNU tar ends a map with an empty run to say how long the file is; the size says so too.
        if length > 0 { extents.append(TarEntry.Extent(offset: offset, length: length)) }
    }

    /// The runs of a file of a size whose stored bytes are so many.
    func extents(fileSize: Int64, storedSize: Int64) throws(TarError.Reason) -> [TarEntry.Extent] {
        guard end <= fileSize, stored == storedSize else { throw .inconsistentSparseMap }
        return extents
    }
}

/// Reads the map that pax format 1.0 puts in front of the data: decimal numbers, each ended by a newline; first the number
/// of runs, then offset and length of each; filled up to a whole block.
struct TarSparseText: Sendable {
    private(set) var map = TarSparseMap()
    /// Bytes read.
    private(set) var position: Int64 = 0
    private var expected: Int64?
    private var offset: Int64?
    private var number: Int64 = 0
    private var digits = 0

    var isComplete: Bool { expected == Int64(map.count) && offset == nil && expected != nil }

    /// Takes bytes up to the map's last newline.
    ///
    /// - Returns: how many it took.
    mutating func consume(_ bytes: UnsafeRawBufferPointer) throws(TarError.Reason) -> Int {
        var index = 0
        while index < bytes.count, !isComplete {
            try take(unsafe bytes[index])
            index += 1
        }
        position += Int64(index)
        return index
    }

    private mutating func take(_ byte: UInt8) throws(TarError.Reason) {
        let digit = byte &- 0x30
        if digit <= 9 {
            digits += 1
            let (shifted, overflow) = number.multipliedReportingOverflow(by: 10)
            let (sum, carried) = shifted.addingReportingOverflow(Int64(digit))
            guard !overflow, !carried, digits <= 20 else { throw .outOfRange(.sparseMap) }
            return number = sum
        }
        guard byte == UInt8(ascii: "\n"), digits > 0 else { throw .malformed(.sparseMap) }
        defer { (number, digits) = (0, 0) }
        if expected == nil {
            guard number <= Int64(TarParser.maximumExtents) else { throw .tooManyExtents }
            expected = number
        } else if let start = offset {
            offset = nil
            try map.append(offset: start, length: number)
        } else {
            offset = number
        }
    }
}
