/// Reads a tar archive as its bytes come, in pieces of any size, and gives each member to a `TarHandler`.
///
/// ```swift
/// var parser = TarParser()
/// while let chunk = try nextChunk() { try parser.consume(chunk, into: &handler) }
/// try parser.finish()
/// ```
///
/// It reads what is found in images and what `tar` writes: v7, ustar, star, pax, GNU with long names, base-256 numbers and
/// all of GNU's sparse formats. As docker and containerd do, it
/// - ignores global pax headers (git's comment; a layer is the same tree wherever it is unpacked),
/// - takes two zero blocks for the end, whatever follows, and an end of the bytes between two members as well,
/// - refuses types of members that no file system has.
///
/// A member's data is handed on as slices of the piece it came in, never copied. Whatever the archive says, the parser holds
/// at most `maximumMetadataSize` of names and records, and the map of one sparse member. Paths are handed on as they are
/// spelled: `LayerPath` makes them safe.
///
/// After an error the parser is of no further use.
public struct TarParser: Sendable {
    /// The most bytes of one pax header or GNU long name.
    public static let maximumMetadataSize = 1 << 20
    /// The most extended attributes of a member.
    public static let maximumAttributes = 512
    /// The largest value of an extended attribute: what Linux stores.
    public static let maximumAttributeSize = 64 << 10
    /// The most runs of a sparse member.
    public static let maximumExtents = 1 << 18

    private enum State {
        /// At a block boundary: a header, or the end.
        case header
        /// After one zero block.
        case zeroBlock
        /// In a pax header or a long name, by its type flag.
        case metadata(UInt8)
        /// In the further blocks of an old GNU sparse map.
        case sparseBlock
        /// In the map in front of the data (pax sparse 1.0).
        case sparseText
        /// What is left of the map's last block.
        case sparseFill
        case data
        /// What is left of a block.
        case padding
        /// After the end: whatever comes is ignored.
        case ended
    }

    private var state = State.header
    /// Bytes left of the section that `state` says, and the padding after it.
    private var remaining: Int64 = 0
    private var padding: Int64 = 0
    /// Bytes consumed.
    private var position: Int64 = 0

    /// A block that came in pieces.
    private var partial: [UInt8] = []
    /// A pax header or long name on its way.
    private var metadata: [UInt8] = []
    /// What precedes the next member.
    private var pax: PaxRecords?
    private var longName: [UInt8]?
    private var longLink: [UInt8]?
    /// A sparse member whose map is on its way.
    private var sparse: PendingSparse?

    private struct PendingSparse {
        var entry: TarEntry
        var storedSize: Int64
        var map = TarSparseMap()
        var text = TarSparseText()
    }

    /// The member that is being read, for errors.
    private var memberStart: Int64 = 0
    private var memberName: [UInt8] = []

    /// Starts before the first byte.
    public init() {}

    /// Whether the end of the archive (two zero blocks) was read; what follows it is ignored.
    public var isAtEnd: Bool {
        if case .ended = state { return true }
        return false
    }

    /// Takes the next bytes.
    ///
    /// - Throws: `TarError` for a bad archive, and whatever the handler throws.
    public mutating func consume(_ bytes: UnsafeRawBufferPointer, into handler: inout some TarHandler) throws {
        var input = unsafe bytes
        do {
            while input.count > 0 {
                switch state {
                case .header, .zeroBlock:
                    try unsafe takeBlock(&input) { parser, block in
                        try unsafe parser.takeHeader(TarHeaderBlock(block), into: &handler)
                    }
                case .sparseBlock:
                    try unsafe takeBlock(&input) { parser, block in
                        try unsafe parser.takeSparseBlock(TarHeaderBlock(block), into: &handler)
                    }
                case .sparseText: try unsafe takeSparseText(&input, into: &handler)
                case .metadata(let flag):
                    unsafe metadata.append(contentsOf: advance(&input))
                    if remaining == 0 { try endMetadata(flag) }
                case .sparseFill:
                    _ = unsafe advance(&input)
                    if remaining == 0 { try beginSparse(into: &handler) }
                case .data:
                    try unsafe handler.data(advance(&input))
                    if remaining == 0 { try endData(into: &handler) }
                case .padding:
                    _ = unsafe advance(&input)
                    if remaining == 0 { state = .header }
                case .ended: return
                }
            }
        } catch let reason as TarError.Reason {
            throw TarError(reason, member: memberName, offset: memberStart)
        }
    }

    /// Ends the archive.
    ///
    /// - Throws: `TarError` where the bytes end inside a member.
    public func finish() throws(TarError) {
        switch state {
        case .ended: return
        case .zeroBlock where partial.isEmpty: return
        // The last member is whole: some writers end there, without filling its block.
        case .padding where !isExpectingMember: return
        case .header where !isExpectingMember:
            if !partial.isEmpty { throw TarError(.truncated, member: [], offset: position) }
        default: throw TarError(.truncated, member: memberName, offset: position)
        }
    }

    /// Whether an extended header came whose member did not.
    private var isExpectingMember: Bool { pax != nil || longName != nil || longLink != nil }
}

// MARK: Pieces and blocks

extension TarParser {
    /// Takes up to `remaining` bytes off the input.
    private mutating func advance(_ input: inout UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let count = Int(min(Int64(input.count), remaining))
        remaining -= Int64(count)
        position += Int64(count)
        let taken = unsafe UnsafeRawBufferPointer(rebasing: input[..<count])
        unsafe input = UnsafeRawBufferPointer(rebasing: input[count...])
        return unsafe taken
    }

    /// Gives `body` the next block: in place where it lies whole in the input.
    private mutating func takeBlock(
        _ input: inout UnsafeRawBufferPointer, _ body: (inout TarParser, UnsafeRawPointer) throws -> Void
    ) throws {
        remaining = Int64(tarBlockSize - partial.count)
        let piece = unsafe advance(&input)
        if piece.count == tarBlockSize, let base = piece.baseAddress {
            return try unsafe body(&self, base)
        }
        unsafe partial.append(contentsOf: piece)
        guard partial.count == tarBlockSize else { return }
        let block = partial
        partial = []
        try unsafe block.withUnsafeBytes { bytes in
            if let base = bytes.baseAddress { try unsafe body(&self, base) }
        }
    }

    /// Sets out to read a section of so many bytes and what fills up its last block.
    private mutating func expect(_ count: Int64, _ next: State) {
        state = next
        remaining = count
        padding = -count & Int64(tarBlockSize - 1)
    }

    private mutating func skipPadding() {
        state = padding > 0 ? .padding : .header
        remaining = padding
    }
}

// MARK: Headers

extension TarParser {
    private mutating func takeHeader(_ header: TarHeaderBlock, into handler: inout some TarHandler) throws {
        if !isExpectingMember { memberStart = position - Int64(tarBlockSize) }
        memberName = []
        if unsafe header.isZero {
            if isExpectingMember { throw TarError.Reason.truncated }
            if case .zeroBlock = state { state = .ended } else { state = .zeroBlock }
            return
        }
        if case .zeroBlock = state { throw TarError.Reason.loneZeroBlock }
        guard unsafe header.checksumFits else { throw TarError.Reason.badChecksum }
        switch unsafe header.typeFlag {
        case let flag where TarParser.metadataFlags.contains(flag):
            memberName = unsafe header.path
            let size = try unsafe header.number(124, 12, .size)
            guard size >= 0 else { throw TarError.Reason.outOfRange(.size) }
            guard size <= TarParser.maximumMetadataSize else { throw TarError.Reason.metadataTooLarge }
            metadata.removeAll(keepingCapacity: true)
            expect(size, .metadata(flag))
            if size == 0 { try endMetadata(flag) }
        case let flag:
            try unsafe takeMember(header, flag, into: &handler)
        }
    }

    /// GNU's long link and name, Solaris' pax header, the global and the ordinary pax header.
    private static let metadataFlags = Array("KLXgx".utf8)

    private mutating func endMetadata(_ flag: UInt8) throws(TarError.Reason) {
        switch flag {
        case UInt8(ascii: "L"): longName = Array(metadata.prefix { $0 != 0 })
        case UInt8(ascii: "K"): longLink = Array(metadata.prefix { $0 != 0 })
        case UInt8(ascii: "g"): _ = try readRecords()
        default: pax = try readRecords()
        }
        skipPadding()
    }

    private func readRecords() throws(TarError.Reason) -> PaxRecords {
        try unsafe metadata.withUnsafeBufferPointer { buffer throws(TarError.Reason) in
            try unsafe PaxRecords(UnsafeRawBufferPointer(buffer))
        }
    }

    private mutating func takeMember(
        _ header: TarHeaderBlock, _ flag: UInt8, into handler: inout some TarHandler
    ) throws {
        var entry = TarEntry(path: unsafe path(header), kind: .file)
        memberName = entry.path
        entry.kind = try TarParser.kind(flag, path: entry.path)
        try unsafe fill(&entry, header)
        var storedSize: Int64 = 0
        if entry.kind == .file {
            storedSize = try pax?.size ?? (unsafe header.number(124, 12, .size))
            guard storedSize >= 0 else { throw TarError.Reason.outOfRange(.size) }
            entry.size = storedSize
        }
        let records = pax?.sparse
        (pax, longName, longLink) = (nil, nil, nil)
        if flag == UInt8(ascii: "S") {
            guard unsafe header.format == .gnu else { throw TarError.Reason.unsupportedType(flag) }
            entry.size = try unsafe header.number(483, 12, .size)
            guard entry.size >= 0 else { throw TarError.Reason.outOfRange(.size) }
            sparse = PendingSparse(entry: entry, storedSize: storedSize)
            try unsafe takeRuns(header, from: 386, count: 4, into: &handler)
        } else if let records, let version = try records.version() {
            guard entry.kind == .file else { throw TarError.Reason.inconsistentSparseMap }
            entry.size = records.realSize ?? storedSize
            sparse = PendingSparse(entry: entry, storedSize: storedSize, map: records.map)
            if version == .inHeader { return try beginSparse(into: &handler) }
            guard storedSize > 0 else { throw TarError.Reason.malformed(.sparseMap) }
            expect(storedSize, .sparseText)
        } else {
            try begin(entry, storedSize: storedSize, into: &handler)
        }
    }

    private func path(_ header: TarHeaderBlock) -> [UInt8] {
        if let name = pax?.sparse?.name, !name.isEmpty { return name }
        if let longName, !longName.isEmpty { return longName }
        if let path = pax?.path, !path.isEmpty { return path }
        return unsafe header.path
    }

    private static func kind(_ flag: UInt8, path: [UInt8]) throws(TarError.Reason) -> TarEntry.Kind {
        switch flag {
        // Before POSIX a directory was a file whose name ends with a slash.
        case 0: path.last == UInt8(ascii: "/") ? .directory : .file
        // A contiguous file is a file to everybody but the file system that it was made for.
        case UInt8(ascii: "0"), UInt8(ascii: "7"), UInt8(ascii: "S"): .file
        case UInt8(ascii: "1"): .hardLink
        case UInt8(ascii: "2"): .symbolicLink
        case UInt8(ascii: "3"): .characterDevice
        case UInt8(ascii: "4"): .blockDevice
        case UInt8(ascii: "5"): .directory
        case UInt8(ascii: "6"): .fifo
        default: throw .unsupportedType(flag)
        }
    }

    private func fill(_ entry: inout TarEntry, _ header: TarHeaderBlock) throws(TarError.Reason) {
        guard !entry.path.isEmpty else { throw .missing(.path) }
        guard entry.path.count <= TarParser.maximumSpelling else { throw .tooLong(.path) }
        entry.mode = UInt16(truncatingIfNeeded: try unsafe header.number(100, 8, .mode)) & 0o7777
        if let uid = pax?.uid {
            entry.uid = uid
        } else {
            entry.uid = try PaxRecords.identifier(unsafe header.number(108, 8, .owner), .owner)
        }
        if let gid = pax?.gid {
            entry.gid = gid
        } else {
            entry.gid = try PaxRecords.identifier(unsafe header.number(116, 8, .group), .group)
        }
        if let time = pax?.mtime {
            (entry.mtimeSeconds, entry.mtimeNanoseconds) = time
        } else {
            entry.mtimeSeconds = try unsafe header.number(136, 12, .time)
        }
        if let attributes = pax?.attributes { entry.attributes = attributes }
        switch entry.kind {
        case .hardLink, .symbolicLink:
            entry.linkTarget = unsafe linkTarget(header)
            guard !entry.linkTarget.isEmpty else { throw .missing(.linkTarget) }
            guard entry.linkTarget.count <= LayerPath.maximumLength else { throw .tooLong(.linkTarget) }
        case .characterDevice, .blockDevice:
            // Linux has 12 bits of major and 20 of minor.
            entry.deviceMajor = try TarParser.device(unsafe header.number(329, 8, .device), below: 1 << 12)
            entry.deviceMinor = try TarParser.device(unsafe header.number(337, 8, .device), below: 1 << 20)
        case .file, .directory, .fifo: break
        }
    }

    /// A path may be spelled a little longer than it is: `./` in front, a slash at the end.
    private static let maximumSpelling = LayerPath.maximumLength + 3

    private func linkTarget(_ header: TarHeaderBlock) -> [UInt8] {
        if let longLink, !longLink.isEmpty { return longLink }
        if let path = pax?.linkPath, !path.isEmpty { return path }
        return unsafe header.linkName
    }

    private static func device(_ number: Int64, below limit: Int64) throws(TarError.Reason) -> UInt32 {
        guard (0..<limit).contains(number) else { throw .outOfRange(.device) }
        return UInt32(number)
    }
}

// MARK: Members

extension TarParser {
    private mutating func begin(
        _ entry: TarEntry, storedSize: Int64, into handler: inout some TarHandler
    ) throws {
        try handler.begin(entry)
        expect(storedSize, .data)
        if storedSize == 0 { try endData(into: &handler) }
    }

    private mutating func endData(into handler: inout some TarHandler) throws {
        try handler.end()
        skipPadding()
    }

    /// Old GNU format: runs of 12 and 12 bytes, in the header and in as many blocks after it as it takes.
    private mutating func takeRuns(
        _ block: TarHeaderBlock, from start: Int, count: Int, into handler: inout some TarHandler
    ) throws {
        var field = start
        // A run that begins with a NUL is the last before the block's end, for GNU's tar too.
        while field < start + count * 24, unsafe block.byte(field) != 0 {
            let offset = try unsafe block.number(field, 12, .sparseMap)
            try sparse?.map.append(offset: offset, length: unsafe block.number(field + 12, 12, .sparseMap))
            field += 24
        }
        if unsafe block.byte(start + count * 24) != 0 { state = .sparseBlock } else { try beginSparse(into: &handler) }
    }

    private mutating func takeSparseBlock(_ block: TarHeaderBlock, into handler: inout some TarHandler) throws {
        try unsafe takeRuns(block, from: 0, count: 21, into: &handler)
    }

    private mutating func takeSparseText(
        _ input: inout UnsafeRawBufferPointer, into handler: inout some TarHandler
    ) throws {
        guard var text = sparse?.text else { return }
        sparse?.text = TarSparseText()  // keeps the runs uniquely referenced while they grow
        let piece = unsafe UnsafeRawBufferPointer(rebasing: input.prefix(Int(min(Int64(input.count), remaining))))
        let taken = try unsafe text.consume(piece)
        remaining -= Int64(taken)
        position += Int64(taken)
        unsafe input = UnsafeRawBufferPointer(rebasing: input[taken...])
        let fill = -text.position & Int64(tarBlockSize - 1)
        sparse?.text = text
        guard text.isComplete else {
            if remaining == 0 { throw TarError.Reason.malformed(.sparseMap) }
            return
        }
        guard fill <= remaining else { throw TarError.Reason.inconsistentSparseMap }
        sparse?.map = text.map
        sparse?.storedSize = remaining - fill
        state = .sparseFill
        remaining = fill
        if fill == 0 { try beginSparse(into: &handler) }
    }

    private mutating func beginSparse(into handler: inout some TarHandler) throws {
        guard var entry = sparse?.entry, let map = sparse?.map, let storedSize = sparse?.storedSize else { return }
        sparse = nil
        entry.sparse = try map.extents(fileSize: entry.size, storedSize: storedSize)
        try begin(entry, storedSize: storedSize, into: &handler)
    }
}
