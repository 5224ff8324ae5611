/// Where a complete tree's inodes, directories and link targets go in the image.
///
/// Inodes lie root first, then directory by directory, those of one directory's entries next to each other: what `find`
/// and `ls -l` read together. The last block of a directory and short link targets follow their inode; full blocks of
/// directories come after all inodes.
struct ErofsLayout {
    let order: LayerOrder
    /// For each inode, in the order of the image, a name that leads to it.
    private(set) var sequence: [LayerTree.NodeIndex] = []
    /// Bytes that inodes take.
    private(set) var inodeAreaSize: UInt64 = 0
    /// Blocks that follow the inodes.
    private(set) var extraBlocks: UInt64 = 0
    /// Names below the root.
    private(set) var entryCount = 0
    /// Bytes of the regular files.
    private(set) var fileBytes: Int64 = 0
    private(set) var hasChunks = false
    /// First blocks of link targets that fit no inode's block.
    private(set) var longLinks: [LayerTree.InodeIndex: UInt32] = [:]

    /// - Parameter start: the block where the inode area begins.
    init(_ tree: inout LayerTree, at start: UInt64) throws(LayerError) {
        order = LayerOrder(tree)
        collect(&tree)
        // A root at the very start would have inode number 0, which some programs take for a deleted file.
        inodeAreaSize = UInt64(ErofsFormat.extendedInodeSize)
        for node in sequence { placeInode(of: node, &tree) }
        let firstExtra = start + inodeAreaSize.roundedUpToBlock / UInt64(ErofsFormat.blockSize)
        guard inodeAreaSize / UInt64(ErofsFormat.slotSize) <= UInt64(UInt32.max),
            firstExtra + extraBlocks <= UInt64(UInt32.max)
        else { throw .tooLarge(path: "/") }
        for node in sequence { addBase(UInt32(firstExtra), of: node, &tree) }
    }

    /// Walks what can be reached from the root, counting links and names.
    private mutating func collect(_ tree: inout LayerTree) {
        sequence = [0]
        tree.inodes[0].links = 2
        var whiteout: LayerTree.InodeIndex?
        var directories: [LayerTree.NodeIndex] = [0]
        while let directory = directories.popLast() {
            let children = order.children(of: directory)
            let first = directories.count
            for child in children {
                entryCount += 1
                if tree.nodes[Int(child)].inode == LayerTree.whiteout {
                    // One inode serves all whiteouts.
                    let shared = whiteout ?? tree.addWhiteoutInode()
                    whiteout = shared
                    tree.nodes[Int(child)].inode = shared
                    tree.nodes[Int(directory)].flags.insert(.holdsWhiteout)
                }
                let inode = Int(tree.nodes[Int(child)].inode)
                if tree.inodes[inode].links == 0 {
                    sequence.append(child)
                    if tree.kind(of: child) == ErofsFormat.regular { fileBytes += Int64(tree.inodes[inode].size) }
                }
                if tree.isDirectory(child) {
                    tree.inodes[inode].links = 2
                    tree.inodes[Int(tree.nodes[Int(directory)].inode)].links += 1
                    directories.append(child)
                } else {
                    tree.inodes[inode].links += 1
                }
            }
            directories[first...].reverse()
        }
    }

    /// Gives an inode its slot and, counted from the first block after the inodes, its blocks.
    private mutating func placeInode(of node: LayerTree.NodeIndex, _ tree: inout LayerTree) {
        let index = Int(tree.nodes[Int(node)].inode)
        let header = UInt64(ErofsFormat.extendedInodeSize + tree.attributesSize(of: node))
        var position = inodeAreaSize
        var tail: UInt64 = 0
        switch tree.kind(of: node) {
        case ErofsFormat.directory:
            tree.inodes[index].size = DirectoryLayout(node, order, tree).size(tree)
            tree.inodes[index].content = UInt32(truncatingIfNeeded: extraBlocks)
            tail = placeTail(tree.inodes[index].size, after: header, &position, &tree.inodes[index].layout)
        case ErofsFormat.symbolicLink:
            let block = UInt32(truncatingIfNeeded: extraBlocks)
            tail = placeTail(tree.inodes[index].size, after: header, &position, &tree.inodes[index].layout)
            if tree.inodes[index].layout == .plain { longLinks[LayerTree.InodeIndex(index)] = block }
        case ErofsFormat.regular where tree.inodes[index].layout == .chunked:
            hasChunks = true
            tail = tree.chunkMaps[Int(tree.inodes[index].content)].chunkCount * 4
        default: break
        }
        tree.inodes[index].slot = UInt32(truncatingIfNeeded: position / UInt64(ErofsFormat.slotSize))
        let slot = UInt64(ErofsFormat.slotSize)
        inodeAreaSize = (position + header + tail + slot - 1) & ~(slot - 1)
    }

    /// Decides whether the last, partial block follows the inode, where it must not cross the end of a block, and takes
    /// blocks for the rest.
    ///
    /// - Returns: the bytes that follow the inode.
    private mutating func placeTail(
        _ size: UInt64, after header: UInt64, _ position: inout UInt64, _ layout: inout ErofsFormat.Layout
    ) -> UInt64 {
        let block = UInt64(ErofsFormat.blockSize)
        let tail = size % block
        guard tail != 0, header % block + tail <= block else {
            layout = .plain
            extraBlocks += size.roundedUpToBlock / block
            return 0
        }
        layout = .inline
        extraBlocks += size / block
        if (position + header) % block + tail > block { position = position.roundedUpToBlock }
        return tail
    }

    /// Turns block numbers counted from the first block after the inodes into the image's.
    private mutating func addBase(_ base: UInt32, of node: LayerTree.NodeIndex, _ tree: inout LayerTree) {
        let index = tree.nodes[Int(node)].inode
        if tree.isDirectory(node) {
            let hasBlocks =
                tree.inodes[Int(index)].layout == .plain || tree.inodes[Int(index)].size >= ErofsFormat.blockSize
            tree.inodes[Int(index)].content = hasBlocks ? tree.inodes[Int(index)].content + base : 0
        } else if let block = longLinks[index] {
            longLinks[index] = block + base
        }
    }
}

extension LayerTree {
    /// Makes the inode that all whiteouts share.
    fileprivate mutating func addWhiteoutInode() -> InodeIndex {
        inodes.append(
            Inode(
                size: 0, mtimeSeconds: 0, mtimeNanoseconds: 0, uid: 0, gid: 0, mode: ErofsFormat.characterDevice))
        return InodeIndex(inodes.count - 1)
    }

    /// Bytes of an inode's attributes with their header; 0 for none.
    func attributesSize(of node: NodeIndex) -> Int {
        var size = attributeEntries(inodes[Int(nodes[Int(node)].inode)].attributes).count
        if isDirectory(node) {
            let flags = nodes[Int(node)].flags
            if flags.contains(.opaque) { size += LayerTree.opaqueEntries.count }
            if flags.contains(.holdsWhiteout) { size += LayerTree.originEntries.count }
        }
        return size == 0 ? 0 : ErofsFormat.attributeHeaderSize + size
    }

    static let opaqueEntries = encoded(OverlayAttribute.opaque)
    static let originEntries = encoded(OverlayAttribute.origin)

    private static func encoded(_ attributes: [TarEntry.Attribute]) -> [UInt8] {
        attributes.reduce(into: []) { encode($1, to: &$0) }
    }
}
