extension ErofsReader {
    private static let pieceSize: UInt64 = 256 << 10

    /// Gives a file's content from front to back, in pieces of at most 256 KiB.
    ///
    /// - Parameters:
    ///   - nid: the file's, from its entry.
    ///   - data: takes the next bytes, valid in the call only.
    ///   - hole: takes the number of zeros that the image does not store and that come next, up to the next data.
    public func content(
        of nid: UInt64, data: (UnsafeRawBufferPointer) throws -> Void, hole: (UInt64) throws -> Void
    ) throws {
        let inode = try inode(nid)
        guard inode.kind == ErofsFormat.regular else { throw ErofsError.damaged("no file", at: inode.place) }
        var buffer: [UInt8] = []
        var offset: UInt64 = 0
        var stored: UInt64 = 0
        while offset < inode.size {
            let run = try run(of: inode, at: offset)
            guard let start = run.start else {
                let count = try holeSize(of: inode, at: offset)
                try hole(count)
                offset += count
                continue
            }
            // A file stores no more than the image has: chunks that share bytes would make a small image endless.
            let count = min(run.count, ErofsReader.pieceSize)
            stored += count
            guard stored <= size else { throw ErofsError.damaged("its chunks overlap", at: inode.place) }
            if buffer.count < count { buffer = [UInt8](repeating: 0, count: Int(count)) }
            try unsafe buffer.withUnsafeMutableBytes { all in
                let piece = unsafe UnsafeMutableRawBufferPointer(rebasing: all[..<Int(count)])
                try unsafe input.read(at: start, into: piece)
                try unsafe data(UnsafeRawBufferPointer(piece))
            }
            offset += count
        }
    }

    /// How far a hole goes: over as many chunks as have no data.
    private func holeSize(of inode: ErofsInode, at start: UInt64) throws -> UInt64 {
        var end = start
        while end < inode.size {
            let run = try run(of: inode, at: end)
            if run.start != nil { break }
            end += run.count
        }
        return end - start
    }

    /// A symbolic link's target.
    func linkTarget(of inode: ErofsInode) throws -> [UInt8] {
        var target: [UInt8] = []
        while UInt64(target.count) < inode.size {
            let run = try run(of: inode, at: UInt64(target.count))
            guard let start = run.start else { throw ErofsError.damaged("a hole", at: inode.place) }
            try unsafe windows.withBytes(at: start, count: Int(run.count), inode.place) {
                unsafe target.append(contentsOf: $0)
            }
        }
        guard !target.contains(0) else { throw ErofsError.damaged("its target", at: inode.place) }
        return target
    }

    /// How the data at an offset below the size lies in the image: where it begins (nil in a hole) and how far it goes.
    func run(of inode: ErofsInode, at offset: UInt64) throws -> (start: UInt64?, count: UInt64) {
        let rest = inode.size - offset
        let start = UInt64(inode.content) << UInt64(blockBits)
        switch inode.layout {
        case .plain: return (start + offset, rest)
        case .inline:
            let full = inode.size & ~UInt64(blockSize - 1)
            return offset < full ? (start + offset, full - offset) : (inode.end + offset - full, rest)
        case .chunked:
            let bits = inode.chunkBits(blockBits: blockBits)
            let inside = offset & ((1 << bits) - 1)
            let count = min(rest, (1 << bits) - inside)
            guard let block = try chunk(offset >> bits, of: inode) else { return (nil, count) }
            let start = UInt64(block) << UInt64(blockBits) + inside
            guard start <= size, count <= size - start else {
                throw ErofsError.damaged("a chunk leaves the image", at: inode.place)
            }
            return (start, count)
        }
    }

    /// The first block of a chunk; nil for a hole.
    private func chunk(_ number: UInt64, of inode: ErofsInode) throws -> UInt32? {
        let entrySize = inode.chunkEntrySize
        let index = (inode.end + entrySize - 1) & ~(entrySize - 1)
        let block: UInt32 = try unsafe windows.withBytes(
            at: index + number * entrySize, count: Int(entrySize), inode.place
        ) { bytes in
            if entrySize == 4 { return unsafe bytes.little(0) }
            guard unsafe bytes.little(0, as: UInt32.self) == 0 || bytes.little(4, as: UInt32.self) == ErofsFormat.hole
            else { throw ErofsError(.unsupported("a chunk on another device"), at: inode.place) }
            return unsafe bytes.little(4)
        }
        return block == ErofsFormat.hole ? nil : block
    }
}
