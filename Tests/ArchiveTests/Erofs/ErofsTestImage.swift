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

/// A member of a test's archive: the entry and its stored data.
struct Member {
    var entry: TarEntry
    var data: [UInt8]

    init(
        _ path: String, _ kind: TarEntry.Kind, mode: UInt16 = 0o644, data: String = "",
        _ change: (inout TarEntry) -> Void = { _ in }
    ) {
        self.init(Array(path.utf8), kind, mode: mode, data: Array(data.utf8), change)
    }

    init(
        _ path: [UInt8], _ kind: TarEntry.Kind, mode: UInt16 = 0o644, data: [UInt8] = [],
        _ change: (inout TarEntry) -> Void = { _ in }
    ) {
        entry = TarEntry(path: path, kind: kind, mode: mode, size: kind == .file ? Int64(data.count) : 0)
        self.data = data
        change(&entry)
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

/// Mounts an image file for the length of a call.
func withMount<Result>(_ image: String, at directory: String, _ body: (String) throws -> Result) throws -> Result {
    try makeDirectory(directory)
    try makeFileSystem("erofs", [.text("source", image)], readOnly: true).attach(at: directory)
    defer { try? unmount(directory, lazily: true) }
    return try body(directory)
}
