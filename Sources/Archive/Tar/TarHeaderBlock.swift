import Glibc

/// The unit of a tar archive.
let tarBlockSize = 512

/// One 512-byte header block, read in place.
///
/// The fields of all formats: name 0+100, mode 100+8, uid 108+8, gid 116+8, size 124+12, mtime 136+12, checksum 148+8,
/// type 156, link name 157+100; from ustar on magic 257+6 and version 263+2, device numbers 329+8 and 337+8, prefix 345+155
/// (star: 345+131); GNU instead of the prefix: atime 345+12, ctime 357+12, sparse runs 386+4*24, more to come 482, real size
/// 483+12.
@unsafe
struct TarHeaderBlock {
    enum Format { case v7, ustar, star, gnu }

    private let base: UnsafeRawPointer
    private let sum: Int

    /// - Parameter block: 512 bytes, valid while this value is used.
    init(_ block: UnsafeRawPointer) {
        unsafe base = unsafe block
        // Eight bytes at a time, added up in four lanes of 16 bits: 64 * 2 * 255 fits a lane.
        var lanes: UInt64 = 0
        let mask: UInt64 = 0x00FF_00FF_00FF_00FF
        var offset = 0
        while offset < tarBlockSize {
            let word = unsafe block.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            lanes &+= (word & mask) &+ ((word &>> 8) & mask)
            offset &+= 8
        }
        unsafe sum = Int((lanes & 0xFFFF) &+ ((lanes &>> 16) & 0xFFFF) &+ ((lanes &>> 32) & 0xFFFF) &+ (lanes &>> 48))
    }

    var isZero: Bool { unsafe sum == 0 }

    /// Whether the stored checksum is the sum of the bytes, unsigned or, as Sun's tar added them, signed.
    var checksumFits: Bool {
        guard let stored = unsafe try? number(148, 8, .extendedHeader) else { return false }
        var field = 0
        for index in 148..<156 { field += Int(unsafe byte(index)) }
        let unsigned = unsafe sum - field + 8 * 32
        if stored == unsigned { return true }
        var high = 0
        for index in 0..<tarBlockSize where !(148..<156).contains(index) {
            if unsafe byte(index) >= 0x80 { high += 1 }
        }
        return stored == unsigned - 256 * high
    }

    var format: Format {
        guard unsafe memcmp(base + 257, "ustar", 5) == 0 else { return .v7 }
        if unsafe byte(262) == 0 { return unsafe memcmp(base + 508, "tar\0", 4) == 0 ? .star : .ustar }
        return unsafe memcmp(base + 262, "  \0", 3) == 0 ? .gnu : .v7
    }

    var typeFlag: UInt8 { unsafe byte(156) }

    /// The name with the prefix of the formats that have one.
    var path: [UInt8] {
        let prefixLength: Int =
            switch unsafe format {
            case .v7: 0
            case .ustar: 155
            case .star: 131
            // Go before 1.8, and with it the first years of docker, wrote a prefix over GNU's times.
            case .gnu: unsafe byte(345) != 0 && (try? number(345, 12, .time)) == nil ? 155 : 0
            }
        let name = unsafe UnsafeRawBufferPointer(
            start: base, count: strnlen(base.assumingMemoryBound(to: CChar.self), 100))
        let prefix = unsafe UnsafeRawBufferPointer(
            start: base + 345, count: strnlen((base + 345).assumingMemoryBound(to: CChar.self), prefixLength))
        if prefix.count == 0 { return unsafe [UInt8](name) }
        return unsafe [UInt8](unsafeUninitializedCapacity: prefix.count + 1 + name.count) { buffer, count in
            let target = UnsafeMutableRawBufferPointer(buffer)
            unsafe target.copyMemory(from: prefix)
            unsafe target[prefix.count] = UInt8(ascii: "/")
            unsafe UnsafeMutableRawBufferPointer(rebasing: target[(prefix.count + 1)...]).copyMemory(from: name)
            count = prefix.count + 1 + name.count
        }
    }

    var linkName: [UInt8] {
        if unsafe byte(157) == 0 { return [] }
        return unsafe [UInt8](
            UnsafeRawBufferPointer(
                start: base + 157, count: strnlen((base + 157).assumingMemoryBound(to: CChar.self), 100)))
    }

    func byte(_ offset: Int) -> UInt8 { unsafe base.load(fromByteOffset: offset, as: UInt8.self) }

    /// A number: octal digits among spaces and NULs, or base-256 (a set top bit, then big-endian two's complement).
    func number(_ start: Int, _ length: Int, _ field: TarError.Field) throws(TarError.Reason) -> Int64 {
        if unsafe byte(start) & 0x80 != 0 { return try unsafe binary(start, length, field) }
        var index = start
        let end = start + length
        while index < end, unsafe byte(index) == 0x20 || byte(index) == 0 { index += 1 }
        var value: Int64 = 0
        while index < end {
            let digit = unsafe byte(index) &- 0x30
            if digit > 7 { break }
            value = value << 3 | Int64(digit)  // at most 12 digits: 36 bits
            index += 1
        }
        // What follows a NUL is no part of the number; after a space only more padding may come.
        while index < end, unsafe byte(index) != 0 {
            guard unsafe byte(index) == 0x20 else { throw .malformed(field) }
            index += 1
        }
        return value
    }

    private func binary(_ start: Int, _ length: Int, _ field: TarError.Field) throws(TarError.Reason) -> Int64 {
        let isNegative = unsafe byte(start) & 0x40 != 0
        let flip: UInt8 = isNegative ? 0xFF : 0
        var value: UInt64 = 0
        for index in start..<(start + length) {
            var digit = unsafe byte(index) ^ flip
            if index == start { digit &= 0x7F }
            guard value >> 56 == 0 else { throw .outOfRange(field) }
            value = value << 8 | UInt64(digit)
        }
        guard let positive = Int64(exactly: value) else { throw .outOfRange(field) }
        return isNegative ? ~positive : positive
    }
}
