/// Numbers of the EROFS on-disk format that the reader and the writer share. All integers are little-endian.
enum ErofsFormat {
    static let magic: UInt32 = 0xE0F5_E1E2
    static let blockBits: UInt8 = 12
    static let blockSize = 4096
    static let zeros = [UInt8](repeating: 0, count: blockSize)

    static let superblockOffset = 1024
    static let superblockSize = 128
    /// The superblock's checksum covers the rest of the first block.
    static let checksummedSize = blockSize - superblockOffset
    static let compatChecksum: UInt32 = 0x1
    static let compatMtime: UInt32 = 0x2
    static let incompatChunked: UInt32 = 0x4

    /// Inodes are aligned to this; a nid counts it.
    static let slotSize = 32
    static let compactInodeSize = 32
    static let extendedInodeSize = 64
    static let direntSize = 12
    static let maximumNameLength = 255

    static let attributeHeaderSize = 12
    static let attributeEntrySize = 4

    static let chunkBitsMask: UInt16 = 0x1F
    /// Index entries of 8 bytes, with a device.
    static let chunkIndexes: UInt16 = 0x20
    /// A chunk that is a hole.
    static let hole: UInt32 = 0xFFFF_FFFF

    static let kindMask: UInt16 = 0o170000
    static let regular: UInt16 = 0o100000
    static let directory: UInt16 = 0o040000
    static let symbolicLink: UInt16 = 0o120000
    static let characterDevice: UInt16 = 0o020000
    static let blockDevice: UInt16 = 0o060000
    static let fifo: UInt16 = 0o010000
    static let socket: UInt16 = 0o140000

    /// How an inode's data is laid out (bits 1 to 3 of the inode's format).
    enum Layout: UInt8 {
        case plain = 0
        case inline = 2
        case chunked = 4
    }

    /// The file type of a directory entry; 0 for a mode that says none.
    static func fileType(ofMode mode: UInt16) -> UInt8 {
        switch mode & kindMask {
        case regular: 1
        case directory: 2
        case characterDevice: 3
        case blockDevice: 4
        case fifo: 5
        case socket: 6
        case symbolicLink: 7
        default: 0
        }
    }

    /// The largest numbers that a device number of 32 bits holds.
    static let maximumDevice = (major: UInt32(0xFFF), minor: UInt32(0xF_FFFF))

    static func encodeDevice(major: UInt32, minor: UInt32) -> UInt32 {
        (minor & 0xFF) | (major << 8) | ((minor & ~0xFF) << 12)
    }

    static func decodeDevice(_ number: UInt32) -> (major: UInt32, minor: UInt32) {
        (number >> 8 & 0xFFF, number & 0xFF | number >> 12 & ~0xFF)
    }

    /// The attribute name prefixes with a number of their own. The two ACL names are whole names.
    static let attributePrefixes: [(index: UInt8, prefix: String)] = [
        (1, "user."), (2, "system.posix_acl_access"), (3, "system.posix_acl_default"), (4, "trusted."),
        (6, "security."),
    ]
}

/// The attributes by which overlayfs finds whiteouts and opaque directories in a layer. The `user.` forms serve mounts
/// made inside a user namespace, which may not read the `trusted.` ones.
enum OverlayAttribute {
    static let prefixes = ["trusted.overlay.", "user.overlay."]
    static let opaque = prefixes.map { TarEntry.Attribute(name: $0 + "opaque", value: [UInt8(ascii: "y")]) }
    /// Without it overlayfs lists the whiteouts of a directory that it does not merge.
    static let origin = prefixes.map { TarEntry.Attribute(name: $0 + "origin", value: []) }

    static func isReserved(_ name: String) -> Bool { prefixes.contains { name.hasPrefix($0) } }
}

extension [UInt8] {
    mutating func append(little value: UInt16) {
        append(UInt8(truncatingIfNeeded: value))
        append(UInt8(truncatingIfNeeded: value >> 8))
    }

    mutating func append(little value: UInt32) {
        unsafe Swift.withUnsafeBytes(of: value.littleEndian) { unsafe append(contentsOf: $0) }
    }

    mutating func append(little value: UInt64) {
        unsafe Swift.withUnsafeBytes(of: value.littleEndian) { unsafe append(contentsOf: $0) }
    }

    /// Appends zeros, as a copy: what repeats an element does it byte by byte.
    mutating func append(zeros count: Int) {
        var rest = count
        while rest > 0 {
            let part = Swift.min(rest, ErofsFormat.zeros.count)
            append(contentsOf: ErofsFormat.zeros[..<part])
            rest -= part
        }
    }
}

extension UnsafeMutableRawBufferPointer {
    /// Stores a little-endian number; the caller knows that it lies inside.
    func put<Number: FixedWidthInteger & BitwiseCopyable>(_ number: Number, at offset: Int) {
        unsafe storeBytes(of: number.littleEndian, toByteOffset: offset, as: Number.self)
    }
}

extension UInt64 {
    /// Rounded up to whole blocks.
    var roundedUpToBlock: UInt64 {
        (self + UInt64(ErofsFormat.blockSize - 1)) & ~UInt64(ErofsFormat.blockSize - 1)
    }
}
