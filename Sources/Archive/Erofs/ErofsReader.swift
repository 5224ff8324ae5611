/// Reads a layer image: the tree, attributes and file contents. Any bytes may come: every number is checked against the
/// image before it is used, walks end whatever the image says.
///
/// Knows what `ErofsWriter` writes and other uncompressed images on one device. Use it from one thread.
public final class ErofsReader {
    let input: any ErofsInput
    let windows: ErofsWindows
    let size: UInt64
    let blockBits: UInt8
    let rootNid: UInt64
    private let metaStart: UInt64
    let attributesStart: UInt64
    let inodeCount: UInt64
    private let epoch: (seconds: Int64, nanoseconds: UInt32)

    var blockSize: Int { 1 << Int(blockBits) }

    /// Opens an image.
    ///
    /// - Throws: `ErofsError`, and what the input throws.
    public init(_ input: any ErofsInput) throws {
        let place = "superblock"
        let end = ErofsFormat.superblockOffset + ErofsFormat.superblockSize
        guard input.size >= UInt64(end) else { throw ErofsError(.notAnImage, at: place) }
        let count = Int(min(input.size, UInt64(ErofsFormat.blockSize)))
        var first = try ErofsWindows(input, size: input.size).bytes(at: 0, count: count, place)
        first.removeFirst(ErofsFormat.superblockOffset)

        self.input = input
        var extraDevices: UInt16 = 0
        var incompatible: UInt32 = 0
        var compatible: UInt32 = 0
        var checksum: UInt32 = 0
        var directoryBits: UInt8 = 0
        var blocks: UInt64 = 0
        (blockBits, rootNid, metaStart, attributesStart, inodeCount, epoch) = try unsafe first.withUnsafeBytes {
            bytes in
            guard unsafe bytes.little(0, as: UInt32.self) == ErofsFormat.magic else {
                throw ErofsError(.notAnImage, at: place)
            }
            checksum = unsafe bytes.little(4, as: UInt32.self)
            compatible = unsafe bytes.little(8, as: UInt32.self)
            let bits = unsafe bytes.little(12, as: UInt8.self)
            guard (9...ErofsFormat.blockBits).contains(bits) else {
                throw ErofsError(.unsupported("a block of 2^\(bits) bytes"), at: place)
            }
            blocks = unsafe UInt64(bytes.little(36, as: UInt32.self))
            incompatible = unsafe bytes.little(80, as: UInt32.self)
            extraDevices = unsafe bytes.little(86, as: UInt16.self)
            directoryBits = unsafe bytes.little(90, as: UInt8.self)
            return unsafe (
                bits, UInt64(bytes.little(14, as: UInt16.self)),
                UInt64(bytes.little(40, as: UInt32.self)) << UInt64(bits),
                UInt64(bytes.little(44, as: UInt32.self)) << UInt64(bits), bytes.little(16, as: UInt64.self),
                (bytes.little(24, as: Int64.self), bytes.little(32, as: UInt32.self))
            )
        }
        size = blocks << UInt64(blockBits)
        windows = ErofsWindows(input, size: size)
        guard incompatible & ~ErofsFormat.incompatChunked == 0, extraDevices == 0, directoryBits == 0 else {
            throw ErofsError(.unsupported("a feature of the image"), at: place)
        }
        guard size <= input.size, size >= UInt64(end), metaStart < size, attributesStart < size else {
            throw ErofsError.damaged("it is longer than the file", at: place)
        }
        if compatible & ErofsFormat.compatChecksum != 0 {
            // With small blocks one block is covered, otherwise the rest of the first.
            let covered =
                blockSize > ErofsFormat.superblockOffset ? blockSize - ErofsFormat.superblockOffset : blockSize
            first[4..<8] = [0, 0, 0, 0]
            guard first.count >= covered, CRC32C.checksum(first[..<covered]) == checksum else {
                throw ErofsError.damaged("its checksum is wrong", at: place)
            }
        }
    }

    /// Reads and checks an inode.
    func inode(_ nid: UInt64) throws -> ErofsInode {
        guard nid < (size - metaStart) / UInt64(ErofsFormat.slotSize) else {
            throw ErofsError.damaged("it lies outside the image", at: "inode \(nid)")
        }
        let position = metaStart + nid * UInt64(ErofsFormat.slotSize)
        // The last slot may hold a compact inode.
        let count = Int(min(UInt64(ErofsFormat.extendedInodeSize), size - position))
        let inode = try unsafe windows.withBytes(at: position, count: count, "inode \(nid)") { bytes in
            guard unsafe bytes.count == ErofsFormat.extendedInodeSize || bytes[0] & 1 == 0 else {
                throw ErofsError.damaged("it lies outside the image", at: "inode \(nid)")
            }
            return try unsafe ErofsInode(bytes, nid: nid, at: position, epoch: epoch)
        }
        try checkData(of: inode)
        return inode
    }

    private func checkData(of inode: ErofsInode) throws {
        let block = UInt64(blockSize)
        guard inode.end <= size else { throw ErofsError.damaged("its attributes leave the image", at: inode.place) }
        switch inode.kind {
        case ErofsFormat.regular: break
        case ErofsFormat.directory:
            guard inode.layout != .chunked else {
                throw ErofsError(.unsupported("a directory in chunks"), at: inode.place)
            }
        case ErofsFormat.symbolicLink:
            guard inode.layout != .chunked, inode.size > 0, inode.size <= UInt64(LayerTree.maximumTargetLength) else {
                throw ErofsError.damaged("its target", at: inode.place)
            }
        default: return
        }
        let start = UInt64(inode.content) << UInt64(blockBits)
        switch inode.layout {
        case .plain:
            guard inode.size == 0 || start <= size && inode.size <= size - start else {
                throw ErofsError.damaged("its data leaves the image", at: inode.place)
            }
        case .inline:
            let tail = inode.size % block
            let full = inode.size - tail
            guard full == 0 || start <= size && full <= size - start, inode.end % block + tail <= block,
                tail <= size - inode.end
            else { throw ErofsError.damaged("its data leaves the image", at: inode.place) }
        case .chunked:
            let known = UInt32(ErofsFormat.chunkBitsMask | ErofsFormat.chunkIndexes)
            guard inode.content & ~known == 0 else { throw ErofsError(.unsupported("its chunks"), at: inode.place) }
            let chunk = UInt64(1) << inode.chunkBits(blockBits: blockBits)
            let count = inode.size / chunk + (inode.size % chunk == 0 ? 0 : 1)
            let index = (inode.end + inode.chunkEntrySize - 1) & ~(inode.chunkEntrySize - 1)
            guard index <= size, count <= (size - index) / inode.chunkEntrySize else {
                throw ErofsError.damaged("its index of chunks leaves the image", at: inode.place)
            }
        }
    }
}
