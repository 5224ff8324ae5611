extension ErofsReader {
    /// Walks everything and checks what reading needs not: link counts, the number of inodes, every chunk, attribute and
    /// link target. File contents have no checksum in the image: who wants to know compares with the layer's digest.
    ///
    /// - Throws: `ErofsError` at the first damage.
    public func validate() throws {
        // Names found of each inode, and how many it says it has. A directory has its own `.` and one in its parent.
        var links: [UInt64: (found: UInt32, expected: UInt32)] = [:]
        var walked = AttributeCache(budget: size)
        try walk { inode, _, parent in
            if inode.kind == ErofsFormat.directory {
                links[inode.nid] = (2, inode.links)
                if inode.nid != rootNid { links[parent]?.found += 1 }
            } else {
                links[inode.nid, default: (0, inode.links)].found += 1
                if links[inode.nid]?.found == 1 { try validateData(of: inode) }
            }
            _ = try attributes(of: inode, &walked)
        }
        guard UInt64(links.count) == inodeCount else {
            throw ErofsError.damaged("the number of inodes", at: "superblock")
        }
        for (nid, count) in links where count.found != count.expected {
            throw ErofsError.damaged("it has \(count.found) names and says \(count.expected)", at: "inode \(nid)")
        }
    }

    private func validateData(of inode: ErofsInode) throws {
        if inode.kind == ErofsFormat.symbolicLink { return _ = try linkTarget(of: inode) }
        guard inode.kind == ErofsFormat.regular else { return }
        var offset: UInt64 = 0
        var stored: UInt64 = 0
        while offset < inode.size {
            let run = try run(of: inode, at: offset)
            offset += run.count
            guard let start = run.start else { continue }
            stored += run.count
            guard start >= UInt64(ErofsFormat.superblockOffset + ErofsFormat.superblockSize), stored <= size else {
                throw ErofsError.damaged("its data overlaps", at: inode.place)
            }
        }
    }
}
