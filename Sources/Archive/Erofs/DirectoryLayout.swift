/// The entries of a directory with `.` and `..` at their places, and how they fill blocks.
struct DirectoryLayout {
    /// An entry as the blocks hold it.
    enum Name {
        case own
        case parent
        case child(LayerTree.NodeIndex)
    }

    let node: LayerTree.NodeIndex
    private let children: ArraySlice<LayerTree.NodeIndex>
    /// How many children sort before `.` and `..`.
    private let beforeOwn: Int
    private let beforeParent: Int

    init(_ node: LayerTree.NodeIndex, _ order: LayerOrder, _ tree: LayerTree) {
        self.node = node
        children = order.children(of: node)
        let dots: [UInt8] = [UInt8(ascii: "."), UInt8(ascii: ".")]
        beforeOwn = DirectoryLayout.count(of: children, before: dots[..<1], tree)
        beforeParent = DirectoryLayout.count(of: children, before: dots[...], tree)
    }

    /// How many of the sorted names come before one.
    private static func count(
        of children: ArraySlice<LayerTree.NodeIndex>, before name: ArraySlice<UInt8>, _ tree: LayerTree
    ) -> Int {
        var low = children.startIndex
        var high = children.endIndex
        while low < high {
            let middle = low + (high - low) / 2
            if tree.name(of: children[middle]).lexicographicallyPrecedes(name) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low - children.startIndex
    }

    /// Entries, `.` and `..` counted.
    var count: Int { children.count + 2 }

    subscript(_ position: Int) -> Name {
        if position < beforeOwn { return .child(children[children.startIndex + position]) }
        if position == beforeOwn { return .own }
        if position <= beforeParent { return .child(children[children.startIndex + position - 1]) }
        if position == beforeParent + 1 { return .parent }
        return .child(children[children.startIndex + position - 2])
    }

    func nameLength(at position: Int, _ tree: LayerTree) -> Int {
        switch self[position] {
        case .own: 1
        case .parent: 2
        case .child(let child): Int(tree.nodes[Int(child)].nameLength)
        }
    }

    private func inode(at position: Int, _ tree: LayerTree) -> LayerTree.InodeIndex {
        switch self[position] {
        case .own: tree.nodes[Int(node)].inode
        case .parent: tree.nodes[Int(tree.nodes[Int(node)].parent)].inode
        case .child(let child): tree.nodes[Int(child)].inode
        }
    }

    /// How many entries from a position on fit a block, and the bytes they take.
    func fill(from position: Int, _ tree: LayerTree) -> (end: Int, size: Int) {
        var end = position
        var size = 0
        while end < count {
            let next = size + ErofsFormat.direntSize + nameLength(at: end, tree)
            if next > ErofsFormat.blockSize { break }
            size = next
            end += 1
        }
        return (end, size)
    }

    /// The bytes of the whole directory: the last block counts with what is used of it.
    func size(_ tree: LayerTree) -> UInt64 {
        var position = 0
        var size: UInt64 = 0
        while true {
            let (end, used) = fill(from: position, tree)
            if end == count { return size + UInt64(used) }
            size += UInt64(ErofsFormat.blockSize)
            position = end
        }
    }

    /// Appends the entries of a range as a block, not filled up.
    func encode(_ range: Range<Int>, _ tree: LayerTree, to bytes: inout [UInt8]) {
        var nameOffset = range.count * ErofsFormat.direntSize
        var start = bytes.count
        bytes.append(zeros: nameOffset)
        unsafe bytes.withUnsafeMutableBytes { bytes in
            for position in range {
                let inode = tree.inodes[Int(inode(at: position, tree))]
                unsafe bytes.put(UInt64(inode.slot), at: start)
                unsafe bytes.put(UInt16(nameOffset), at: start + 8)
                unsafe bytes.put(ErofsFormat.fileType(ofMode: inode.mode), at: start + 10)
                start += ErofsFormat.direntSize
                nameOffset += nameLength(at: position, tree)
            }
        }
        for position in range {
            switch self[position] {
            case .own: bytes.append(UInt8(ascii: "."))
            case .parent: bytes += [UInt8(ascii: "."), UInt8(ascii: ".")]
            case .child(let child): bytes += tree.name(of: child)
            }
        }
    }
}

extension LayerTree {
    func name(of node: NodeIndex) -> ArraySlice<UInt8> {
        let start = Int(nodes[Int(node)].name)
        return names[start..<start + Int(nodes[Int(node)].nameLength)]
    }
}
