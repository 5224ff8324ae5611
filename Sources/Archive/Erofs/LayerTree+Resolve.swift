import Glibc

extension LayerTree {
    /// The directory that holds the last name of a path; what is missing on the way is made.
    mutating func parent(of path: LayerPath) throws(LayerError) -> NodeIndex {
        let directory = path.parent
        if directory.isEmpty { return 0 }
        if isLastDirectory(directory) { return lastDirectory.node }
        let bytes = Array(directory)
        guard let node = try resolve(bytes, for: path, creating: true) else {
            throw .notADirectory(path: path.description, component: path.description)
        }
        lastDirectory = (bytes, node)
        return node
    }

    private func isLastDirectory(_ path: ArraySlice<UInt8>) -> Bool {
        guard path.count == lastDirectory.path.count else { return false }
        return unsafe path.withUnsafeBytes { left in
            unsafe lastDirectory.path.withUnsafeBytes { right in
                guard let left = left.baseAddress, let right = right.baseAddress else { return false }
                return unsafe memcmp(left, right, path.count) == 0
            }
        }
    }

    /// The node of a hard link's target; nil where there is none. The last name is not followed.
    mutating func target(_ target: LayerPath, of path: LayerPath) throws(LayerError) -> NodeIndex? {
        if target.isRoot { return 0 }
        let directory = target.parent
        guard let parent = try resolve(Array(directory), for: path, creating: false) else { return nil }
        let name = target.name
        return find(name.span, in: parent)
    }

    /// Walks to a directory as in a chroot, following symbolic links.
    ///
    /// - Returns: nil only where something is missing and `creating` is false.
    private mutating func resolve(
        _ directory: [UInt8], for path: LayerPath, creating: Bool
    ) throws(LayerError) -> NodeIndex? {
        var pending = directory
        var start = 0
        var node: NodeIndex = 0
        var followed = 0
        while start < pending.count {
            let name = start..<LayerTree.slash(in: pending, from: start)
            start = name.upperBound + 1
            if name.count <= 2, pending[name].allSatisfy({ $0 == UInt8(ascii: ".") }) {
                // Nothing, `.` or `..`.
                if name.count == 2 { node = nodes[Int(node)].parent }
                continue
            }
            let hash = LayerTree.hash(pending.span.extracting(name), node)
            guard let found = find(pending.span.extracting(name), in: node, hash: hash) else {
                if !creating { return nil }
                let inode = try addInode(LayerTree.impliedDirectory)
                node = try add(pending.span.extracting(name), in: node, hash: hash, inode: inode, for: path)
                continue
            }
            switch kind(of: found) {
            case ErofsFormat.directory: node = found
            case ErofsFormat.symbolicLink:
                followed += 1
                if followed > LayerTree.maximumLinksFollowed { throw .tooManySymbolicLinks(path: path.description) }
                let target = linkTarget(of: found)
                if target.first == UInt8(ascii: "/") { node = 0 }
                pending.replaceSubrange(..<name.upperBound, with: target)
                start = 0
            case 0:
                if !creating { return nil }
                // Hidden in the lower layers, made anew here.
                nodes[Int(found)].inode = try addInode(LayerTree.impliedDirectory)
                node = found
            default: throw .notADirectory(path: path.description, component: describe(found))
            }
        }
        return node
    }

    func linkTarget(of node: NodeIndex) -> ArraySlice<UInt8> {
        let inode = inodes[Int(nodes[Int(node)].inode)]
        return targets[Int(inode.content)..<Int(inode.content) + Int(inode.size)]
    }

    private static func slash(in path: [UInt8], from start: Int) -> Int {
        unsafe path.withUnsafeBytes { path in
            guard let base = path.baseAddress,
                let found = unsafe memchr(base + start, Int32(UInt8(ascii: "/")), path.count - start)
            else { return path.count }
            return unsafe UnsafeRawPointer(found) - base
        }
    }
}
