/// An inode that was checked to lie inside its image, with its attributes, its data if that is not in chunks, and the
/// index of its chunks.
struct ErofsInode {
    let nid: UInt64
    /// Where what follows the inode and its attributes begins: a tail, or the index of chunks.
    let end: UInt64
    let attributesStart: UInt64
    /// Bytes of the attributes with their header; 0 for none.
    let attributesSize: Int
    let layout: ErofsFormat.Layout
    let mode: UInt16
    let size: UInt64
    /// First block, device number or chunk format.
    let content: UInt32
    let uid: UInt32
    let gid: UInt32
    let mtimeSeconds: Int64
    let mtimeNanoseconds: UInt32
    let links: UInt32

    var kind: UInt16 { mode & ErofsFormat.kindMask }
    var isWhiteout: Bool { kind == ErofsFormat.characterDevice && content == 0 }
    var place: String { "inode \(nid)" }

    /// Decodes the 32 or 64 bytes of an inode.
    ///
    /// - Parameter epoch: the time that compact inodes count from.
    init(
        _ bytes: UnsafeRawBufferPointer, nid: UInt64, at position: UInt64, epoch: (seconds: Int64, nanoseconds: UInt32)
    ) throws {
        self.nid = nid
        let format = unsafe bytes.little(0, as: UInt16.self)
        let isExtended = format & 1 == 1
        guard format & ~0xF == 0, let layout = ErofsFormat.Layout(rawValue: UInt8(format >> 1 & 7)) else {
            throw ErofsError(.unsupported("format \(format)"), at: "inode \(nid)")
        }
        self.layout = layout
        let attributeCount = unsafe bytes.little(2, as: UInt16.self)
        mode = unsafe bytes.little(4, as: UInt16.self)
        content = unsafe bytes.little(16, as: UInt32.self)
        if isExtended {
            size = unsafe bytes.little(8, as: UInt64.self)
            uid = unsafe bytes.little(24, as: UInt32.self)
            gid = unsafe bytes.little(28, as: UInt32.self)
            mtimeSeconds = unsafe bytes.little(32, as: Int64.self)
            mtimeNanoseconds = unsafe bytes.little(40, as: UInt32.self)
            links = unsafe bytes.little(44, as: UInt32.self)
        } else {
            links = unsafe UInt32(bytes.little(6, as: UInt16.self))
            size = unsafe UInt64(bytes.little(8, as: UInt32.self))
            mtimeSeconds = unsafe epoch.seconds &+ Int64(bytes.little(12, as: UInt32.self))
            mtimeNanoseconds = epoch.nanoseconds
            uid = unsafe UInt32(bytes.little(24, as: UInt16.self))
            gid = unsafe UInt32(bytes.little(26, as: UInt16.self))
        }
        attributesStart =
            position + UInt64(isExtended ? ErofsFormat.extendedInodeSize : ErofsFormat.compactInodeSize)
        attributesSize =
            attributeCount == 0
            ? 0 : ErofsFormat.attributeHeaderSize + (Int(attributeCount) - 1) * ErofsFormat.attributeEntrySize
        end = attributesStart + UInt64(attributesSize)

        let place = "inode \(nid)"
        guard ErofsFormat.fileType(ofMode: mode) != 0 else { throw ErofsError.damaged("mode \(mode)", at: place) }
        guard mtimeNanoseconds < 1_000_000_000 else { throw ErofsError.damaged("its time", at: place) }
        guard links > 0 else { throw ErofsError.damaged("no links", at: place) }
        guard size <= UInt64(Int64.max) else { throw ErofsError.damaged("its size", at: place) }
        guard attributeCount != 1 else { throw ErofsError.damaged("empty attributes", at: place) }
    }

    /// Bytes in a chunk, as a power of two.
    func chunkBits(blockBits: UInt8) -> UInt64 {
        UInt64(blockBits) + UInt64(content & UInt32(ErofsFormat.chunkBitsMask))
    }

    /// Bytes of an entry of the index of chunks.
    var chunkEntrySize: UInt64 { content & UInt32(ErofsFormat.chunkIndexes) != 0 ? 8 : 4 }
}
