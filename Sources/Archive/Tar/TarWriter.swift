/// Writes a tar archive: ustar headers, with pax records in front of a member that they do not suffice for.
///
/// The bytes depend on the members alone, so the same members give the same archive. A member is written by `begin`, its
/// stored bytes in any number of pieces, and `end`; `finish` ends the archive.
///
///     var writer = TarWriter { bytes in try write(bytes) }
///     try writer.begin(TarEntry(path: Array("hello".utf8), kind: .file, size: 2))
///     try writer.data(bytes)
///     try writer.end()
///     try writer.finish()
@safe public struct TarWriter: TarHandler {
    /// Why a member cannot be written.
    public enum Failure: Error, Equatable, Sendable, CustomStringConvertible {
        /// More or fewer bytes than the member announced.
        case wrongSize(member: String)
        /// An attribute whose name pax cannot hold.
        case badAttribute(member: String, name: String)

        /// A sentence for people.
        public var description: String {
            switch self {
            case .wrongSize(let member): "tar member `\(member)` has not the size that was announced"
            case .badAttribute(let member, let name):
                "tar member `\(member)`: the attribute name `\(name)` cannot be written"
            }
        }
    }

    private let output: (UnsafeRawBufferPointer) throws -> Void
    private var member = ""
    /// Bytes of the member that are still to come, and zeros after them.
    private var remaining: Int64 = 0
    private var padding = 0

    /// Makes a writer.
    ///
    /// - Parameter output: takes the archive's bytes; they are valid in the call only.
    public init(to output: @escaping (UnsafeRawBufferPointer) throws -> Void) {
        unsafe self.output = output
    }

    /// Begins a member: `entry.storedSize` bytes follow.
    public mutating func begin(_ entry: TarEntry) throws {
        member = String(decoding: entry.path, as: UTF8.self)
        var header = Header(entry)
        var map: [UInt8] = []
        if let runs = entry.sparse, entry.kind == .file {
            map = Self.sparseMap(runs, size: entry.size)
            header.makeSparse(entry, mapSize: map.count)
        }
        try header.add(entry.attributes, of: member)
        if !header.records.isEmpty { try write(header.extendedHeader(for: entry.path)) }
        try write(header.block)
        try write(map)
        remaining = entry.kind == .file ? entry.storedSize : 0
        padding = Int((512 - remaining % 512) % 512)
    }

    /// Writes the next stored bytes of the member.
    public mutating func data(_ bytes: UnsafeRawBufferPointer) throws {
        guard Int64(bytes.count) <= remaining else { throw Failure.wrongSize(member: member) }
        remaining -= Int64(bytes.count)
        try unsafe output(bytes)
    }

    /// Ends the member.
    public mutating func end() throws {
        guard remaining == 0 else { throw Failure.wrongSize(member: member) }
        try write([UInt8](repeating: 0, count: padding))
        padding = 0
    }

    /// Ends the archive.
    public mutating func finish() throws { try write([UInt8](repeating: 0, count: 1024)) }

    private func write(_ bytes: [UInt8]) throws {
        if bytes.isEmpty { return }
        try unsafe bytes.withUnsafeBytes { try unsafe output($0) }
    }

    /// The text that says where the runs of a sparse file are, filled up to whole blocks.
    private static func sparseMap(_ runs: [TarEntry.Extent], size: Int64) -> [UInt8] {
        var runs = runs
        // GNU tar takes the end of the last run for the file's: an empty one says where a file ends that ends with a hole.
        if runs.last.map({ $0.offset + $0.length }) ?? 0 < size {
            runs.append(TarEntry.Extent(offset: size, length: 0))
        }
        var text = "\(runs.count)\n"
        for run in runs { text += "\(run.offset)\n\(run.length)\n" }
        let bytes = Array(text.utf8)
        return bytes + [UInt8](repeating: 0, count: (512 - bytes.count % 512) % 512)
    }
}

/// One member's header block, and the records for what does not fit into it.
private struct Header {
    var block = [UInt8](repeating: 0, count: 512)
    private(set) var records: [(key: String, value: [UInt8])] = []

    init(_ entry: TarEntry) {
        var path = entry.path
        if entry.kind == .directory, path.last != UInt8(ascii: "/") { path.append(UInt8(ascii: "/")) }
        set(path: path)
        set(octal: Int64(entry.mode & 0o7777), at: 100, digits: 7)
        set(number: Int64(entry.uid), at: 108, digits: 7, key: "uid")
        set(number: Int64(entry.gid), at: 116, digits: 7, key: "gid")
        set(number: entry.kind == .file ? entry.size : 0, at: 124, digits: 11, key: "size")
        set(seconds: entry.mtimeSeconds, nanoseconds: entry.mtimeNanoseconds)
        block[156] = Self.type(of: entry.kind)
        if entry.kind == .hardLink || entry.kind == .symbolicLink {
            if entry.linkTarget.count > 100 { records.append(("linkpath", entry.linkTarget)) }
            block.replaceSubrange(157..<(157 + min(entry.linkTarget.count, 100)), with: entry.linkTarget.prefix(100))
        }
        block.replaceSubrange(257..<265, with: Array("ustar\u{0}00".utf8))
        if entry.kind == .characterDevice || entry.kind == .blockDevice {
            set(octal: Int64(entry.deviceMajor), at: 329, digits: 7)
            set(octal: Int64(entry.deviceMinor), at: 337, digits: 7)
        }
        seal()
    }

    private static func type(of kind: TarEntry.Kind) -> UInt8 {
        switch kind {
        case .file: UInt8(ascii: "0")
        case .hardLink: UInt8(ascii: "1")
        case .symbolicLink: UInt8(ascii: "2")
        case .characterDevice: UInt8(ascii: "3")
        case .blockDevice: UInt8(ascii: "4")
        case .directory: UInt8(ascii: "5")
        case .fifo: UInt8(ascii: "6")
        }
    }

    /// The name field, with the prefix field where a slash divides it well; else a record.
    private mutating func set(path: [UInt8]) {
        if path.count <= 100 { return block.replaceSubrange(0..<path.count, with: path) }
        let slash = UInt8(ascii: "/")
        let latest = min(155, path.count - 2)
        if let split = path[...latest].lastIndex(of: slash), split > 0, path.count - split - 1 <= 100 {
            block.replaceSubrange(0..<(path.count - split - 1), with: path[(split + 1)...])
            block.replaceSubrange(345..<(345 + split), with: path[..<split])
            return
        }
        records.append(("path", path))
        block.replaceSubrange(0..<100, with: path.prefix(100))
    }

    private mutating func set(octal value: Int64, at offset: Int, digits: Int) {
        let text = String(value, radix: 8)
        let field = String(repeating: "0", count: max(digits - text.utf8.count, 0)) + text.suffix(digits)
        block.replaceSubrange(offset..<(offset + digits), with: Array(field.utf8))
    }

    /// A number in its field, or where that is too small in a record.
    private mutating func set(number: Int64, at offset: Int, digits: Int, key: String) {
        let isSmall = number >= 0 && number >> (3 * Int64(digits)) == 0
        if !isSmall { records.append((key, Array("\(number)".utf8))) }
        set(octal: isSmall ? number : 0, at: offset, digits: digits)
    }

    private mutating func set(seconds: Int64, nanoseconds: UInt32) {
        if nanoseconds == 0 { return set(number: seconds, at: 136, digits: 11, key: "mtime") }
        // Seconds are whole towards the past, so a moment before 1970 counts its fraction from the next one.
        let isNegative = seconds < 0
        let whole = isNegative ? -(seconds + 1) : seconds
        let fraction = isNegative ? 1_000_000_000 - nanoseconds : nanoseconds
        let digits = String(fraction)
        var text = (isNegative ? "-" : "") + "\(whole)." + String(repeating: "0", count: 9 - digits.utf8.count) + digits
        while text.last == "0" { text.removeLast() }
        records.append(("mtime", Array(text.utf8)))
        set(octal: max(min(seconds, 0o77_777_777_777), 0), at: 136, digits: 11)
    }

    /// GNU's sparse format 1.0: the member's data begins with a map of its runs.
    mutating func makeSparse(_ entry: TarEntry, mapSize: Int) {
        records.removeAll { $0.key == "path" || $0.key == "size" }
        records += [
            ("GNU.sparse.major", Array("1".utf8)), ("GNU.sparse.minor", Array("0".utf8)),
            ("GNU.sparse.name", entry.path), ("GNU.sparse.realsize", Array("\(entry.size)".utf8)),
        ]
        for index in Array(0..<100) + Array(345..<500) { block[index] = 0 }
        set(path: Array("GNUSparseFile.0/".utf8) + Self.baseName(entry.path).prefix(80))
        set(number: entry.storedSize + Int64(mapSize), at: 124, digits: 11, key: "size")
        seal()
    }

    mutating func add(_ attributes: [TarEntry.Attribute], of member: String) throws {
        for attribute in attributes {
            if attribute.name.isEmpty || attribute.name.utf8.contains(UInt8(ascii: "=")) {
                throw TarWriter.Failure.badAttribute(member: member, name: attribute.name)
            }
            records.append(("SCHILY.xattr." + attribute.name, attribute.value))
        }
    }

    /// The sum of the bytes, its own field counted as blanks.
    private mutating func seal() {
        block.replaceSubrange(148..<156, with: [UInt8](repeating: UInt8(ascii: " "), count: 8))
        let sum = block.reduce(0) { $0 + Int64($1) }
        set(octal: sum, at: 148, digits: 6)
        block[154] = 0
    }

    private static func baseName(_ path: [UInt8]) -> ArraySlice<UInt8> {
        path.split(separator: UInt8(ascii: "/")).last ?? []
    }

    /// The member that holds the records, in front of the one they are about.
    func extendedHeader(for path: [UInt8]) -> [UInt8] {
        let body = records.flatMap { Self.record($0.key, $0.value) }
        var entry = TarEntry(
            path: Array("PaxHeaders.0/".utf8) + Self.baseName(path).prefix(80), kind: .file, size: Int64(body.count))
        entry.mtimeSeconds = 0
        var header = Header(entry)
        header.block[156] = UInt8(ascii: "x")
        header.seal()
        return header.block + body + [UInt8](repeating: 0, count: (512 - body.count % 512) % 512)
    }

    /// `LENGTH KEY=VALUE\n`, where the length counts its own digits.
    private static func record(_ key: String, _ value: [UInt8]) -> [UInt8] {
        let rest = key.utf8.count + value.count + 3
        var length = rest + 1
        while "\(length)".utf8.count + rest > length { length += 1 }
        // One digit more may have made room for itself.
        length = "\(length)".utf8.count + rest
        return Array("\(length) \(key)=".utf8) + value + [UInt8(ascii: "\n")]
    }
}
