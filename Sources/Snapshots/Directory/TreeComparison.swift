import Archive
import Glibc
import Linux
import OCI

/// Compares a layer's tar with the tree that should hold it: takes the tar as `TreeUnpacker` does, keeps a fingerprint of
/// each file in place of its data, and then looks at everything in the tree, and at nothing being there besides.
struct TreeComparison: TarHandler, Sendable {
    /// Half of a SHA-256: enough against any damage, and against whoever cannot write to the store anyway.
    struct Fingerprint: Hashable, Sendable {
        private let high: UInt64
        private let low: UInt64

        init(_ hasher: DigestHasher) {
            let hex = hasher.finalize().hex
            high = UInt64(hex.prefix(16), radix: 16) ?? 0
            low = UInt64(hex.dropFirst(16).prefix(16), radix: 16) ?? 0
        }
    }

    private struct Current: Sendable {
        var inode: LayerTree.InodeIndex
        var cursor: RunCursor
        var hasher = DigestHasher(.sha256)
        var isSparse: Bool
        var path: [UInt8]
    }

    private var tree = LayerTree()
    private var current: Current?
    private var fingerprints: [LayerTree.InodeIndex: Fingerprint] = [:]
    private var runs: [LayerTree.InodeIndex: [TarEntry.Extent]] = [:]

    mutating func begin(_ entry: TarEntry) throws {
        guard let inode = try tree.insert(entry) else { return }
        current = Current(
            inode: inode, cursor: try RunCursor(entry), isSparse: entry.sparse != nil, path: entry.path)
    }

    mutating func data(_ bytes: UnsafeRawBufferPointer) throws {
        if current == nil { return }
        var left = bytes.count
        while left > 0, let taken = try current?.cursor.take(left) { left -= taken.count }
        unsafe current?.hasher.update(bytes)
    }

    mutating func end() throws {
        guard let current else { return }
        self.current = nil
        guard current.cursor.isComplete else {
            throw LayerError.dataLengthMismatch(path: String(decoding: current.path, as: UTF8.self))
        }
        if current.cursor.size == 0 { return }
        fingerprints[current.inode] = Fingerprint(current.hasher)
        if current.isSparse { runs[current.inode] = current.cursor.runs }
    }

    /// Compares.
    ///
    /// - Parameter leftOut: what could not be made when the tree was.
    /// - Throws: `SnapshotError.damaged` at the first difference.
    mutating func finish(with path: String, of diffID: Digest, leftOut: Set<String>) throws -> LayerContents {
        if let current {
            throw LayerError.dataLengthMismatch(path: String(decoding: current.path, as: UTF8.self))
        }
        let listing = LayerListing(tree)
        tree = LayerTree()
        let root = SharedDescriptor(try open(path, .directory))
        var comparer = Comparer(
            diffID: diffID, leftOut: leftOut, fingerprints: fingerprints, runs: runs, root: root)
        try comparer.compare(listing.root, [UInt8(ascii: ".")], in: root.descriptor, [])
        try listing.forEachDirectory { try comparer.compare($0, with: $1) }
        return LayerContents(listing, leftOut: leftOut)
    }
}

private struct Comparer {
    let diffID: Digest
    let leftOut: Set<String>
    let fingerprints: [LayerTree.InodeIndex: TreeComparison.Fingerprint]
    let runs: [LayerTree.InodeIndex: [TarEntry.Extent]]
    let root: SharedDescriptor
    /// What has several names on disk, by the tar's inode and the other way round.
    private var numbers: [LayerTree.InodeIndex: UInt64] = [:]
    private let markPrefix = OverlayMark.prefix()
    private let buffer = PieceBuffer()

    init(
        diffID: Digest, leftOut: Set<String>, fingerprints: [LayerTree.InodeIndex: TreeComparison.Fingerprint],
        runs: [LayerTree.InodeIndex: [TarEntry.Extent]], root: SharedDescriptor
    ) {
        self.diffID = diffID
        self.leftOut = leftOut
        self.fingerprints = fingerprints
        self.runs = runs
        self.root = root
    }

    private func damage(_ path: [UInt8], _ what: String) -> SnapshotError {
        .damaged(diffID, "`/\(String(decoding: path, as: UTF8.self))` \(what)")
    }

    /// A directory's names, and what they stand for.
    mutating func compare(_ path: [UInt8], with items: [LayerListing.Item]) throws {
        let directory = SharedDescriptor(try open(path: path, beneath: root.descriptor, .directory))
        var extra = Set(try namesBytes(in: directory.descriptor))
        for item in items {
            let full = path.isEmpty ? item.name : path + [UInt8(ascii: "/")] + item.name
            let isDevice = item.kind == .characterDevice || item.kind == .blockDevice
            guard extra.remove(item.name) != nil else {
                if isDevice, leftOut.contains(LeftOut.device) { continue }
                throw damage(full, "is missing")
            }
            try compare(item, item.name, in: directory.descriptor, full)
        }
        if let name = extra.min(by: { $0.lexicographicallyPrecedes($1) }) {
            throw damage(path.isEmpty ? name : path + [UInt8(ascii: "/")] + name, "is not in its tar")
        }
    }

    /// An entry; not what is in a directory.
    mutating func compare(
        _ item: LayerListing.Item, _ name: [UInt8], in directory: borrowing OwnedDescriptor, _ path: [UInt8]
    ) throws {
        let status = try FileStatus(entry: name, in: directory)
        func expect<Value: Equatable>(_ found: Value, _ wanted: Value, _ what: String) throws {
            if found != wanted { throw damage(path, "has \(what) \(found) where its tar gives \(wanted)") }
        }
        try expect(status.kind, item.kind.onDisk, "the kind")
        try expect(status.nodeMajor, item.deviceMajor, "the device number")
        try expect(status.nodeMinor, item.deviceMinor, "the device number")
        if item.kind == .whiteout { return }
        if item.kind != .symbolicLink {
            try expect(String(status.mode, radix: 8), String(item.mode, radix: 8), "the mode")
        }
        if !leftOut.contains(LeftOut.owner) {
            try expect(status.uid, item.uid, "the owner")
            try expect(status.gid, item.gid, "the group")
        }
        if !leftOut.contains(LeftOut.time) || (0...Int64(Int32.max)).contains(item.mtimeSeconds) {
            try expect(status.mtimeSeconds, item.mtimeSeconds, "the time")
            try expect(status.mtimeNanoseconds, item.mtimeNanoseconds, "the nanoseconds")
        }
        if item.kind == .symbolicLink, try readLink(entry: name, in: directory) != item.linkTarget {
            throw damage(path, "leads elsewhere than its tar says")
        }
        try compareAttributes(item, try attributes(entry: name, in: directory), path)
        guard item.kind != .directory else { return }
        try expect(status.links, item.links, "the number of names")
        if item.links > 1 {
            if let number = numbers[item.inode] {
                if number != status.inode { throw damage(path, "is another file than its other names") }
                return
            }
            numbers[item.inode] = status.inode
        }
        if item.kind == .file {
            try expect(status.size, item.size, "the size")
            if item.size > 0 { try compareData(item, name, in: directory, path) }
        }
    }

    private func compareAttributes(_ item: LayerListing.Item, _ found: [String: [UInt8]], _ path: [UInt8]) throws {
        var wanted = Dictionary(item.attributes.map { ($0.name, $0.value) }) { _, last in last }
        if item.isOpaque { wanted[markPrefix + "opaque"] = OverlayMark.yes }
        if item.holdsWhiteout { wanted[markPrefix + "origin"] = [] }
        for (name, value) in wanted where found[name] != value {
            if found[name] == nil, leftOut.contains(name) { continue }
            throw damage(path, "has not the attribute `\(name)` that its tar gives")
        }
        // The kernel itself labels files for its security modules.
        if let name = found.keys.sorted().first(where: {
            wanted[$0] == nil && (!$0.hasPrefix("security.") || $0 == "security.capability")
        }) {
            throw damage(path, "has the attribute `\(name)`, which is not in its tar")
        }
    }

    private func compareData(
        _ item: LayerListing.Item, _ name: [UInt8], in directory: borrowing OwnedDescriptor, _ path: [UInt8]
    ) throws {
        let file = SharedDescriptor(try open(entry: name, in: directory, .read))
        let runs = runs[item.inode] ?? [TarEntry.Extent(offset: 0, length: item.size)]
        var hasher = DigestHasher(.sha256)
        var end: Int64 = 0
        for run in runs {
            try expectZeros(in: file, end..<run.offset, path)
            end = run.offset + run.length
            try unsafe buffer.read(file, run.offset..<end) { unsafe hasher.update($0) }
        }
        try expectZeros(in: file, end..<item.size, path)
        if TreeComparison.Fingerprint(hasher) != fingerprints[item.inode] {
            throw damage(path, "holds other bytes than its tar")
        }
    }

    /// Holes are not read.
    private func expectZeros(in file: SharedDescriptor, _ range: Range<Int64>, _ path: [UInt8]) throws {
        var position = range.lowerBound
        while position < range.upperBound, let data = try nextData(in: file.descriptor, from: position, "file"),
            data.lowerBound < range.upperBound
        {
            position = min(data.upperBound, range.upperBound)
            try unsafe buffer.read(file, max(data.lowerBound, range.lowerBound)..<position) { bytes in
                if unsafe bytes.contains(where: { $0 != 0 }) {
                    throw damage(path, "holds bytes where its tar has none")
                }
            }
        }
    }
}

/// A buffer for reading files in pieces.
@safe private final class PieceBuffer {
    private let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4096)

    deinit { unsafe bytes.deallocate() }

    func read(_ file: SharedDescriptor, _ range: Range<Int64>, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        var position = range.lowerBound
        while position < range.upperBound {
            let wanted = unsafe Int(min(range.upperBound - position, Int64(bytes.count)))
            let piece = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[..<wanted])
            let count = try unsafe preadFull(from: file.descriptor.raw, at: position, into: piece, "file")
            if count == 0 { return }
            try unsafe body(UnsafeRawBufferPointer(rebasing: piece[..<count]))
            position += Int64(count)
        }
    }
}

extension ErofsEntry.Kind {
    fileprivate var onDisk: FileStatus.Kind {
        switch self {
        case .file: .regular
        case .directory: .directory
        case .symbolicLink: .symbolicLink
        case .characterDevice, .whiteout: .characterDevice
        case .blockDevice: .blockDevice
        case .fifo: .fifo
        case .socket: .socket
        }
    }
}
