import Archive
import Glibc
import Linux

/// Makes a layer's tar a tree on disk.
///
/// File data goes to numbered files while it comes; `LayerTree` decides what the entries make, as it does for an image; at
/// the end the tree is built from it, name by name in open directories, and the data moves to its place. So no path of the
/// archive is ever resolved by the kernel, and both drivers hold the same by construction.
struct TreeUnpacker: TarHandler, Sendable {
    /// Files of one directory, so that none becomes slow.
    private static let filesInBucket: LayerTree.InodeIndex = 4096

    private struct Current: Sendable {
        var cursor: RunCursor
        /// nil for an empty file.
        var output: LayerFileOutput?
        var file: SharedDescriptor?
        var path: [UInt8]
    }

    /// Where the data waits.
    private let parts: String
    private var tree = LayerTree()
    private var bucket: (number: LayerTree.InodeIndex, directory: SharedDescriptor)?
    private var current: Current?

    /// - Parameter parts: a directory that is made, and removed by `finish`.
    init(parts: String) throws {
        self.parts = parts
        try makeDirectory(parts, permissions: 0o700)
    }

    mutating func begin(_ entry: TarEntry) throws {
        guard let inode = try tree.insert(entry) else { return }
        let cursor = try RunCursor(entry)
        var current = Current(cursor: cursor, path: entry.path)
        if cursor.size > 0 {
            let path = Self.describe(entry.path)
            let file = SharedDescriptor(
                try open(
                    entry: Self.name(of: inode), in: try openBucket(of: inode).descriptor, .createNew,
                    permissions: 0o600))
            if entry.sparse != nil { try setLength(cursor.size, of: file.descriptor, path) }
            current.file = file
            current.output = LayerFileOutput(file, path)
        }
        self.current = current
    }

    mutating func data(_ bytes: UnsafeRawBufferPointer) throws {
        if current == nil { return }
        var rest = unsafe bytes
        while unsafe !rest.isEmpty {
            guard let (offset, count) = try current?.cursor.take(rest.count) else { return }
            try unsafe current?.output?.write(UnsafeRawBufferPointer(rebasing: rest[..<count]), at: UInt64(offset))
            unsafe rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }

    mutating func end() throws {
        guard let current else { return }
        self.current = nil
        guard current.cursor.isComplete else {
            throw LayerError.dataLengthMismatch(path: Self.describe(current.path))
        }
    }

    private mutating func openBucket(of inode: LayerTree.InodeIndex) throws -> SharedDescriptor {
        let number = inode / Self.filesInBucket
        if let bucket, bucket.number == number { return bucket.directory }
        let path = "\(parts)/\(number)"
        try makeDirectory(path, permissions: 0o700)
        let directory = SharedDescriptor(try open(path, .directory))
        bucket = (number, directory)
        return directory
    }

    private static func name(of inode: LayerTree.InodeIndex) -> [UInt8] { Array(String(inode).utf8) }
    private static func describe(_ path: [UInt8]) -> String { String(decoding: path, as: UTF8.self) }

    // MARK: The tree

    /// Builds the tree in a new directory, whole and durable.
    mutating func finish(into path: String) throws -> LayerContents {
        if let current { throw LayerError.dataLengthMismatch(path: Self.describe(current.path)) }
        let listing = LayerListing(tree)
        tree = LayerTree()
        bucket = nil
        try makeDirectory(path, permissions: 0o700)
        var builder = TreeBuilder(root: SharedDescriptor(try open(path, .directory)), parts: parts)
        try listing.forEachDirectory { try builder.fill($0, with: $1) }
        // Last, since each new name changes its directory's time.
        try listing.forEachDirectoryUpwards { try builder.finishDirectory($0, $1) }
        try removeTree(parts)
        try syncFileSystem(builder.root.descriptor, path)
        return LayerContents(listing, leftOut: builder.leftOut)
    }

    /// The file that holds an inode's data.
    fileprivate static func part(_ inode: LayerTree.InodeIndex) -> (bucket: LayerTree.InodeIndex, name: [UInt8]) {
        (inode / filesInBucket, name(of: inode))
    }
}

extension LayerContents {
    init(_ listing: LayerListing, leftOut: Set<String>) {
        self.init(size: listing.fileBytes, files: listing.entryCount, isRootOpaque: listing.isRootOpaque)
        self.leftOut = leftOut.isEmpty ? nil : leftOut.sorted()
    }
}

/// Makes directories full of what a layer has in them.
private struct TreeBuilder {
    let root: SharedDescriptor
    let parts: String
    /// What the file system or this process's privileges did not take.
    private(set) var leftOut: Set<String> = []
    /// Of files with several names: the first one's directory and name.
    private var first: [LayerTree.InodeIndex: (directory: [UInt8], name: [UInt8])] = [:]
    private var bucket: (number: LayerTree.InodeIndex, directory: SharedDescriptor)?
    private let markPrefix = OverlayMark.prefix()
    private let isPrivileged = isInitialUserNamespace()

    init(root: SharedDescriptor, parts: String) {
        self.root = root
        self.parts = parts
    }

    mutating func fill(_ path: [UInt8], with items: [LayerListing.Item]) throws {
        let directory = SharedDescriptor(try open(path: path, beneath: root.descriptor, .directory))
        for item in items { try make(item, in: directory.descriptor, path) }
    }

    private mutating func make(
        _ item: LayerListing.Item, in directory: borrowing OwnedDescriptor, _ path: [UInt8]
    ) throws {
        if item.links > 1, let first = first[item.inode] {
            let old = try open(path: first.directory, beneath: root.descriptor, .directory)
            return try makeLink(entry: item.name, in: directory, to: first.name, in: old)
        }
        switch item.kind {
        case .directory:
            // Its owner, mode and time come when it is full.
            return try makeDirectory(entry: item.name, in: directory, permissions: 0o700)
        case .whiteout:
            return try makeNode(
                entry: item.name, in: directory, kind: .characterDevice, mode: 0, major: 0, minor: 0)
        case .file where item.size == 0:
            _ = try open(entry: item.name, in: directory, .createNew, permissions: 0o600)
        case .file: try moveData(of: item, into: directory)
        case .symbolicLink: try makeSymbolicLink(entry: item.name, in: directory, to: item.linkTarget)
        case .characterDevice, .blockDevice, .fifo, .socket:
            guard try makeSpecial(item, in: directory) else { return }
        }
        try apply(item, to: item.name, in: directory)
        if item.links > 1 { first[item.inode] = (path, item.name) }
    }

    private mutating func moveData(of item: LayerListing.Item, into directory: borrowing OwnedDescriptor) throws {
        let part = TreeUnpacker.part(item.inode)
        let source: SharedDescriptor
        if let bucket, bucket.number == part.bucket {
            source = bucket.directory
        } else {
            source = SharedDescriptor(try open("\(parts)/\(part.bucket)", .directory))
            bucket = (part.bucket, source)
        }
        try moveEntry(part.name, in: source.descriptor, to: item.name, in: directory)
    }

    /// - Returns: false where this process may not make devices, as in a user namespace: like docker, go without.
    private mutating func makeSpecial(
        _ item: LayerListing.Item, in directory: borrowing OwnedDescriptor
    ) throws -> Bool {
        let kind: FileStatus.Kind =
            switch item.kind {
            case .characterDevice: .characterDevice
            case .blockDevice: .blockDevice
            case .socket: .socket
            default: .fifo
            }
        do {
            try makeNode(
                entry: item.name, in: directory, kind: kind, mode: 0o600, major: item.deviceMajor,
                minor: item.deviceMinor)
            return true
        } catch {
            guard error.kind == .permission, kind != .fifo, kind != .socket else { throw error }
            leftOut.insert(LeftOut.device)
            return false
        }
    }

    mutating func finishDirectory(_ path: [UInt8], _ item: LayerListing.Item) throws {
        let directory = try open(path: path, beneath: root.descriptor, .directory)
        let itself = [UInt8(ascii: ".")]
        if item.isOpaque { try setAttribute(markPrefix + "opaque", OverlayMark.yes, entry: itself, in: directory) }
        // Without it overlayfs lists the whiteouts of a directory that it does not merge.
        if item.holdsWhiteout { try setAttribute(markPrefix + "origin", [], entry: itself, in: directory) }
        try apply(item, to: itself, in: directory)
    }

    /// Gives an entry its metadata: the owner first, since a change of owner takes setuid and capabilities away.
    private mutating func apply(
        _ item: LayerListing.Item, to name: [UInt8], in directory: borrowing OwnedDescriptor
    ) throws {
        do { try setOwner(item.uid, item.gid, entry: name, in: directory) } catch {
            guard error.errno == EINVAL, !isPrivileged else { throw error }
            throw SnapshotError.unsupported(
                "`\(String(decoding: item.name, as: UTF8.self))` belongs to user \(item.uid) and group \(item.gid), which "
                    + "this user namespace does not have: give the user more IDs in /etc/subuid and /etc/subgid")
        }
        // The number that says `leave it` to the kernel.
        if item.uid == .max || item.gid == .max { leftOut.insert(LeftOut.owner) }
        if item.kind != .symbolicLink { try setMode(item.mode, entry: name, in: directory) }
        for attribute in item.attributes {
            do { try setAttribute(attribute.name, attribute.value, entry: name, in: directory) } catch {
                // A file system without attributes, or ones that only another may set: like docker, go without.
                guard error.kind == .notSupported || error.kind == .permission else { throw error }
                leftOut.insert(attribute.name)
            }
        }
        try setTime(item.mtimeSeconds, item.mtimeNanoseconds, entry: name, in: directory)
        // File systems differ in how far their clocks reach.
        if item.mtimeSeconds < 0 || item.mtimeSeconds > Int64(Int32.max),
            try FileStatus(entry: name, in: directory).mtimeSeconds != item.mtimeSeconds
        {
            leftOut.insert(LeftOut.time)
        }
    }
}

/// Words for what is no attribute in `LayerContents.leftOut`; names of attributes hold a dot.
enum LeftOut {
    static let device = "device"
    static let owner = "owner"
    static let time = "mtime"
}
