extension ErofsReader {
    /// Gives every entry, the root first, parents before what is in them, the names of a directory in the order of their
    /// bytes.
    ///
    /// - Throws: `ErofsError` at the first damage, and what the body throws.
    public func entries(_ body: (ErofsEntry) throws -> Void) throws {
        var attributes = AttributeCache(budget: size)
        try walk { inode, path, _ in try body(entry(inode, path: path, &attributes)) }
    }

    /// The entry of a path below the root; nil where there is none. Symbolic links are not followed.
    public func entry(at path: [UInt8]) throws -> ErofsEntry? {
        var inode = try root()
        var parent = rootNid
        var names: [ArraySlice<UInt8>] = []
        for name in path.split(separator: UInt8(ascii: "/")) where name != [UInt8(ascii: ".")] {
            guard inode.kind == ErofsFormat.directory else { return nil }
            let directory = try directory(inode, parent: parent)
            guard let child = directory.child(name) else { return nil }
            parent = inode.nid
            inode = try self.inode(of: child, in: directory)
            names.append(name)
        }
        var attributes = AttributeCache(budget: size)
        return try entry(inode, path: Array(names.joined(separator: [UInt8(ascii: "/")])), &attributes)
    }

    func root() throws -> ErofsInode {
        let inode = try inode(rootNid)
        guard inode.kind == ErofsFormat.directory else { throw ErofsError.damaged("no directory", at: "root") }
        return inode
    }

    /// Walks the tree. Ends for any image: no directory is entered twice, and all of them together are no larger than the
    /// image.
    ///
    /// - Parameter body: takes an inode, a path that leads to it, and the directory's nid; the root is its own.
    func walk(_ body: (ErofsInode, [UInt8], UInt64) throws -> Void) throws {
        var entered: Set<UInt64> = []
        var budget = size
        var levels: [(directory: ErofsDirectory, next: Int, pathLength: Int)] = []
        var path: [UInt8] = []

        func enter(_ inode: ErofsInode, parent: UInt64) throws {
            guard entered.insert(inode.nid).inserted else {
                throw ErofsError.damaged("it is in two places", at: "directory \(inode.nid)")
            }
            guard inode.size <= budget else {
                throw ErofsError.damaged("directories overlap", at: "directory \(inode.nid)")
            }
            budget -= inode.size
            levels.append((try directory(inode, parent: parent), 0, path.count))
        }

        let root = try root()
        try body(root, path, rootNid)
        try enter(root, parent: rootNid)
        while let level = levels.last {
            path.removeSubrange(level.pathLength...)
            guard level.next < level.directory.children.count else {
                levels.removeLast()
                continue
            }
            levels[levels.count - 1].next += 1
            let child = level.directory.children[level.next]
            if !path.isEmpty { path.append(UInt8(ascii: "/")) }
            path += level.directory.name(of: child)
            guard path.count <= LayerPath.maximumLength else {
                throw ErofsError.damaged("a path is too long", at: level.directory.place)
            }
            let inode = try inode(of: child, in: level.directory)
            try body(inode, path, level.directory.nid)
            if inode.kind == ErofsFormat.directory { try enter(inode, parent: level.directory.nid) }
        }
    }

    private func entry(
        _ inode: ErofsInode, path: [UInt8], _ cache: inout AttributeCache
    ) throws -> ErofsEntry {
        var entry = ErofsEntry(
            path: path, kind: .file, mode: inode.mode & 0o7777, uid: inode.uid, gid: inode.gid, size: 0,
            mtimeSeconds: inode.mtimeSeconds, mtimeNanoseconds: inode.mtimeNanoseconds, linkTarget: [], deviceMajor: 0,
            deviceMinor: 0, nid: inode.nid, links: inode.links, attributes: [], isOpaque: false)
        switch inode.kind {
        case ErofsFormat.regular: entry.size = Int64(inode.size)
        case ErofsFormat.directory: entry.kind = .directory
        case ErofsFormat.symbolicLink:
            entry.kind = .symbolicLink
            entry.linkTarget = try linkTarget(of: inode)
        case ErofsFormat.characterDevice where inode.content == 0: entry.kind = .whiteout
        case ErofsFormat.fifo: entry.kind = .fifo
        case ErofsFormat.socket: entry.kind = .socket
        default:
            entry.kind = inode.kind == ErofsFormat.blockDevice ? .blockDevice : .characterDevice
            (entry.deviceMajor, entry.deviceMinor) = ErofsFormat.decodeDevice(inode.content)
        }
        if inode.attributesSize > 0 {
            for attribute in try attributes(of: inode, &cache) {
                if attribute == OverlayAttribute.opaque[0] { entry.isOpaque = true }
                if !OverlayAttribute.isReserved(attribute.name) { entry.attributes.append(attribute) }
            }
        }
        return entry
    }
}

extension ErofsDirectory {
    /// The entry of a name: the names are sorted.
    func child(_ name: ArraySlice<UInt8>) -> Child? {
        var low = 0
        var high = children.count
        while low < high {
            let middle = (low + high) / 2
            if self.name(of: children[middle]).lexicographicallyPrecedes(name) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low < children.count && self.name(of: children[low]) == name ? children[low] : nil
    }
}
