package import Archive
package import Linux

/// Gives a directory's entries to a tar handler: parents before children, siblings by their bytes, hard links as such.
package struct TreeReader: Sendable {
    /// Give holes of sparse files as such; a plain tar has none.
    package var keepsHoles: Bool
    /// Put before every path; empty or ending with a slash.
    package var prefix: [UInt8] = []
    /// Give the directory itself, too, named by the prefix.
    package var includesRoot = true
    /// Go into what is mounted below, too.
    package var crossesMounts = false
    /// The attributes to give; those of overlayfs are its own.
    package var wantsAttribute: @Sendable (String) -> Bool = {
        !$0.hasPrefix("trusted.overlay.") && !$0.hasPrefix("user.overlay.")
    }
    /// Which names of files were given, so that later ones become hard links.
    package struct Links {
        fileprivate struct Identity: Hashable {
            var major: UInt32
            var minor: UInt32
            var inode: UInt64
        }

        fileprivate var first: [Identity: [UInt8]] = [:]
        package init() {}
    }

    package init(keepsHoles: Bool = false) { self.keepsHoles = keepsHoles }

    /// Reads everything below an open directory; it never leaves the directory's file system.
    package func read(_ directory: borrowing OwnedDescriptor, to handler: inout some TarHandler) throws {
        let status = try FileStatus(of: directory)
        var links = Links()
        if includesRoot {
            let name = prefix.isEmpty ? Array("./".utf8) : prefix
            var entry = entry(name, .directory, status)
            entry.attributes = try attributes([UInt8(ascii: ".")], directory)
            try handler.begin(entry)
            try handler.end()
        }
        try children(of: directory, path: [], device: status, links: &links, &handler)
    }

    /// Gives a single entry of a directory, with everything below it.
    package func read(
        entry name: [UInt8], as path: [UInt8], in directory: borrowing OwnedDescriptor,
        to handler: inout some TarHandler
    )
        throws
    {
        var links = Links()
        let status = try FileStatus(entry: name, in: directory)
        try give(name, status, path: path, in: directory, device: status, links: &links, &handler)
    }

    private func children(
        of directory: borrowing OwnedDescriptor, path: [UInt8], device: FileStatus, links: inout Links,
        _ handler: inout some TarHandler
    ) throws {
        let names = try namesBytes(in: directory).sorted { $0.lexicographicallyPrecedes($1) }
        for name in names {
            let below = path.isEmpty ? name : path + [UInt8(ascii: "/")] + name
            let status: FileStatus
            do { status = try FileStatus(entry: name, in: directory) } catch {
                // Gone since the directory was read.
                if error.kind == .notFound { continue }
                throw error
            }
            try give(name, status, path: below, in: directory, device: device, links: &links, &handler)
        }
    }

    private func give(
        _ name: [UInt8], _ status: FileStatus, path: [UInt8], in directory: borrowing OwnedDescriptor,
        device: FileStatus, links: inout Links, _ handler: inout some TarHandler
    ) throws {
        let isOther = status.deviceMajor != device.deviceMajor || status.deviceMinor != device.deviceMinor
        if isOther, status.kind == .directory, !crossesMounts { return }
        try giveAlone(name, status, path: path, in: directory, links: &links, to: &handler)
        guard status.kind == .directory else { return }
        try children(
            of: try open(entry: name, in: directory, .directory), path: path, device: device, links: &links, &handler)
    }

    /// Gives an entry of a directory without what is below it; a socket, which no tar can hold, is left out.
    package func giveAlone(
        _ name: [UInt8], _ status: FileStatus, path: [UInt8], in directory: borrowing OwnedDescriptor,
        links: inout Links, to handler: inout some TarHandler
    ) throws {
        let full = prefix + path
        guard var entry = entry(full, status) else { return }
        if status.links > 1, status.kind != .directory {
            let identity = Links.Identity(major: status.deviceMajor, minor: status.deviceMinor, inode: status.inode)
            if let first = links.first[identity] {
                entry.kind = .hardLink
                entry.size = 0
                entry.linkTarget = first
                try handler.begin(entry)
                return try handler.end()
            }
            links.first[identity] = full
        }
        entry.attributes = try attributes(name, directory)
        switch status.kind {
        case .directory: entry.path.append(UInt8(ascii: "/"))
        case .regular: return try file(name, entry, in: directory, &handler)
        case .symbolicLink: entry.linkTarget = try readLink(entry: name, in: directory)
        default: break
        }
        try handler.begin(entry)
        try handler.end()
    }

    private func file(
        _ name: [UInt8], _ entry: TarEntry, in directory: borrowing OwnedDescriptor, _ handler: inout some TarHandler
    ) throws {
        let file = try open(entry: name, in: directory, .read)
        var entry = entry
        // It may have grown or shrunk since it was looked at: what was announced must follow.
        entry.size = try FileStatus(of: file).size
        let subject = String(decoding: name, as: UTF8.self)
        var runs = [TarEntry.Extent(offset: 0, length: entry.size)]
        if keepsHoles, entry.size > 0 {
            runs = []
            var offset: Int64 = 0
            while offset < entry.size, let run = try nextData(in: file, from: offset, subject) {
                let end = min(run.upperBound, entry.size)
                if end > run.lowerBound { runs.append(.init(offset: run.lowerBound, length: end - run.lowerBound)) }
                offset = run.upperBound
            }
            if runs != [TarEntry.Extent(offset: 0, length: entry.size)] { entry.sparse = runs }
        }
        try handler.begin(entry)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
        defer { unsafe buffer.deallocate() }
        for run in runs {
            var offset = run.offset
            while offset < run.offset + run.length {
                let wanted = Int(min(run.offset + run.length - offset, Int64(buffer.count)))
                let piece = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted])
                let count = try unsafe preadFull(from: file.raw, at: offset, into: piece, subject)
                if count < wanted {
                    unsafe UnsafeMutableRawBufferPointer(rebasing: piece[count...]).initializeMemory(
                        as: UInt8.self, repeating: 0)
                }
                try unsafe handler.data(UnsafeRawBufferPointer(piece))
                offset += Int64(wanted)
            }
        }
        try handler.end()
    }

    private func attributes(_ name: [UInt8], _ directory: borrowing OwnedDescriptor) throws -> [TarEntry.Attribute] {
        try Linux.attributes(entry: name, in: directory).filter { wantsAttribute($0.key) }
            .sorted { $0.key < $1.key }.map { TarEntry.Attribute(name: $0.key, value: $0.value) }
    }

    /// nil for what a tar cannot hold: sockets.
    private func entry(_ path: [UInt8], _ status: FileStatus) -> TarEntry? {
        switch status.kind {
        case .regular: entry(path, .file, status)
        case .directory: entry(path, .directory, status)
        case .symbolicLink: entry(path, .symbolicLink, status)
        case .characterDevice: entry(path, .characterDevice, status)
        case .blockDevice: entry(path, .blockDevice, status)
        case .fifo: entry(path, .fifo, status)
        case .socket: nil
        }
    }

    private func entry(_ path: [UInt8], _ kind: TarEntry.Kind, _ status: FileStatus) -> TarEntry {
        TarEntry(
            path: path, kind: kind, mode: status.mode, uid: status.uid, gid: status.gid,
            size: kind == .file ? status.size : 0, mtimeSeconds: status.mtimeSeconds,
            mtimeNanoseconds: status.mtimeNanoseconds, deviceMajor: status.nodeMajor, deviceMinor: status.nodeMinor)
    }
}
