/// The entries of one directory, `.` and `..` left out, sorted by bytes.
struct ErofsDirectory {
    struct Child {
        let nid: UInt64
        let type: UInt8
        fileprivate let start: Int
        fileprivate let end: Int
    }

    let nid: UInt64
    private(set) var children: [Child] = []
    fileprivate(set) var ownNid: UInt64?
    fileprivate(set) var parentNid: UInt64?
    private var names: [UInt8] = []
    private var lastName = 0..<0

    fileprivate init(nid: UInt64) { self.nid = nid }

    func name(of child: Child) -> ArraySlice<UInt8> { names[child.start..<child.end] }

    var place: String { "directory \(nid)" }

    /// Takes a block of entries.
    fileprivate mutating func append(_ block: UnsafeRawBufferPointer) throws {
        guard block.count >= ErofsFormat.direntSize else { throw ErofsError.damaged("a block is cut off", at: place) }
        let first = unsafe Int(block.little(8, as: UInt16.self))
        guard first >= ErofsFormat.direntSize, first % ErofsFormat.direntSize == 0, first < block.count else {
            throw ErofsError.damaged("the number of entries of a block", at: place)
        }
        var start = first
        for position in stride(from: 0, to: first, by: ErofsFormat.direntSize) {
            let isLast = position + ErofsFormat.direntSize == first
            let end =
                isLast
                ? unsafe start + (block[start...].firstIndex(of: 0) ?? block.count) - start
                : unsafe Int(block.little(position + ErofsFormat.direntSize + 8, as: UInt16.self))
            guard end > start, end <= block.count, end - start <= ErofsFormat.maximumNameLength else {
                throw ErofsError.damaged("the place of a name", at: place)
            }
            let name = unsafe UnsafeRawBufferPointer(rebasing: block[start..<end])
            let nid = unsafe block.little(position, as: UInt64.self)
            try unsafe append(name, nid: nid, type: block[position + 10])
            start = end
        }
    }

    private mutating func append(_ name: UnsafeRawBufferPointer, nid: UInt64, type: UInt8) throws {
        guard unsafe !name.contains(0), unsafe !name.contains(UInt8(ascii: "/")) else {
            throw ErofsError.damaged("a name", at: place)
        }
        guard unsafe names[lastName].lexicographicallyPrecedes(name) else {
            throw ErofsError.damaged("its names are not sorted", at: place)
        }
        let start = names.count
        unsafe names.append(contentsOf: name)
        lastName = start..<names.count
        let dot = UInt8(ascii: ".")
        if unsafe name.elementsEqual([dot]) {
            ownNid = nid
        } else if unsafe name.elementsEqual([dot, dot]) {
            parentNid = nid
        } else {
            children.append(Child(nid: nid, type: type, start: start, end: names.count))
        }
    }
}

extension ErofsReader {
    /// Reads a whole directory.
    ///
    /// - Parameters:
    ///   - inode: a directory's.
    ///   - parent: the directory it was found in; the root for itself.
    func directory(_ inode: ErofsInode, parent: UInt64) throws -> ErofsDirectory {
        var directory = ErofsDirectory(nid: inode.nid)
        var offset: UInt64 = 0
        while offset < inode.size {
            let run = try run(of: inode, at: offset)
            let count = min(run.count, UInt64(blockSize))
            guard let start = run.start else { throw ErofsError.damaged("a hole", at: directory.place) }
            try unsafe windows.withBytes(at: start, count: Int(count), directory.place) {
                try unsafe directory.append($0)
            }
            offset += count
        }
        guard directory.ownNid == inode.nid, directory.parentNid == parent else {
            throw ErofsError.damaged("its entries `.` and `..`", at: directory.place)
        }
        return directory
    }

    /// The inode of a directory's entry.
    func inode(of child: ErofsDirectory.Child, in directory: ErofsDirectory) throws -> ErofsInode {
        let inode = try inode(child.nid)
        guard ErofsFormat.fileType(ofMode: inode.mode) == child.type else {
            throw ErofsError.damaged("an entry's type is not its inode's", at: directory.place)
        }
        return inode
    }
}
