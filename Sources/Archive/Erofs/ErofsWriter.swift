/// Makes a layer image from a layer's tar, in one pass: file data goes out as it comes, names stay in memory (about 110
/// bytes each), inodes, directories and the superblock follow at the end.
///
/// The image is an EROFS file system that the kernel mounts from the file: block size 4096, data of each file at the start
/// of a block in the archive's order, whiteouts and opaque directories as overlayfs knows them. The same archive gives the
/// same bytes, always. How the entries make a tree: `LayerTree`.
///
/// ```swift
/// var writer = ErofsWriter(output: file)
/// var parser = TarParser()
/// while let chunk = try nextChunk() { try parser.consume(chunk, into: &writer) }
/// try parser.finish()
/// let summary = try writer.finish()
/// ```
public struct ErofsWriter<Output: LayerOutput>: TarHandler {
    private var image = ErofsImage()
    /// Takes the image.
    public var output: Output

    /// Begins an image.
    public init(output: Output) { self.output = output }

    /// Takes an entry.
    ///
    /// - Throws: `LayerPathError` or `LayerError`.
    public mutating func begin(_ entry: TarEntry) throws { try image.begin(entry) }

    /// Takes the next bytes of the file that began; of other entries they are left out.
    public mutating func data(_ bytes: UnsafeRawBufferPointer) throws { try unsafe image.data(bytes, to: &output) }

    /// Ends the file that began.
    public mutating func end() throws { try image.end(to: &output) }

    /// Writes inodes and directories, and at last the first block.
    ///
    /// - Returns: what the image holds.
    public mutating func finish() throws -> ErofsSummary { try image.finish(to: &output) }
}

extension ErofsWriter: Sendable where Output: Sendable {}

/// What a layer image holds.
public struct ErofsSummary: Sendable, Equatable {
    /// Bytes of the image.
    public var imageSize: UInt64
    /// Names below the root, whiteouts and implied directories included.
    public var entryCount: Int
    /// Bytes of the regular files, each counted once however many names it has.
    public var fileBytes: Int64
    /// The layer hides all layers below it. overlayfs does not look at the attribute on a root: whoever stacks layers
    /// leaves the ones below away.
    public var isRootOpaque: Bool

    /// Makes a summary.
    public init(imageSize: UInt64, entryCount: Int, fileBytes: Int64, isRootOpaque: Bool) {
        self.imageSize = imageSize
        self.entryCount = entryCount
        self.fileBytes = fileBytes
        self.isRootOpaque = isRootOpaque
    }
}

/// The writer without its output, so that all but the calls of the output is compiled for what it is.
private struct ErofsImage {
    private static let maximumSize = UInt64(UInt32.max) * UInt64(ErofsFormat.blockSize)

    private var tree = LayerTree()
    private var stream = BlockStream(at: UInt64(ErofsFormat.blockSize))
    /// Bytes that are still to come of an ordinary file.
    private var remaining: UInt64?
    /// A sparse file's inode, and where its next byte goes.
    private var sparse: (inode: LayerTree.InodeIndex, cursor: SparseCursor)?
    /// As the archive spells the current entry's.
    private var path: [UInt8] = []

    mutating func begin(_ entry: TarEntry) throws {
        path = entry.path
        guard let index = try tree.insert(entry) else { return }
        let size = UInt64(entry.size)
        guard size <= ErofsImage.maximumSize, stream.position + size <= ErofsImage.maximumSize else {
            throw LayerError.tooLarge(path: describePath)
        }
        if let extents = entry.sparse, entry.storedSize != entry.size {
            sparse = (index, try SparseCursor(entry, extents))
            return
        }
        remaining = size
        if size > 0 {
            tree.inodes[Int(index)].content = UInt32(stream.position / UInt64(ErofsFormat.blockSize))
        }
    }

    mutating func data(_ bytes: UnsafeRawBufferPointer, to output: inout some LayerOutput) throws {
        if let rest = remaining {
            guard bytes.count <= rest else { throw LayerError.dataLengthMismatch(path: describePath) }
            remaining = rest - UInt64(bytes.count)
            try unsafe stream.append(bytes, to: &output)
        } else if sparse != nil {
            try unsafe sparse?.cursor.append(bytes, to: &stream, &output)
        }
    }

    mutating func end(to output: inout some LayerOutput) throws {
        if let rest = remaining {
            guard rest == 0 else { throw LayerError.dataLengthMismatch(path: describePath) }
            try stream.pad(to: &output)
        } else if let inode = sparse?.inode, var cursor = sparse?.cursor {
            guard cursor.isComplete else { throw LayerError.dataLengthMismatch(path: describePath) }
            try cursor.close(&stream, &output)
            tree.inodes[Int(inode)].content = UInt32(tree.chunkMaps.count)
            tree.inodes[Int(inode)].layout = .chunked
            tree.chunkMaps.append(cursor.map)
        }
        remaining = nil
        sparse = nil
    }

    mutating func finish(to output: inout some LayerOutput) throws -> ErofsSummary {
        guard remaining == nil, sparse == nil else { throw LayerError.dataLengthMismatch(path: describePath) }
        tree.endOfEntries()
        let start = stream.position
        let layout = try ErofsLayout(&tree, at: start / UInt64(ErofsFormat.blockSize))
        var metadata = ErofsMetadata(tree, layout, at: start)
        try metadata.write(to: &stream, &output)
        try stream.finish(to: &output)
        let size = stream.position
        try unsafe metadata.superblock(imageSize: size).withUnsafeBytes { try unsafe output.write($0, at: 0) }
        return ErofsSummary(
            imageSize: size, entryCount: layout.entryCount, fileBytes: layout.fileBytes,
            isRootOpaque: tree.nodes[0].flags.contains(.opaque))
    }

    private var describePath: String { String(decoding: path, as: UTF8.self) }
}
