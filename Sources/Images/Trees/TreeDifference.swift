import OCI
import Snapshots

/// Compares two merged trees. Times do not count: an image that was built again has others everywhere.
struct TreeDifference {
    private let old: MergedTree
    private let new: MergedTree
    private let content: LayerContent
    private var found: [FileDifference] = []

    init(_ old: MergedTree, _ new: MergedTree, _ content: LayerContent) {
        self.old = old
        self.new = new
        self.content = content
    }

    /// What differs, each directory before what is in it, siblings by bytes.
    mutating func differences() throws -> [FileDifference] {
        found = []
        if try !isEqual(old.root, new.root, []) { add(.changed, Array("/".utf8), old.root, new.root) }
        try compare(old.root, new.root, [])
        return found
    }

    private mutating func compare(_ left: MergedTree.Node, _ right: MergedTree.Node, _ path: [UInt8]) throws {
        let names = Set(left.children.keys).union(right.children.keys).sorted { $0.lexicographicallyPrecedes($1) }
        for name in names {
            let below = path + [UInt8(ascii: "/")] + name
            switch (left.children[name], right.children[name]) {
            case (let before?, let after?):
                if try !isEqual(before, after, below) { add(.changed, below, before, after) }
                try compare(before, after, below)
            case (let gone?, nil): addAll(.deleted, below, gone)
            case (nil, let added?): addAll(.added, below, added)
            case (nil, nil): break
            }
        }
    }

    private mutating func addAll(_ change: FileDifference.Change, _ path: [UInt8], _ node: MergedTree.Node) {
        var all: [([UInt8], MergedTree.Node)] = [(path, node)]
        MergedTree.forEach(node, path) { all.append(($0, $1)) }
        for (path, node) in all {
            add(change, path, change == .deleted ? node : nil, change == .added ? node : nil)
        }
    }

    private mutating func add(
        _ change: FileDifference.Change, _ path: [UInt8], _ before: MergedTree.Node?, _ after: MergedTree.Node?
    ) {
        func size(_ node: MergedTree.Node?) -> Int64? {
            node.flatMap { $0.entry.kind == .file ? $0.entry.size : nil }
        }
        found.append(
            FileDifference(
                change: change, path: String(decoding: path, as: UTF8.self), oldSize: size(before), newSize: size(after)
            ))
    }

    private func isEqual(_ before: MergedTree.Node, _ after: MergedTree.Node, _ path: [UInt8]) throws -> Bool {
        let (left, right) = (before.entry, after.entry)
        guard left.kind == right.kind, left.mode == right.mode, left.uid == right.uid, left.gid == right.gid,
            left.size == right.size, left.linkTarget == right.linkTarget, left.deviceMajor == right.deviceMajor,
            left.deviceMinor == right.deviceMinor, left.attributes == right.attributes
        else { return false }
        guard left.kind == .file, left.size > 0 else { return true }
        let (oldLayer, newLayer) = (old.layers[before.layer], new.layers[after.layer])
        if oldLayer == newLayer, left.inode == right.inode { return true }
        let below = Array(path.dropFirst())
        return try content.digest(of: left, at: below, in: oldLayer)
            == content.digest(of: right, at: below, in: newLayer)
    }
}
