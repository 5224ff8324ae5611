import Glibc

/// What the pax header in front of a member says of it.
struct PaxRecords: Sendable {
    var path: [UInt8] = []
    var linkPath: [UInt8] = []
    var size: Int64?
    var uid: UInt32?
    var gid: UInt32?
    var mtime: (seconds: Int64, nanoseconds: UInt32)?
    private(set) var attributes: [TarEntry.Attribute] = []
    private(set) var sparse: Sparse?

    /// The records of GNU's sparse formats 0.0, 0.1 and 1.0.
    struct Sparse: Sendable {
        enum Version { case inHeader, inData }

        var name: [UInt8] = []
        var realSize: Int64?
        var map = TarSparseMap()
        fileprivate var blocks: Int64?
        fileprivate var major: Int64?
        fileprivate var minor: Int64?
        fileprivate var offset: Int64?

        /// Where the map is; nil where the records make no sparse file.
        func version() throws(TarError.Reason) -> Version? {
            switch (major, minor) {
            case (1, 0): return .inData
            case (0, 0), (0, 1), (nil, nil): break
            default: throw .unsupportedSparseVersion
            }
            if major == nil, blocks == nil, map.count == 0 { return nil }
            guard offset == nil, blocks == Int64(map.count) else { throw .inconsistentSparseMap }
            return .inHeader
        }
    }

    /// Reads the records `LENGTH KEY=VALUE\n`; of records with one key the last counts, and an empty value says nothing.
    init(_ bytes: UnsafeRawBufferPointer) throws(TarError.Reason) {
        var rest = unsafe bytes
        while unsafe !rest.isEmpty {
            let record = try unsafe PaxRecords.nextRecord(&rest)
            try unsafe take(key: record.key, value: record.value)
        }
        removeRepeatedAttributes()
    }

    private static func nextRecord(
        _ rest: inout UnsafeRawBufferPointer
    ) throws(TarError.Reason) -> (key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
        var length = 0
        var index = 0
        while index < rest.count, index < 8, unsafe (0x30...0x39).contains(rest[index]) {
            length = length * 10 + Int(unsafe rest[index]) - 0x30
            index += 1
        }
        // The least record is `5 k=\n`.
        guard index > 0, index < rest.count, unsafe rest[index] == 0x20, length >= index + 4, length <= rest.count,
            unsafe rest[length - 1] == 0x0A, let base = rest.baseAddress
        else { throw .malformed(.extendedHeader) }
        let start = index + 1
        let end = length - 1
        guard let equals = unsafe memchr(base + start, 0x3D, end - start) else { throw .malformed(.extendedHeader) }
        let split = unsafe UnsafeRawPointer(equals) - base
        guard split > start, unsafe memchr(base + start, 0, split - start) == nil else {
            throw .malformed(.extendedHeader)
        }
        let record = unsafe (
            key: UnsafeRawBufferPointer(start: base + start, count: split - start),
            value: UnsafeRawBufferPointer(start: base + split + 1, count: end - split - 1)
        )
        unsafe rest = UnsafeRawBufferPointer(rebasing: rest[length...])
        return unsafe record
    }

    private mutating func take(
        key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer
    ) throws(TarError.Reason) {
        if let name = unsafe key.dropping("SCHILY.xattr.") { return try unsafe addAttribute(name, value) }
        if let name = unsafe key.dropping("GNU.sparse.") { return try unsafe takeSparse(name, value) }
        if unsafe value.isEmpty { return }
        if unsafe key.equals("path") {
            path = try unsafe PaxRecords.name(value, .path)
        } else if unsafe key.equals("linkpath") {
            linkPath = try unsafe PaxRecords.name(value, .linkTarget)
        } else if unsafe key.equals("size") {
            size = try unsafe PaxRecords.count(value, .size)
        } else if unsafe key.equals("uid") {
            uid = try PaxRecords.identifier(unsafe PaxRecords.integer(value, .owner), .owner)
        } else if unsafe key.equals("gid") {
            gid = try PaxRecords.identifier(unsafe PaxRecords.integer(value, .group), .group)
        } else if unsafe key.equals("mtime") {
            mtime = try unsafe PaxRecords.time(value)
        }
    }

    private mutating func addAttribute(
        _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) throws(TarError.Reason) {
        // Overlayfs reads these from a lower directory: an image must not speak for it.
        if unsafe name.dropping("trusted.overlay.") != nil || name.dropping("user.overlay.") != nil { return }
        guard (1...255).contains(name.count), let text = unsafe String(validating: name, as: UTF8.self) else {
            throw .malformed(.attributeName)
        }
        guard value.count <= TarParser.maximumAttributeSize else { throw .attributeTooLarge(text) }
        guard attributes.count < TarParser.maximumAttributes else { throw .tooManyAttributes }
        attributes.append(TarEntry.Attribute(name: text, value: unsafe [UInt8](value)))
    }

    private mutating func removeRepeatedAttributes() {
        guard attributes.count > 1 else { return }
        var seen = Set<String>(minimumCapacity: attributes.count)
        let kept = attributes.reversed().filter { seen.insert($0.name).inserted }
        if kept.count < attributes.count { attributes = kept.reversed() }
    }

    private mutating func takeSparse(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) throws(TarError.Reason) {
        var records = sparse ?? Sparse()
        sparse = nil  // keeps the runs uniquely referenced while they grow
        if unsafe key.equals("name") {
            records.name = try unsafe PaxRecords.name(value, .path)
        } else if unsafe key.equals("size") || key.equals("realsize") {
            records.realSize = try unsafe PaxRecords.count(value, .size)
        } else if unsafe key.equals("major") {
            records.major = try unsafe PaxRecords.integer(value, .sparseMap)
        } else if unsafe key.equals("minor") {
            records.minor = try unsafe PaxRecords.integer(value, .sparseMap)
        } else if unsafe key.equals("numblocks") {
            records.blocks = try unsafe PaxRecords.integer(value, .sparseMap)
        } else if unsafe key.equals("offset") {
            guard records.offset == nil else { throw .inconsistentSparseMap }
            records.offset = try unsafe PaxRecords.integer(value, .sparseMap)
        } else if unsafe key.equals("numbytes") {
            guard let offset = records.offset else { throw .inconsistentSparseMap }
            records.offset = nil
            try records.map.append(offset: offset, length: unsafe PaxRecords.integer(value, .sparseMap))
        } else if unsafe key.equals("map") {
            records.map = try unsafe PaxRecords.map(value)
        }
        sparse = records
    }
}

extension PaxRecords {
    /// Checks a name: the kernel would cut it at a NUL.
    static func name(_ value: UnsafeRawBufferPointer, _ field: TarError.Field) throws(TarError.Reason) -> [UInt8] {
        if let base = value.baseAddress, unsafe memchr(base, 0, value.count) != nil { throw .holdsNUL(field) }
        return unsafe [UInt8](value)
    }

    /// An owner or group; 4294967295 is the kernel's "leave it alone", nobody's number.
    static func identifier(_ number: Int64, _ field: TarError.Field) throws(TarError.Reason) -> UInt32 {
        guard (0..<Int64(UInt32.max)).contains(number) else { throw .outOfRange(field) }
        return UInt32(number)
    }

    /// A decimal integer.
    static func integer(_ value: UnsafeRawBufferPointer, _ field: TarError.Field) throws(TarError.Reason) -> Int64 {
        var index = 0
        let isNegative = unsafe value.first == UInt8(ascii: "-")
        if isNegative { index = 1 }
        guard index < value.count else { throw .malformed(field) }
        var number: Int64 = 0
        while index < value.count {
            let digit = unsafe value[index] &- 0x30
            guard digit <= 9 else { throw .malformed(field) }
            let (shifted, overflow) = number.multipliedReportingOverflow(by: 10)
            let (sum, carried) = shifted.subtractingReportingOverflow(Int64(digit))  // the negative side is the longer
            guard !overflow, !carried else { throw .outOfRange(field) }
            number = sum
            index += 1
        }
        if isNegative { return number }
        guard number > .min else { throw .outOfRange(field) }
        return -number
    }

    private static func count(_ value: UnsafeRawBufferPointer, _ field: TarError.Field) throws(TarError.Reason) -> Int64
    {
        let number = try unsafe integer(value, field)
        guard number >= 0 else { throw .outOfRange(field) }
        return number
    }

    /// `SECONDS` or `SECONDS.FRACTION`, of any number of digits; what is finer than a nanosecond is cut.
    private static func time(
        _ value: UnsafeRawBufferPointer
    ) throws(TarError.Reason) -> (seconds: Int64, nanoseconds: UInt32) {
        let dot = unsafe value.firstIndex(of: UInt8(ascii: ".")) ?? value.count
        let seconds = try unsafe integer(UnsafeRawBufferPointer(rebasing: value[..<dot]), .time)
        var nanoseconds: UInt32 = 0
        var scale: UInt32 = 100_000_000
        var index = dot + 1
        while index < value.count {
            let digit = unsafe value[index] &- 0x30
            guard digit <= 9 else { throw .malformed(.time) }
            nanoseconds += UInt32(digit) * scale
            scale /= 10
            index += 1
        }
        // -1.25 is a quarter second before -1: the nanoseconds count forwards from -2.
        guard nanoseconds > 0, unsafe value[0] == UInt8(ascii: "-") else { return (seconds, nanoseconds) }
        guard seconds > .min else { throw .outOfRange(.time) }
        return (seconds - 1, 1_000_000_000 - nanoseconds)
    }

    /// `OFFSET,LENGTH,OFFSET,LENGTH…`.
    private static func map(_ value: UnsafeRawBufferPointer) throws(TarError.Reason) -> TarSparseMap {
        var map = TarSparseMap()
        var offset: Int64?
        var start = 0
        while start < value.count {
            var end = start
            while end < value.count, unsafe value[end] != UInt8(ascii: ",") { end += 1 }
            let number = try unsafe integer(UnsafeRawBufferPointer(rebasing: value[start..<end]), .sparseMap)
            if let first = offset {
                try map.append(offset: first, length: number)
                offset = nil
            } else {
                offset = number
            }
            start = end + 1
        }
        guard offset == nil else { throw .malformed(.sparseMap) }
        return map
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func equals(_ text: StaticString) -> Bool {
        unsafe count == text.utf8CodeUnitCount && starts(with: text)
    }

    /// What follows a beginning; nil where the bytes do not begin so.
    fileprivate func dropping(_ text: StaticString) -> UnsafeRawBufferPointer? {
        unsafe starts(with: text) ? UnsafeRawBufferPointer(rebasing: self[text.utf8CodeUnitCount...]) : nil
    }

    private func starts(with text: StaticString) -> Bool {
        guard let base = baseAddress, count >= text.utf8CodeUnitCount else { return false }
        return unsafe memcmp(base, text.utf8Start, text.utf8CodeUnitCount) == 0
    }
}
