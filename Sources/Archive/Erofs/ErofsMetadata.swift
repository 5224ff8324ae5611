/// Writes the part of the image that follows the file data: inodes, directories, and what the superblock says of them.
struct ErofsMetadata {
    private static let pieceSize = 256 << 10

    private let tree: LayerTree
    private let layout: ErofsLayout
    /// Where the inode area begins, in bytes.
    private let start: UInt64
    private var buffer: [UInt8] = []
    /// Bytes before the buffer, from the start of the inode area.
    private var flushed: UInt64 = 0
    private var identity = ContentIdentity()

    init(_ tree: LayerTree, _ layout: ErofsLayout, at start: UInt64) {
        self.tree = tree
        self.layout = layout
        self.start = start
        buffer.reserveCapacity(ErofsMetadata.pieceSize + (8 << 10))
    }

    /// Writes inodes and blocks of directories and link targets.
    mutating func write(to stream: inout BlockStream, _ output: inout some LayerOutput) throws {
        for node in layout.sequence {
            appendInode(of: node)
            if buffer.count >= ErofsMetadata.pieceSize { try flush(to: &stream, &output) }
        }
        fillBlock()
        for node in layout.sequence {
            let index = tree.nodes[Int(node)].inode
            if tree.isDirectory(node) {
                try appendBlocks(of: node, to: &stream, &output)
            } else if layout.longLinks[index] != nil {
                buffer += tree.linkTarget(of: node)
                fillBlock()
            }
        }
        try flush(to: &stream, &output)
    }

    /// The first block.
    func superblock(imageSize: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(little: ErofsFormat.magic)
        bytes.append(little: UInt32(0))
        bytes.append(little: ErofsFormat.compatChecksum | ErofsFormat.compatMtime)
        bytes.append(ErofsFormat.blockBits)
        bytes.append(0)
        bytes.append(little: UInt16(tree.inodes[0].slot))
        bytes.append(little: UInt64(layout.sequence.count))
        bytes.append(zeros: 12)
        bytes.append(little: UInt32(imageSize / UInt64(ErofsFormat.blockSize)))
        bytes.append(little: UInt32(start / UInt64(ErofsFormat.blockSize)))
        bytes.append(little: UInt32(0))
        bytes += identity.uuid
        bytes.append(zeros: 16)
        bytes.append(little: layout.hasChunks ? ErofsFormat.incompatChunked : 0)
        bytes.append(zeros: ErofsFormat.checksummedSize - bytes.count)
        let checksum = CRC32C.checksum(bytes)
        for shift in 0..<4 { bytes[4 + shift] = UInt8(truncatingIfNeeded: checksum >> UInt32(8 * shift)) }
        return [UInt8](repeating: 0, count: ErofsFormat.superblockOffset) + bytes
    }

    private mutating func appendInode(of node: LayerTree.NodeIndex) {
        let index = tree.nodes[Int(node)].inode
        let inode = tree.inodes[Int(index)]
        let attributesSize = tree.attributesSize(of: node)
        let position = UInt64(inode.slot) * UInt64(ErofsFormat.slotSize)
        buffer.append(zeros: Int(position - flushed) - buffer.count)

        let attributeCount =
            attributesSize == 0 ? 0 : UInt16((attributesSize - ErofsFormat.attributeHeaderSize) / 4 + 1)
        let content = content(of: inode, index)
        buffer.append(zeros: ErofsFormat.extendedInodeSize)
        unsafe buffer.withUnsafeMutableBytes { bytes in
            let start = bytes.count - ErofsFormat.extendedInodeSize
            unsafe bytes.put(UInt16(1 | UInt16(inode.layout.rawValue) << 1), at: start)
            unsafe bytes.put(attributeCount, at: start + 2)
            unsafe bytes.put(inode.mode, at: start + 4)
            unsafe bytes.put(inode.size, at: start + 8)
            unsafe bytes.put(content, at: start + 16)
            // A number for readers that show no nid: unique, never 0.
            unsafe bytes.put(inode.slot, at: start + 20)
            unsafe bytes.put(inode.uid, at: start + 24)
            unsafe bytes.put(inode.gid, at: start + 28)
            unsafe bytes.put(inode.mtimeSeconds, at: start + 32)
            unsafe bytes.put(inode.mtimeNanoseconds, at: start + 40)
            unsafe bytes.put(inode.links, at: start + 44)
        }

        if attributesSize > 0 { appendAttributes(of: node) }
        switch inode.mode & ErofsFormat.kindMask {
        case ErofsFormat.directory where inode.layout == .inline:
            let directory = DirectoryLayout(node, layout.order, tree)
            directory.encode(lastBlock(of: directory), tree, to: &buffer)
        case ErofsFormat.symbolicLink where inode.layout == .inline: buffer += tree.linkTarget(of: node)
        case ErofsFormat.regular where inode.layout == .chunked:
            tree.chunkMaps[Int(inode.content)].encodeIndex(to: &buffer)
        default: break
        }
    }

    private func content(of inode: LayerTree.Inode, _ index: LayerTree.InodeIndex) -> UInt32 {
        switch inode.mode & ErofsFormat.kindMask {
        case ErofsFormat.symbolicLink: layout.longLinks[index] ?? 0
        case ErofsFormat.regular where inode.layout == .chunked:
            UInt32(tree.chunkMaps[Int(inode.content)].chunkBits)
        default: inode.content
        }
    }

    private mutating func appendAttributes(of node: LayerTree.NodeIndex) {
        buffer.append(zeros: ErofsFormat.attributeHeaderSize)
        buffer += tree.attributeEntries(tree.inodes[Int(tree.nodes[Int(node)].inode)].attributes)
        guard tree.isDirectory(node) else { return }
        let flags = tree.nodes[Int(node)].flags
        if flags.contains(.opaque) { buffer += LayerTree.opaqueEntries }
        if flags.contains(.holdsWhiteout) { buffer += LayerTree.originEntries }
    }

    /// The blocks of a directory that do not follow its inode.
    private mutating func appendBlocks(
        of node: LayerTree.NodeIndex, to stream: inout BlockStream, _ output: inout some LayerOutput
    ) throws {
        let inode = tree.inodes[Int(tree.nodes[Int(node)].inode)]
        if inode.layout == .inline, inode.size < ErofsFormat.blockSize { return }
        let directory = DirectoryLayout(node, layout.order, tree)
        var position = 0
        while position < directory.count {
            let end = directory.fill(from: position, tree).end
            if end == directory.count, inode.layout == .inline { return }
            directory.encode(position..<end, tree, to: &buffer)
            fillBlock()
            if buffer.count >= ErofsMetadata.pieceSize { try flush(to: &stream, &output) }
            position = end
        }
    }

    private func lastBlock(of directory: DirectoryLayout) -> Range<Int> {
        var position = 0
        while true {
            let end = directory.fill(from: position, tree).end
            if end == directory.count { return position..<end }
            position = end
        }
    }

    private mutating func fillBlock() {
        let used = Int((flushed + UInt64(buffer.count)) % UInt64(ErofsFormat.blockSize))
        if used > 0 { buffer.append(zeros: ErofsFormat.blockSize - used) }
    }

    private mutating func flush(to stream: inout BlockStream, _ output: inout some LayerOutput) throws {
        identity.combine(buffer)
        try stream.append(buffer, to: &output)
        flushed += UInt64(buffer.count)
        buffer.removeAll(keepingCapacity: true)
    }
}

/// A number that differs between layers and is the same for the same layer: overlayfs wants file systems told apart.
/// It protects nothing.
private struct ContentIdentity {
    private var first: UInt64 = 0x9E37_79B9_7F4A_7C15
    private var second: UInt64 = 0xC2B2_AE3D_27D4_EB4F

    mutating func combine(_ bytes: [UInt8]) {
        unsafe bytes.withUnsafeBytes { bytes in
            for offset in stride(from: 0, to: bytes.count & ~7, by: 8) {
                let word = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                first = (first ^ word) &* 0x0000_0100_0000_01B3
                first ^= first >> 32
                second = (second &+ word) &* 0xFF51_AFD7_ED55_8CCD
                second ^= second >> 29
            }
        }
    }

    /// A UUID of version 8, the one whose content is free.
    var uuid: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(little: first)
        bytes.append(little: second)
        bytes[6] = bytes[6] & 0x0F | 0x80
        bytes[8] = bytes[8] & 0x3F | 0x80
        return bytes
    }
}
