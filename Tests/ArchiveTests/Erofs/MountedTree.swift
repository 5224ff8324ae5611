import Archive
import Glibc
import Linux
import Testing

/// Glibc hides these from Swift.
let seekData: Int32 = 3
let seekHole: Int32 = 4

/// Compares what the kernel shows of a mounted image with what the reader says of it, entry by entry.
///
/// Differences are recorded one by one, without an expectation for what is alike: those cost more than the calls.
///
/// - Returns: the number of entries, the root included.
func compare(mountAt mount: String, with reader: ErofsReader) throws -> Int {
    var count = 0
    var expectedNames: [[UInt8]: [[UInt8]]] = [:]
    try reader.entries { entry in
        count += 1
        if entry.kind == .directory { expectedNames[entry.path] = [] }
        if !entry.path.isEmpty {
            let slash = entry.path.lastIndex(of: UInt8(ascii: "/"))
            let parent = slash.map { Array(entry.path[..<$0]) } ?? []
            expectedNames[parent]?.append(Array(entry.path[(slash.map { $0 + 1 } ?? 0)...]))
        }
        try MountedEntry(entry: entry, mount: mount).compare(with: reader)
    }
    for (path, names) in expectedNames {
        let shown = String(decoding: path, as: UTF8.self)
        let descriptor = Glibc.open(cPath(mount, path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        try #require(descriptor >= 0, "cannot open \(shown): error \(errno)")
        let listed = try namesBytes(in: OwnedDescriptor(owning: descriptor))
        if listed.sorted(by: { $0.lexicographicallyPrecedes($1) }) != names { Issue.record("names in \(shown)") }
    }
    return count
}

private struct MountedEntry {
    static let kinds: [ErofsEntry.Kind: UInt32] = [
        .file: S_IFREG, .directory: S_IFDIR, .symbolicLink: S_IFLNK, .characterDevice: S_IFCHR, .blockDevice: S_IFBLK,
        .fifo: S_IFIFO, .socket: S_IFSOCK, .whiteout: S_IFCHR,
    ]

    let entry: ErofsEntry
    let mount: String

    var shown: String { String(decoding: entry.path, as: UTF8.self) }
    var path: [CChar] { cPath(mount, entry.path) }

    func compare(with reader: ErofsReader) throws {
        var status = stat()
        if lstat(path, &status) != 0 { Issue.record("\(shown): error \(errno)") }
        let device = UInt32(status.st_rdev)
        let isSame =
            status.st_mode == (MountedEntry.kinds[entry.kind] ?? 0) | UInt32(entry.mode)
            && status.st_uid == entry.uid && status.st_gid == entry.gid
            && status.st_nlink == entry.links && status.st_ino == entry.nid
            && status.st_mtim.tv_sec == entry.mtimeSeconds && status.st_mtim.tv_nsec == entry.mtimeNanoseconds
            && device >> 8 & 0xFFF == entry.deviceMajor && device & 0xFF | device >> 12 & 0xFFF00 == entry.deviceMinor
            && (entry.kind != .file || status.st_size == entry.size) && status.st_blksize == 4096
        if !isSame { Issue.record("\(shown): \(status) is not \(entry)") }
        if entry.kind == .file { try compareContent(reader) }
        if entry.kind == .symbolicLink { compareTarget() }
        // The calls for attributes take text.
        if let text = String(validating: entry.path, as: UTF8.self) { try compareAttributes(mount + "/" + text) }
    }

    private func compareTarget() {
        var target = [CChar](repeating: 0, count: 5000)
        let length = readlink(path, &target, target.count)
        if target.prefix(max(length, 0)).map({ UInt8(bitPattern: $0) }) != entry.linkTarget {
            Issue.record("\(shown): its target, \(length) bytes")
        }
    }

    private func compareAttributes(_ path: String) throws {
        var expected = Dictionary(uniqueKeysWithValues: entry.attributes.map { ($0.name, $0.value) })
        if entry.isOpaque {
            expected["trusted.overlay.opaque"] = [UInt8(ascii: "y")]
            expected["user.overlay.opaque"] = [UInt8(ascii: "y")]
        }
        var found: [String: [UInt8]] = [:]
        for name in try attributeNames(of: path) where !name.hasSuffix(".overlay.origin") {
            found[name] = try attribute(name, of: path)
        }
        if found != expected { Issue.record("\(path): \(found.keys) are not \(expected.keys), or values differ") }
    }

    private func compareContent(_ reader: ErofsReader) throws {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        try #require(descriptor >= 0, "\(shown): error \(errno)")
        defer { close(descriptor) }
        var offset = 0
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        try reader.content(of: entry.nid) { piece in
            let count = pread(descriptor, &buffer, buffer.count, offset)
            // memcmp, because a megabyte byte by byte takes long in a debug build.
            let isEqual = buffer.withUnsafeBytes { shown in
                guard let left = shown.baseAddress, let right = piece.baseAddress else { return false }
                return memcmp(left, right, piece.count) == 0
            }
            if !isEqual || count < piece.count { Issue.record("\(shown): content at \(offset)") }
            offset += piece.count
        } hole: { count in
            // The kernel agrees that it is a hole.
            let data = lseek(descriptor, offset, seekData)
            if lseek(descriptor, offset, seekHole) != offset || data >= 0 && data < offset + Int(count) {
                Issue.record("\(shown): no hole at \(offset)")
            }
            offset += Int(count)
        }
        if offset != entry.size { Issue.record("\(shown): \(offset) bytes of content") }
    }
}

private func cPath(_ mount: String, _ path: [UInt8]) -> [CChar] {
    (Array(mount.utf8) + [UInt8(ascii: "/")] + path + [0]).map { CChar(bitPattern: $0) }
}
