import OCI
import Snapshots

/// The tree that a stack of layers shows, as overlayfs stacks them: whiteouts and opaque directories hide what is below.
struct MergedTree {
    /// An entry, and all below it.
    final class Node {
        /// As its layer has it; the path is left out.
        fileprivate(set) var entry: LayerEntry
        /// The layer, counted from the base.
        fileprivate(set) var layer: Int
        fileprivate(set) var children: [[UInt8]: Node] = [:]

        fileprivate init(_ entry: LayerEntry, layer: Int) {
            self.entry = entry
            self.layer = layer
        }

        /// Names in the order of their bytes.
        var names: [[UInt8]] { children.keys.sorted { $0.lexicographicallyPrecedes($1) } }
    }

    /// DiffIDs, base first.
    let layers: [Digest]
    let root: Node

    private static let slash = UInt8(ascii: "/")

    /// Stacks layers, base first.
    init(_ layers: [Digest], _ driver: any SnapshotDriver, _ flag: CancelFlag) throws {
        self.layers = layers
        root = Node(
            LayerEntry(
                path: [], kind: .directory, mode: 0o755, uid: 0, gid: 0, size: 0, mtimeSeconds: 0, mtimeNanoseconds: 0,
                linkTarget: [], deviceMajor: 0, deviceMinor: 0, inode: 0, links: 1, attributes: [:], isOpaque: false),
            layer: 0)
        for (number, diffID) in layers.enumerated() {
            var count = 0
            try driver.entries(of: diffID) { entry in
                count += 1
                if count % 1024 == 0 { try flag.check() }
                add(entry, layer: number)
            }
        }
    }

    private func add(_ entry: LayerEntry, layer: Int) {
        var parts = entry.path.split(separator: Self.slash).map(Array.init)
        var bare = entry
        bare.path = []
        guard let name = parts.popLast() else { return Self.place(bare, layer, in: root) }
        var directory = root
        // A layer gives each directory before what is in it.
        for part in parts {
            guard let next = directory.children[part] else { return }
            directory = next
        }
        if entry.kind == .whiteout {
            directory.children[name] = nil
        } else if entry.kind == .directory, let present = directory.children[name], present.entry.kind == .directory {
            Self.place(bare, layer, in: present)
        } else {
            directory.children[name] = Node(bare, layer: layer)
        }
    }

    /// A directory over a directory.
    private static func place(_ entry: LayerEntry, _ layer: Int, in node: Node) {
        node.entry = entry
        node.layer = layer
        if entry.isOpaque { node.children = [:] }
    }

    /// Gives every entry but the root: each directory, then all below it, siblings by bytes.
    func forEach(_ body: (_ path: [UInt8], _ node: Node) throws -> Void) rethrows {
        try Self.forEach(root, [], body)
    }

    static func forEach(
        _ node: Node, _ path: [UInt8], _ body: (_ path: [UInt8], _ node: Node) throws -> Void
    ) rethrows {
        for name in node.names {
            guard let child = node.children[name] else { continue }
            let below = path + [slash] + name
            try body(below, child)
            try forEach(child, below, body)
        }
    }
}

extension FileEntry {
    /// An entry as people read it.
    ///
    /// - Parameters:
    ///   - path: absolute.
    ///   - first: the first name of the same file, where this is another.
    init(_ entry: LayerEntry, path: [UInt8], diffID: Digest, first: [UInt8]? = nil) {
        let kind: Kind =
            switch entry.kind {
            case .file: first == nil ? .file : .hardlink
            case .directory: .directory
            case .symbolicLink: .symlink
            case .characterDevice: .character
            case .blockDevice: .block
            case .fifo: .fifo
            case .socket: .socket
            case .whiteout: .whiteout
            }
        let target = first ?? (entry.kind == .symbolicLink ? entry.linkTarget : nil)
        self.init(
            path: String(decoding: path, as: UTF8.self), kind: kind, mode: entry.mode, uid: entry.uid, gid: entry.gid,
            size: entry.size, mtime: entry.mtimeSeconds,
            linkTarget: target.map { String(decoding: $0, as: UTF8.self) }, diffID: diffID)
    }
}

/// Tells further names of a file from its first.
struct HardLinks {
    private struct Identity: Hashable {
        var layer: Int
        var inode: UInt64
    }

    private var first: [Identity: [UInt8]] = [:]

    init() {}

    /// - Returns: the name that came first, where this is another of the same file.
    mutating func earlier(_ entry: LayerEntry, layer: Int, path: [UInt8]) -> [UInt8]? {
        guard entry.kind == .file, entry.links > 1 else { return nil }
        let identity = Identity(layer: layer, inode: entry.inode)
        if let earlier = first[identity] { return earlier }
        first[identity] = path
        return nil
    }
}
