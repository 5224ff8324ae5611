import Linux
import OCI

/// Walks a layer's tree on disk: each directory, then all below it, siblings by bytes. It follows no symbolic link, crosses
/// no mount and holds one descriptor besides the root's however deep the tree is.
struct TreeWalk {
    /// Where an entry is, and how it looks.
    struct Place {
        /// Below the root; empty for the root itself.
        var path: [UInt8]
        /// In its directory; `.` for the root.
        var name: [UInt8]
        var status: FileStatus

        /// What overlayfs takes for a whiteout.
        var isWhiteout: Bool { status.kind == .characterDevice && status.nodeMajor == 0 && status.nodeMinor == 0 }
    }

    private struct Level {
        var path: [UInt8]
        /// What is still to be given, the next one last.
        var names: [[UInt8]]
    }

    private let root: SharedDescriptor

    init(_ path: String) throws { root = SharedDescriptor(try open(path, .directory)) }

    func forEach(_ body: (Place, _ directory: borrowing OwnedDescriptor) throws -> Void) throws {
        try body(Place(path: [], name: [UInt8(ascii: ".")], status: FileStatus(of: root.descriptor)), root.descriptor)
        var levels = [Level(path: [], names: try Self.descendingNames(root.descriptor))]
        var directory: SharedDescriptor? = root
        while var level = levels.popLast() {
            guard let name = level.names.popLast() else {
                directory = nil
                continue
            }
            levels.append(level)
            let here = try directory ?? SharedDescriptor(open(path: level.path, beneath: root.descriptor, .directory))
            directory = here
            let path = level.path.isEmpty ? name : level.path + [UInt8(ascii: "/")] + name
            let place = Place(path: path, name: name, status: try FileStatus(entry: name, in: here.descriptor))
            try body(place, here.descriptor)
            guard place.status.kind == .directory else { continue }
            let inner = SharedDescriptor(try open(entry: name, in: here.descriptor, .directory))
            levels.append(Level(path: path, names: try Self.descendingNames(inner.descriptor)))
            directory = inner
        }
    }

    private static func descendingNames(_ directory: borrowing OwnedDescriptor) throws -> [[UInt8]] {
        try namesBytes(in: directory).sorted { $1.lexicographicallyPrecedes($0) }
    }
}

extension TreeWalk {
    /// What changes when anything in the tree is written to, renamed, or given other metadata: `ctime` sees to that, which no
    /// program can set. Reads no file.
    func seal() throws -> String {
        var hasher = DigestHasher(.sha256)
        try forEach { place, _ in
            hasher.update(place.path)
            hasher.update(Array("\0\(FileSeal(place.status).description)\0".utf8))
        }
        return hasher.finalize().description
    }

    /// Bytes that the tree takes on disk, hard links counted once.
    func allocatedBytes() throws -> Int64 {
        var seen: Set<UInt64> = []
        var total: Int64 = 0
        try forEach { place, _ in
            let isFirst =
                place.status.kind == .directory || place.status.links == 1 || seen.insert(place.status.inode).inserted
            if isFirst { total += place.status.allocated }
        }
        return total
    }

    /// Gives the tree's entries.
    func entries(_ body: (LayerEntry) throws -> Void) throws {
        try forEach { place, directory in try body(LayerEntry(place, in: directory)) }
    }
}

extension LayerEntry {
    fileprivate init(_ place: TreeWalk.Place, in directory: borrowing OwnedDescriptor) throws {
        let status = place.status
        guard !place.isWhiteout else {
            // Of a whiteout its name is all that counts.
            self.init(
                path: place.path, kind: .whiteout, mode: 0, uid: 0, gid: 0, size: 0, mtimeSeconds: 0,
                mtimeNanoseconds: 0, linkTarget: [], deviceMajor: 0, deviceMinor: 0, inode: 0, links: 1,
                attributes: [:],
                isOpaque: false)
            return
        }
        let kind: Kind =
            switch status.kind {
            case .regular: .file
            case .directory: .directory
            case .symbolicLink: .symbolicLink
            case .characterDevice: .characterDevice
            case .blockDevice: .blockDevice
            case .fifo: .fifo
            case .socket: .socket
            }
        let all = try Linux.attributes(entry: place.name, in: directory)
        self.init(
            path: place.path, kind: kind, mode: status.mode, uid: status.uid, gid: status.gid,
            size: kind == .file ? status.size : 0, mtimeSeconds: status.mtimeSeconds,
            mtimeNanoseconds: status.mtimeNanoseconds,
            linkTarget: kind == .symbolicLink ? try readLink(entry: place.name, in: directory) : [],
            deviceMajor: status.nodeMajor, deviceMinor: status.nodeMinor, inode: status.inode,
            links: kind == .directory ? 1 : status.links,
            attributes: all.filter { !OverlayMark.isReserved($0.key) }, isOpaque: OverlayMark.isOpaque(all))
    }
}

/// The attributes by which overlayfs finds opaque directories, and whiteouts in directories that it does not merge. Mounts
/// made inside a user namespace go by the `user.` ones.
enum OverlayMark {
    static let privileged = "trusted.overlay."
    static let unprivileged = "user.overlay."
    static let yes = [UInt8(ascii: "y")]

    /// For trees that this process makes.
    static func prefix() -> String { isInitialUserNamespace() ? privileged : unprivileged }

    static func isReserved(_ name: String) -> Bool { name.hasPrefix(privileged) || name.hasPrefix(unprivileged) }

    static func isOpaque(_ attributes: [String: [UInt8]]) -> Bool {
        attributes[privileged + "opaque"] == yes || attributes[unprivileged + "opaque"] == yes
    }
}
