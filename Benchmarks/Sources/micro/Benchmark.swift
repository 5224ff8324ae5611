import Archive
import OCI

/// A hot path with a fixed input. `run` does the work once and gives something of its result, so that none of it can be left
/// out.
struct Benchmark: Sendable {
    let name: String
    let run: @Sendable () throws -> Int

    static let all = [
        Benchmark(name: "tar-parse") {
            var handler = Count()
            try feed(Inputs.tar, to: &handler)
            return handler.entries
        },
        Benchmark(name: "erofs-index") {
            // The names and the metadata alone: no data comes.
            var writer = ErofsWriter(output: NoOutput())
            for entry in members {
                try writer.begin(entry)
                try writer.end()
            }
            return try writer.finish().entryCount
        },
        Benchmark(name: "erofs-write") {
            var writer = ErofsWriter(output: NoOutput())
            try feed(Inputs.tar, to: &writer)
            return try Int(writer.finish().imageSize)
        },
        Benchmark(name: "erofs-list") {
            var entries = 0
            try ErofsReader(image).entries { _ in entries += 1 }
            return entries
        },
        Benchmark(name: "inflate-gzip") { try inflate(Inputs.gzip, .gzip) },
        Benchmark(name: "inflate-zstd") { try inflate(Inputs.zstd, .zstd) },
        Benchmark(name: "hash-sha256") {
            var hasher = DigestHasher()
            Inputs.tar.withUnsafeBytes { hasher.update($0) }
            return hasher.finalize().hex.utf8.count
        },
        Benchmark(name: "reference-parse") {
            try Inputs.references.reduce(0) { try $0 + Reference(parsing: $1).path.utf8.count }
        },
        Benchmark(name: "manifest-decode") {
            guard case .manifest(let document) = try ManifestDocument(parsing: Inputs.manifest, mediaType: nil) else {
                return 0
            }
            return document.value.layers.count
        },
        Benchmark(name: "config-decode") {
            try ImageConfig.parse(Inputs.config, layers: 20).value.rootfs.diffIDs.count
        },
    ]

    /// The members of `Inputs.tar` without their data.
    private static let members: [TarEntry] = {
        var handler = Keep()
        try? feed(Inputs.tar, to: &handler)
        return handler.entries
    }()

    private static let image: MemoryImage = {
        var writer = ErofsWriter(output: MemoryImage())
        try? feed(Inputs.tar, to: &writer)
        _ = try? writer.finish()
        return writer.output
    }()

    /// In pieces as a decompressor gives them.
    private static func feed(_ tar: [UInt8], to handler: inout some TarHandler) throws {
        var parser = TarParser()
        try tar.withUnsafeBytes { tar in
            for start in stride(from: 0, to: tar.count, by: Decompressor.bufferSize) {
                let piece = tar[start..<min(start + Decompressor.bufferSize, tar.count)]
                try parser.consume(UnsafeRawBufferPointer(rebasing: piece), into: &handler)
            }
        }
        try parser.finish()
    }

    private static func inflate(_ bytes: [UInt8], _ compression: Compression) throws -> Int {
        let decompressor = Decompressor(compression)
        var count = 0
        try bytes.withUnsafeBytes { try decompressor.consume($0) { count += $0.count } }
        try decompressor.finish()
        return count
    }
}

private struct Count: TarHandler {
    var entries = 0
    mutating func begin(_ entry: TarEntry) { entries += 1 }
    mutating func data(_ bytes: UnsafeRawBufferPointer) {}
    mutating func end() {}
}

private struct Keep: TarHandler {
    var entries: [TarEntry] = []
    mutating func begin(_ entry: TarEntry) {
        var entry = entry
        entry.size = 0
        entries.append(entry)
    }
    mutating func data(_ bytes: UnsafeRawBufferPointer) {}
    mutating func end() {}
}

private struct NoOutput: LayerOutput {
    mutating func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) {}
    mutating func writeZeros(_ count: UInt64, at offset: UInt64) {}
}

/// An image in memory, written and read.
private struct MemoryImage: LayerOutput, ErofsInput {
    var bytes = [UInt8](repeating: 0, count: 4096)
    var size: UInt64 { UInt64(bytes.count) }

    mutating func write(_ piece: UnsafeRawBufferPointer, at offset: UInt64) {
        if offset == 0 { bytes.replaceSubrange(0..<piece.count, with: piece) } else { bytes.append(contentsOf: piece) }
    }

    mutating func writeZeros(_ count: UInt64, at offset: UInt64) {
        bytes.append(contentsOf: repeatElement(0, count: Int(count)))
    }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) {
        bytes.withUnsafeBytes { bytes in
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[Int(offset)..<Int(offset) + buffer.count]))
        }
    }
}
