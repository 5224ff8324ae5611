import Glibc

/// The names of a complete tree by directory, sorted as the image wants them.
struct LayerOrder {
    private var firstChild: [UInt32]
    private var children: [LayerTree.NodeIndex]

    init(_ tree: LayerTree) {
        // A counting sort by directory: the number of names of each, then where each one's begin.
        firstChild = [UInt32](repeating: 0, count: tree.nodes.count + 1)
        for node in tree.nodes.dropFirst() where !node.flags.contains(.dropped) {
            firstChild[Int(node.parent) + 1] += 1
        }
        for index in 1..<firstChild.count { firstChild[index] += firstChild[index - 1] }
        children = [LayerTree.NodeIndex](repeating: 0, count: Int(firstChild[tree.nodes.count]))
        var next = firstChild
        for index in 1..<tree.nodes.count where !tree.nodes[index].flags.contains(.dropped) {
            let parent = Int(tree.nodes[index].parent)
            children[Int(next[parent])] = LayerTree.NodeIndex(index)
            next[parent] += 1
        }
        for directory in tree.nodes.indices where firstChild[directory + 1] - firstChild[directory] > 1 {
            sort(Int(firstChild[directory])..<Int(firstChild[directory + 1]), of: tree)
        }
    }

    /// The names in a directory, by bytes.
    func children(of directory: LayerTree.NodeIndex) -> ArraySlice<LayerTree.NodeIndex> {
        children[Int(firstChild[Int(directory)])..<Int(firstChild[Int(directory) + 1])]
    }

    private mutating func sort(_ range: Range<Int>, of tree: LayerTree) {
        unsafe tree.names.withUnsafeBytes { names in
            guard let base = names.baseAddress else { return }
            children[range].sort { left, right in
                let left = tree.nodes[Int(left)]
                let right = tree.nodes[Int(right)]
                let order = unsafe memcmp(
                    base + Int(left.name), base + Int(right.name), Int(min(left.nameLength, right.nameLength)))
                return order == 0 ? left.nameLength < right.nameLength : order < 0
            }
        }
    }
}
