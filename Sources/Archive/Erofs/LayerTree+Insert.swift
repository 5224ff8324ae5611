import Glibc

extension LayerTree {
    /// Places an entry.
    ///
    /// - Returns: the inode that the entry's data belongs to, where it is a file that has its own.
    /// - Throws: `LayerPathError` or `LayerError`.
    package mutating func insert(_ entry: TarEntry) throws -> InodeIndex? {
        let path = try LayerPath(entry.path)
        switch path.role {
        case .ignored: return nil
        case .opaque:
            let directory = try parent(of: path)
            nodes[Int(directory)].flags.insert(.opaque)
            return nil
        case .whiteout(of: let name):
            try hide(name, at: path)
            return nil
        case .entry: return try insert(entry, at: path)
        }
    }

    private mutating func insert(_ entry: TarEntry, at path: LayerPath) throws -> InodeIndex? {
        if path.isRoot { return try insertRoot(entry) }
        if entry.kind == .hardLink {
            try insertHardLink(entry, at: path)
            return nil
        }
        if entry.kind == .characterDevice, entry.deviceMajor == 0, entry.deviceMinor == 0 {
            // What overlayfs takes for a whiteout can only be one.
            try hide(path.name, at: path)
            return nil
        }
        let parent = try parent(of: path)
        let inode = try makeInode(entry, at: path)
        let name = path.name
        if entry.kind == .directory, let found = find(name.span, in: parent), isDirectory(found) {
            inodes[Int(nodes[Int(found)].inode)] = inode
            return nil
        }
        let index = try addInode(inode)
        try place(index, name: name, in: parent, at: path)
        return entry.kind == .file ? index : nil
    }

    private mutating func insertRoot(_ entry: TarEntry) throws -> InodeIndex? {
        guard entry.kind == .directory else { throw LayerError.rootIsNoDirectory }
        inodes[0] = try makeInode(entry, at: try LayerPath(entry.path))
        return nil
    }

    private mutating func insertHardLink(_ entry: TarEntry, at path: LayerPath) throws {
        let targetPath = try LayerPath(entry.linkTarget)
        guard let target = try target(targetPath, of: path), nodes[Int(target)].inode != LayerTree.whiteout else {
            throw LayerError.hardLinkTargetMissing(path: path.description, target: targetPath.description)
        }
        if isDirectory(target) {
            throw LayerError.hardLinkToDirectory(path: path.description, target: targetPath.description)
        }
        let inode = nodes[Int(target)].inode
        let parent = try parent(of: path)
        try place(inode, name: path.name, in: parent, at: path)
    }

    /// Gives a name its inode, whatever the name stood for before.
    private mutating func place(
        _ inode: InodeIndex, name: ArraySlice<UInt8>, in parent: NodeIndex, at path: LayerPath
    ) throws(LayerError) {
        let hash = LayerTree.hash(name.span, parent)
        guard let found = find(name.span, in: parent, hash: hash) else {
            _ = try add(name.span, in: parent, hash: hash, inode: inode, for: path)
            return
        }
        switch kind(of: found) {
        case ErofsFormat.directory:
            _ = try replaceDirectory(found, hash: hash, inode: inode)
            lastDirectory = ([], 0)
        case ErofsFormat.symbolicLink:
            nodes[Int(found)].inode = inode
            lastDirectory = ([], 0)
        default: nodes[Int(found)].inode = inode
        }
    }

    /// Hides a name in the lower layers.
    private mutating func hide(_ name: ArraySlice<UInt8>, at path: LayerPath) throws(LayerError) {
        let parent = try parent(of: path)
        let hash = LayerTree.hash(name.span, parent)
        if let found = find(name.span, in: parent, hash: hash) {
            nodes[Int(found)].flags.insert(.opaque)
        } else {
            _ = try add(
                name.span, in: parent, hash: hash, inode: LayerTree.whiteout, flags: .opaque, for: path)
        }
    }

    mutating func addInode(_ inode: Inode) throws(LayerError) -> InodeIndex {
        guard inodes.count < maximumEntries else { throw .tooManyEntries(limit: maximumEntries) }
        inodes.append(inode)
        return InodeIndex(inodes.count - 1)
    }

    private mutating func makeInode(_ entry: TarEntry, at path: LayerPath) throws(LayerError) -> Inode {
        var inode = Inode(
            size: 0, mtimeSeconds: entry.mtimeSeconds, mtimeNanoseconds: min(entry.mtimeNanoseconds, 999_999_999),
            uid: entry.uid, gid: entry.gid, mode: entry.mode & 0o7777)
        switch entry.kind {
        case .file, .hardLink:
            inode.mode |= ErofsFormat.regular
            guard entry.size >= 0 else { throw .dataLengthMismatch(path: path.description) }
            inode.size = UInt64(entry.size)
        case .directory: inode.mode |= ErofsFormat.directory
        case .fifo: inode.mode |= ErofsFormat.fifo
        case .symbolicLink:
            // Linux has no permissions on symbolic links.
            inode.mode = ErofsFormat.symbolicLink | 0o777
            inode.content = try addTarget(entry.linkTarget, of: path)
            inode.size = UInt64(entry.linkTarget.count)
        case .characterDevice, .blockDevice:
            inode.mode |= entry.kind == .blockDevice ? ErofsFormat.blockDevice : ErofsFormat.characterDevice
            guard entry.deviceMajor <= ErofsFormat.maximumDevice.major,
                entry.deviceMinor <= ErofsFormat.maximumDevice.minor
            else { throw .invalidDevice(path: path.description) }
            inode.content = ErofsFormat.encodeDevice(major: entry.deviceMajor, minor: entry.deviceMinor)
        }
        if !entry.attributes.isEmpty { inode.attributes = try addAttributes(entry.attributes, of: path) }
        return inode
    }

    private mutating func addTarget(_ target: [UInt8], of path: LayerPath) throws(LayerError) -> UInt32 {
        guard !target.isEmpty, target.count <= LayerTree.maximumTargetLength, !target.contains(0) else {
            throw .invalidLinkTarget(path: path.description)
        }
        guard targets.count + target.count <= LayerTree.maximumPoolSize else {
            throw .tooManyEntries(limit: maximumEntries)
        }
        targets += target
        return UInt32(targets.count - target.count)
    }
}
