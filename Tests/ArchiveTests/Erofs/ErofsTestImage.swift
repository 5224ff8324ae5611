import Archive
import Glibc
import Linux
import TestSupport
import Testing

/// Collects an image and fails where the writer breaks the contract of `LayerOutput`.
struct MemoryOutput: LayerOutput {
    enum Broken: Error { case unaligned, outOfOrder, afterTheEnd }

    private(set) var bytes = [UInt8](repeating: 0, count: 4096)
    private(set) var isComplete = false
    private(set) var calls = 0

    mutating func write(_ piece: UnsafeRawBufferPointer, at offset: UInt64) throws {
        calls += 1
        if isComplete { throw Broken.afterTheEnd }
        if piece.isEmpty || piece.count % 4096 != 0 || offset % 4096 != 0 { throw Broken.unaligned }
        if offset == 0 {
            guard piece.count == 4096 else { throw Broken.outOfOrder }
            unsafe bytes.replaceSubrange(0..<4096, with: piece)
            isComplete = true
        } else {
            guard offset == bytes.count else { throw Broken.outOfOrder }
            unsafe bytes.append(contentsOf: piece)
        }
    }

    mutating func writeZeros(_ count: UInt64, at offset: UInt64) throws {
        if isComplete { throw Broken.afterTheEnd }
        guard offset == bytes.count, count > 0, count % 4096 == 0 else { throw Broken.outOfOrder }
        bytes.append(contentsOf: repeatElement(0, count: Int(count)))
    }
}

/// Writes an image to a file, holes as holes.
struct FileOutput: LayerOutput {
    let descriptor: Int32

    mutating func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws {
        try unsafe pwriteAll(bytes, to: descriptor, at: Int64(offset), "image")
    }

    mutating func writeZeros(_ count: UInt64, at offset: UInt64) throws {}
}

/// Reads an image from memory and fails where the reader asks for what is outside of it.
struct MemoryInput: ErofsInput {
    enum Broken: Error { case outside }

    let bytes: [UInt8]
    var size: UInt64 { UInt64(bytes.count) }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        guard offset <= size, UInt64(buffer.count) <= size - offset else { throw Broken.outside }
        unsafe bytes.withUnsafeBytes { bytes in
            unsafe buffer.copyMemory(
                from: UnsafeRawBufferPointer(rebasing: bytes[Int(offset)..<Int(offset) + buffer.count]))
        }
    }
}

/// Reads an image from a file.
struct FileInput: ErofsInput {
    enum Broken: Error { case short }

    let descriptor: Int32
    let size: UInt64

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        guard try preadFull(from: descriptor, at: Int64(offset), into: buffer, "image") == buffer.count else {
            throw Broken.short
        }
    }
}

/// A run of data of a sparse file.
struct Run: Sendable {
    let offset: Int64
    let data: [UInt8]

    init(_ offset: Int64, _ data: [UInt8]) {
        self.offset = offset
        self.data = data
    }
}

/// A member of a test's archive: the entry and its stored data.
struct Member: Sendable {
    var entry: TarEntry
    var data: [UInt8]

    init(
        _ path: [UInt8], _ kind: TarEntry.Kind, mode: UInt16 = 0o644, data: [UInt8] = [],
        _ change: (inout TarEntry) -> Void = { _ in }
    ) {
        entry = TarEntry(path: path, kind: kind, mode: mode, size: kind == .file ? Int64(data.count) : 0)
        self.data = data
        change(&entry)
    }

    init(
        _ path: String, _ kind: TarEntry.Kind, mode: UInt16 = 0o644, data: String = "",
        _ change: (inout TarEntry) -> Void = { _ in }
    ) {
        self.init(Array(path.utf8), kind, mode: mode, data: Array(data.utf8), change)
    }

    static func file(_ path: String, _ data: String = "", mode: UInt16 = 0o644) -> Member {
        Member(path, .file, mode: mode, data: data)
    }

    static func directory(_ path: String, mode: UInt16 = 0o755) -> Member { Member(path, .directory, mode: mode) }

    static func symbolicLink(_ path: String, to target: String) -> Member {
        Member(path, .symbolicLink, mode: 0o777) { $0.linkTarget = Array(target.utf8) }
    }

    static func hardLink(_ path: String, to target: String) -> Member {
        Member(path, .hardLink) { $0.linkTarget = Array(target.utf8) }
    }

    /// A sparse file; the data of its runs one after another.
    static func sparse(_ path: String, size: Int64, _ extents: [Run]) -> Member {
        Member(Array(path.utf8), .file, data: extents.flatMap(\.data)) {
            $0.size = size
            $0.sparse = extents.map { TarEntry.Extent(offset: $0.offset, length: Int64($0.data.count)) }
        }
    }
}

/// Feeds members to a writer, the data in pieces.
func feed<Output: LayerOutput>(
    _ members: [Member], to writer: inout ErofsWriter<Output>, pieceSize: Int = 1 << 20
) throws {
    for member in members {
        try writer.begin(member.entry)
        try unsafe member.data.withUnsafeBytes { data in
            for start in stride(from: 0, to: data.count, by: pieceSize) {
                try unsafe writer.data(
                    UnsafeRawBufferPointer(rebasing: data[start..<min(start + pieceSize, data.count)]))
            }
        }
        try writer.end()
    }
}

/// The image of some members.
func makeImage(_ members: [Member], pieceSize: Int = 1 << 20) throws -> (bytes: [UInt8], summary: ErofsSummary) {
    var writer = ErofsWriter(output: MemoryOutput())
    try feed(members, to: &writer, pieceSize: pieceSize)
    let summary = try writer.finish()
    #expect(writer.output.isComplete)
    #expect(UInt64(writer.output.bytes.count) == summary.imageSize)
    return (writer.output.bytes, summary)
}

/// All entries of an image.
func readEntries(_ image: [UInt8]) throws -> [ErofsEntry] {
    var entries: [ErofsEntry] = []
    try ErofsReader(MemoryInput(bytes: image)).entries { entries.append($0) }
    return entries
}

/// A file's content with the holes filled.
func readContent(_ reader: ErofsReader, _ nid: UInt64) throws -> [UInt8] {
    var content: [UInt8] = []
    try reader.content(of: nid) {
        unsafe content.append(contentsOf: $0)
    } hole: {
        content.append(contentsOf: repeatElement(0, count: Int($0)))
    }
    return content
}

/// Mounts an image file for the length of a call.
func withMount<Result>(_ image: String, at directory: String, _ body: (String) throws -> Result) throws -> Result {
    try makeDirectory(directory)
    try makeFileSystem("erofs", [.text("source", image)], readOnly: true).attach(at: directory)
    defer { try? unmount(directory, lazily: true) }
    return try body(directory)
}
