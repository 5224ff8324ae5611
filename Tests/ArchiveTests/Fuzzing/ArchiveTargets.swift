import Archive
import TestSupport

/// The parsers of `Archive`.
enum ArchiveTargets {
    static let all = [tar, layer, erofs, gzip, zstd, packed, path]

    /// The archive as one text: what the handler got, and the error.
    private struct Trace: TarHandler {
        var entries: [TarEntry] = []
        var data: [UInt8] = []

        mutating func begin(_ entry: TarEntry) { entries.append(entry) }
        mutating func data(_ bytes: UnsafeRawBufferPointer) { unsafe data.append(contentsOf: bytes) }
        mutating func end() { data.append(0) }
    }

    private static func read(_ bytes: [UInt8], pieces: Int) throws -> (Trace, TarError?) {
        var trace = Trace()
        do {
            var parser = TarParser()
            try unsafe bytes.withUnsafeBytes { bytes in
                var start = 0
                while start < bytes.count {
                    let end = min(start + pieces, bytes.count)
                    try unsafe parser.consume(UnsafeRawBufferPointer(rebasing: bytes[start..<end]), into: &trace)
                    start = end
                }
            }
            try parser.finish()
            return (trace, nil)
        } catch let error as TarError {
            return (trace, error)
        }
    }

    private static let tar = FuzzTarget("tar", seeds: tarSeeds) { bytes in
        let (whole, error) = try read(bytes, pieces: .max)
        let (again, sameError) = try read(bytes, pieces: 1 + Int(bytes.first ?? 0) * 3)
        try hold(whole.entries == again.entries && error == sameError, "the pieces' size makes a difference")
        try hold(whole.data == again.data, "the pieces' size makes a difference to the data")
        for entry in whole.entries {
            try hold(entry.size >= 0 && entry.storedSize >= 0, "a negative size")
            try hold(entry.mode <= 0o7777 && entry.mtimeNanoseconds < 1_000_000_000, "a field out of range")
            var end: Int64 = 0
            for extent in entry.sparse ?? [] {
                try hold(extent.offset >= end && extent.length > 0, "runs overlap")
                end = extent.offset + extent.length
            }
            try hold(end <= entry.size, "a run past the end")
        }
    }

    /// What is read as a tar becomes a layer file that the reader takes, with nothing outside of it.
    private static let layer = FuzzTarget("layer", seeds: tarSeeds) { bytes in
        var writer = ErofsWriter(output: Output())
        var handler = Sink(writer: writer)
        do {
            var parser = TarParser()
            try unsafe bytes.withUnsafeBytes { try unsafe parser.consume($0, into: &handler) }
            try parser.finish()
            writer = handler.writer
            _ = try writer.finish()
        } catch is TarError {
            return
        } catch is LayerError {
            return
        } catch is LayerPathError {
            return
        } catch is Output.Full {
            return
        }
        let reader = try ErofsReader(Input(bytes: writer.output.bytes))
        try reader.validate()
        try reader.entries { entry in
            try hold(!entry.path.split(separator: UInt8(ascii: "/")).contains([46, 46]), "a path climbs")
        }
    }

    private struct Sink: TarHandler {
        var writer: ErofsWriter<Output>

        mutating func begin(_ entry: TarEntry) throws { try writer.begin(entry) }
        mutating func data(_ bytes: UnsafeRawBufferPointer) throws { try unsafe writer.data(bytes) }
        mutating func end() throws { try writer.end() }
    }

    struct Output: LayerOutput {
        /// Too large an image for a test: a sparse file of an exabyte is no fault.
        struct Full: Error {}
        static let limit = 8 << 20

        var bytes = [UInt8](repeating: 0, count: 4096)

        mutating func write(_ piece: UnsafeRawBufferPointer, at offset: UInt64) throws {
            if offset > UInt64(Self.limit) { throw Full() }
            if bytes.count < Int(offset) { bytes += [UInt8](repeating: 0, count: Int(offset) - bytes.count) }
            let end = min(bytes.count, Int(offset) + piece.count)
            unsafe bytes.replaceSubrange(Int(offset)..<end, with: piece)
        }

        mutating func writeZeros(_ count: UInt64, at offset: UInt64) throws {
            if count > UInt64(Self.limit) || offset > UInt64(Self.limit) { throw Full() }
            bytes += [UInt8](repeating: 0, count: max(0, Int(offset + count) - bytes.count))
        }
    }

    private struct Input: ErofsInput {
        let bytes: [UInt8]
        var size: UInt64 { UInt64(bytes.count) }

        func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
            try hold(offset <= size && UInt64(buffer.count) <= size - offset, "reads outside of the image")
            unsafe bytes.withUnsafeBytes { bytes in
                unsafe buffer.copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: bytes[Int(offset)..<Int(offset) + buffer.count]))
            }
        }
    }

    private static let erofs = FuzzTarget("erofs", seeds: erofsSeeds) { bytes in
        do {
            let reader = try ErofsReader(Input(bytes: bytes))
            var files: [(UInt64, UInt64)] = []
            try reader.entries { if $0.kind == .file, files.count < 100 { files.append(($0.nid, UInt64($0.size))) } }
            for (nid, size) in files where size < 1 << 20 {
                var count: UInt64 = 0
                try reader.content(of: nid) {
                    count += UInt64($0.count)
                } hole: {
                    count += $0
                }
                try hold(count == size, "\(count) bytes of \(size)")
            }
            try reader.validate()
        } catch is ErofsError {}
    }

    private static func decompressor(_ compression: Compression, seeds: @escaping @Sendable () throws -> [[UInt8]])
        -> FuzzTarget
    {
        FuzzTarget(compression.rawValue, seeds: seeds) { bytes in
            func unpack(pieces: Int) throws -> ([UInt8], DecompressionError?) {
                let decompressor = Decompressor(compression, outputLimit: 1 << 20)
                var unpacked: [UInt8] = []
                do {
                    try unsafe bytes.withUnsafeBytes { bytes in
                        var start = 0
                        while start < bytes.count {
                            let end = min(bytes.count - start, pieces) + start
                            try unsafe decompressor.consume(UnsafeRawBufferPointer(rebasing: bytes[start..<end])) {
                                unsafe unpacked.append(contentsOf: $0)
                            }
                            start = end
                        }
                    }
                    try decompressor.finish()
                    return (unpacked, nil)
                } catch let error as DecompressionError {
                    return (unpacked, error)
                }
            }
            let (whole, error) = try unpack(pieces: .max)
            try hold(whole.count <= 1 << 20, "more than allowed")
            let (again, sameError) = try unpack(pieces: 1 + Int(bytes.last ?? 0))
            try hold((error == nil) == (sameError == nil), "the pieces' size makes a difference")
            if error == nil { try hold(whole == again, "the pieces' size makes a difference to the data") }
        }
    }

    private static let gzip = decompressor(.gzip) {
        try [sample(.gzip, "gzip"), sample(.gzip, "") + sample(.gzip, "two")]
    }
    private static let zstd = decompressor(.zstd) {
        try [sample(.zstd, "zstd"), [0x50, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 1, 2, 3] + sample(.zstd, "frames")]
    }

    private static func sample(_ compression: Compression, _ text: String) throws -> [UInt8] {
        var packed: [UInt8] = []
        let compressor = Compressor(compression)
        let bytes = (0..<200).flatMap { "\(text) \($0 * $0)".utf8 }
        try unsafe bytes.withUnsafeBytes { try unsafe compressor.update($0) { unsafe packed.append(contentsOf: $0) } }
        try compressor.finish { unsafe packed.append(contentsOf: $0) }
        return packed
    }

    /// Whatever is packed comes out again, and in whatever pieces it comes, it is packed to the same.
    private static let packed = FuzzTarget(
        "packed", seeds: ["", "text text text", String(repeating: "abc", count: 50_000)]
    ) { bytes in
        // So small an input would fit into one piece: what matters begins beyond.
        let input = bytes + [UInt8](repeating: bytes.last ?? 0, count: 200_000) + bytes
        for (compression, level) in [(Compression.gzip, nil), (.gzip, 1), (.zstd, nil)] as [(Compression, Int?)] {
            func pack(pieces: Int) throws -> [UInt8] {
                let compressor = Compressor(compression, level: level)
                var packed: [UInt8] = []
                try unsafe input.withUnsafeBytes { input in
                    var start = 0
                    while start < input.count {
                        let end = min(input.count - start, pieces) + start
                        try unsafe compressor.update(UnsafeRawBufferPointer(rebasing: input[start..<end])) {
                            unsafe packed.append(contentsOf: $0)
                        }
                        start = end
                    }
                }
                try compressor.finish { unsafe packed.append(contentsOf: $0) }
                return packed
            }
            let packed = try pack(pieces: .max)
            try hold(packed == pack(pieces: 1000 + Int(bytes.first ?? 0)), "the pieces' size makes a difference")
            var unpacked: [UInt8] = []
            let decompressor = Decompressor(compression)
            try unsafe packed.withUnsafeBytes {
                try unsafe decompressor.consume($0) { unsafe unpacked.append(contentsOf: $0) }
            }
            try decompressor.finish()
            try hold(unpacked == input, "packed and unpacked, it differs")
        }
    }

    private static let path = FuzzTarget(
        "path", seeds: ["./usr//bin/", "/a/../b", "../../etc", "a/.wh.b", ".wh..wh..opq", ".wh..wh.plnk/1.2"]
    ) { bytes in
        guard let path = try? LayerPath(bytes) else { return }
        try hold(!path.components.contains { $0.elementsEqual([46, 46]) || $0.elementsEqual([46]) }, "it climbs")
        try hold(!path.bytes.contains(0) && path.bytes.count <= LayerPath.maximumLength, "Linux has no such path")
        if path.isRoot { return }
        let again = try LayerPath(path.bytes)
        try hold(again == path && again.role == path.role && again.name == path.name, "normalised again, it differs")
    }
}
