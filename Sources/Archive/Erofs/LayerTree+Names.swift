import Glibc

extension LayerTree {
    /// A slot of the hash table: a node and the hash of its name.
    struct TableSlot {
        /// The root stands in no directory, so that no name has its node.
        static let free = TableSlot(node: 0, hash: 0)

        var node: NodeIndex
        var hash: UInt32
    }

    /// The node of a name in a directory.
    func find(_ name: Span<UInt8>, in parent: NodeIndex) -> NodeIndex? {
        find(name, in: parent, hash: LayerTree.hash(name, parent))
    }

    /// The same for who needs the hash once more.
    func find(_ name: Span<UInt8>, in parent: NodeIndex, hash: UInt32) -> NodeIndex? {
        let mask = table.count - 1
        var slot = Int(hash) & mask
        while table[slot].node != 0 {
            if table[slot].hash == hash {
                let index = table[slot].node
                let node = nodes[Int(index)]
                if node.parent == parent, hasName(node, name) { return index }
            }
            slot = (slot + 1) & mask
        }
        return nil
    }

    private func hasName(_ node: Node, _ name: Span<UInt8>) -> Bool {
        guard Int(node.nameLength) == name.count else { return false }
        let start = Int(node.name)
        return unsafe names.span.extracting(start..<start + name.count).withUnsafeBytes { own in
            unsafe name.withUnsafeBytes { name in
                guard let left = own.baseAddress, let right = name.baseAddress else { return true }
                return unsafe memcmp(left, right, name.count) == 0
            }
        }
    }

    /// Seeded anew in every process, so that no archive can be made whose names collide.
    static func hash(_ name: Span<UInt8>, _ parent: NodeIndex) -> UInt32 {
        var hasher = Hasher()
        hasher.combine(parent)
        unsafe name.withUnsafeBytes { unsafe hasher.combine(bytes: $0) }
        return UInt32(truncatingIfNeeded: hasher.finalize())
    }

    /// Adds a name that the directory does not have.
    ///
    /// - Parameter path: the entry's, for the error.
    mutating func add(
        _ name: Span<UInt8>, in parent: NodeIndex, hash: UInt32, inode: InodeIndex, flags: Flags = [],
        for path: LayerPath
    ) throws(LayerError) -> NodeIndex {
        let above = Int(nodes[Int(parent)].pathLength)
        let length = above == 0 ? name.count : above + 1 + name.count
        guard length <= LayerPath.maximumLength, name.count <= LayerPath.maximumNameLength else {
            throw .pathTooLong(path: path.description)
        }
        guard nodes.count < maximumEntries else { throw .tooManyEntries(limit: maximumEntries) }
        if (nodes.count + 1) * 4 > table.count * 3 { growTable() }
        let index = NodeIndex(nodes.count)
        nodes.append(
            Node(
                parent: parent, inode: inode, name: UInt32(names.count), pathLength: UInt16(length),
                nameLength: UInt8(name.count), flags: flags))
        unsafe name.withUnsafeBufferPointer { unsafe names.append(contentsOf: $0) }
        insert(TableSlot(node: index, hash: hash))
        return index
    }

    /// Drops a directory and puts a new node of its name in its place: what was below the old one is out of reach.
    mutating func replaceDirectory(
        _ old: NodeIndex, hash: UInt32, inode: InodeIndex
    ) throws(LayerError) -> NodeIndex {
        guard nodes.count < maximumEntries else { throw .tooManyEntries(limit: maximumEntries) }
        let index = NodeIndex(nodes.count)
        var node = nodes[Int(old)]
        node.inode = inode
        nodes.append(node)
        nodes[Int(old)].flags.insert(.dropped)
        let mask = table.count - 1
        var slot = Int(hash) & mask
        while table[slot].node != old { slot = (slot + 1) & mask }
        table[slot].node = index
        return index
    }

    private mutating func insert(_ new: TableSlot) {
        let mask = table.count - 1
        var slot = Int(new.hash) & mask
        while table[slot].node != 0 { slot = (slot + 1) & mask }
        table[slot] = new
    }

    private mutating func growTable() {
        let old = table
        table = [TableSlot](repeating: .free, count: old.count * 2)
        for slot in old where slot.node != 0 { insert(slot) }
    }

    /// The path of a node, for people.
    func describe(_ node: NodeIndex) -> String {
        var components: [String] = []
        var node = node
        while node != 0 {
            let start = Int(nodes[Int(node)].name)
            components.append(
                String(decoding: names[start..<start + Int(nodes[Int(node)].nameLength)], as: UTF8.self))
            node = nodes[Int(node)].parent
        }
        return "/" + components.reversed().joined(separator: "/")
    }
}
