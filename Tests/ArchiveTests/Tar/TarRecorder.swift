import Archive

/// A member and its stored bytes.
struct TarMember: Equatable {
    var entry: TarEntry
    var data: [UInt8] = []
}

/// Keeps what a parser finds, and that its calls come in order.
struct TarRecorder: TarHandler {
    struct OutOfOrder: Error {}

    var members: [TarMember] = []
    private var isOpen = false

    mutating func begin(_ entry: TarEntry) throws {
        if isOpen { throw OutOfOrder() }
        isOpen = true
        members.append(TarMember(entry: entry))
    }

    mutating func data(_ bytes: UnsafeRawBufferPointer) throws {
        if !isOpen || bytes.isEmpty { throw OutOfOrder() }
        members[members.count - 1].data.append(contentsOf: bytes)
    }

    mutating func end() throws {
        let last = members[members.count - 1]
        if !isOpen || Int64(last.data.count) != last.entry.storedSize { throw OutOfOrder() }
        isOpen = false
    }
}

/// Parses an archive, given in pieces of a size.
func parseTar(_ archive: [UInt8], pieces: Int = 64 << 10) throws -> [TarMember] {
    var parser = TarParser()
    var recorder = TarRecorder()
    try archive.withUnsafeBytes { bytes in
        var start = 0
        while start < bytes.count {
            let end = min(start + pieces, bytes.count)
            try parser.consume(UnsafeRawBufferPointer(rebasing: bytes[start..<end]), into: &recorder)
            start = end
        }
    }
    try parser.finish()
    return recorder.members
}

/// The error that an archive gives; nil for a good one.
func tarError(_ archive: [UInt8], pieces: Int = 64 << 10) throws -> TarError? {
    do {
        _ = try parseTar(archive, pieces: pieces)
        return nil
    } catch let error as TarError {
        return error
    }
}
