/// A complete layer tree by directory, for whoever makes something other than an image of it.
package struct LayerListing: Sendable {
    /// A name in a directory and what it stands for.
    package struct Item: Sendable {
        package var name: [UInt8]
        package var kind: ErofsEntry.Kind
        /// The same for all names of one file; says nothing of a whiteout.
        package var inode: LayerTree.InodeIndex
        /// Names of the file; 1 for directories and whiteouts.
        package var links: UInt32
        package var mode: UInt16
        package var uid: UInt32
        package var gid: UInt32
        package var size: Int64
        package var mtimeSeconds: Int64
        package var mtimeNanoseconds: UInt32
        package var linkTarget: [UInt8]
        package var deviceMajor: UInt32
        package var deviceMinor: UInt32
        /// Those of the archive.
        package var attributes: [TarEntry.Attribute]
        /// A directory that hides what the layers below have in it.
        package var isOpaque: Bool
        /// A directory that overlayfs must be told of, lest it list the whiteouts in it.
        package var holdsWhiteout: Bool
    }

    private let tree: LayerTree
    private let order: LayerOrder
    /// Parents before what is in them, siblings by bytes.
    private var directories: [LayerTree.NodeIndex] = []
    /// For each inode, the names that lead to it.
    private var links: [UInt32]
    /// Names below the root.
    package private(set) var entryCount = 0
    /// Bytes of the regular files, each counted once however many names it has.
    package private(set) var fileBytes: Int64 = 0
    package var isRootOpaque: Bool { tree.nodes[0].flags.contains(.opaque) }

    package init(_ tree: LayerTree) {
        var tree = tree
        tree.endOfEntries()
        self.tree = tree
        order = LayerOrder(tree)
        links = [UInt32](repeating: 0, count: tree.inodes.count)
        var pending: [LayerTree.NodeIndex] = [0]
        while let directory = pending.popLast() {
            directories.append(directory)
            let first = pending.count
            for child in order.children(of: directory) {
                entryCount += 1
                let inode = tree.nodes[Int(child)].inode
                if inode == LayerTree.whiteout { continue }
                if tree.isDirectory(child) { pending.append(child) }
                if links[Int(inode)] == 0, tree.kind(of: child) == ErofsFormat.regular {
                    fileBytes += Int64(tree.inodes[Int(inode)].size)
                }
                links[Int(inode)] += 1
            }
            pending[first...].reverse()
        }
    }

    /// Gives each directory's path with what it holds, parents before what is in them.
    package func forEachDirectory(_ body: (_ path: [UInt8], _ children: [Item]) throws -> Void) rethrows {
        for directory in directories {
            try body(path(of: directory), order.children(of: directory).map(item))
        }
    }

    /// Gives each directory, what is in it before itself.
    package func forEachDirectoryUpwards(_ body: (_ path: [UInt8], _ directory: Item) throws -> Void) rethrows {
        for directory in directories.reversed() { try body(path(of: directory), item(directory)) }
    }

    /// The root's own item; its name is empty.
    package var root: Item { item(0) }

    private func name(of node: LayerTree.NodeIndex) -> ArraySlice<UInt8> {
        let start = Int(tree.nodes[Int(node)].name)
        return tree.names[start..<start + Int(tree.nodes[Int(node)].nameLength)]
    }

    private func path(of node: LayerTree.NodeIndex) -> [UInt8] {
        var names: [ArraySlice<UInt8>] = []
        var node = node
        while node != 0 {
            names.append(name(of: node))
            node = tree.nodes[Int(node)].parent
        }
        return Array(names.reversed().joined(separator: [UInt8(ascii: "/")]))
    }

    private func item(_ node: LayerTree.NodeIndex) -> Item {
        let index = tree.nodes[Int(node)].inode
        guard index != LayerTree.whiteout else {
            return Item(
                name: Array(name(of: node)), kind: .whiteout, inode: index, links: 1, mode: 0, uid: 0, gid: 0, size: 0,
                mtimeSeconds: 0, mtimeNanoseconds: 0, linkTarget: [], deviceMajor: 0, deviceMinor: 0, attributes: [],
                isOpaque: false, holdsWhiteout: false)
        }
        let inode = tree.inodes[Int(index)]
        let kind = Self.kind(inode.mode)
        let isDirectory = kind == .directory
        let isDevice = kind == .characterDevice || kind == .blockDevice
        let device = isDevice ? ErofsFormat.decodeDevice(inode.content) : (0, 0)
        let holdsWhiteout =
            isDirectory
            && order.children(of: node).contains { tree.nodes[Int($0)].inode == LayerTree.whiteout }
        return Item(
            name: Array(name(of: node)), kind: kind, inode: index, links: isDirectory ? 1 : links[Int(index)],
            mode: inode.mode & 0o7777, uid: inode.uid, gid: inode.gid,
            size: kind == .file ? Int64(inode.size) : 0, mtimeSeconds: inode.mtimeSeconds,
            mtimeNanoseconds: inode.mtimeNanoseconds,
            linkTarget: kind == .symbolicLink ? Array(tree.linkTarget(of: node)) : [], deviceMajor: device.0,
            deviceMinor: device.1, attributes: tree.decodedAttributes(inode.attributes),
            isOpaque: isDirectory && tree.nodes[Int(node)].flags.contains(.opaque), holdsWhiteout: holdsWhiteout)
    }

    private static func kind(_ mode: UInt16) -> ErofsEntry.Kind {
        switch mode & ErofsFormat.kindMask {
        case ErofsFormat.directory: .directory
        case ErofsFormat.symbolicLink: .symbolicLink
        case ErofsFormat.characterDevice: .characterDevice
        case ErofsFormat.blockDevice: .blockDevice
        case ErofsFormat.fifo: .fifo
        default: .file
        }
    }
}

extension LayerTree {
    /// The attributes that `Inode.attributes` stands for, as `encode` was given them.
    fileprivate func decodedAttributes(_ reference: UInt32) -> [TarEntry.Attribute] {
        var rest = attributeEntries(reference)
        var list: [TarEntry.Attribute] = []
        while rest.count >= ErofsFormat.attributeEntrySize {
            let start = rest.startIndex
            let nameEnd = start + ErofsFormat.attributeEntrySize + Int(rest[start])
            let valueEnd = nameEnd + (Int(rest[start + 2]) | Int(rest[start + 3]) << 8)
            let prefix = ErofsFormat.attributePrefixes.first { $0.index == rest[start + 1] }?.prefix ?? ""
            let suffix = String(decoding: rest[(start + ErofsFormat.attributeEntrySize)..<nameEnd], as: UTF8.self)
            list.append(TarEntry.Attribute(name: prefix + suffix, value: Array(rest[nameEnd..<valueEnd])))
            // Each entry begins at a multiple of 4 from the first.
            rest = rest.dropFirst((valueEnd - start + 3) & ~3)
        }
        return list
    }
}
