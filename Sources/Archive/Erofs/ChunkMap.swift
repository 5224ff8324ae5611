/// Where the chunks of a sparse file lie in the image.
struct ChunkMap: Sendable {
    /// An inode's index of chunks takes at most 64 KiB, however large the holes are.
    private static let maximumChunks: UInt64 = 16 << 10
    /// What ext4 holds, and an image.
    static let maximumSize: UInt64 = 16 << 40

    /// Chunks that follow each other in the file and in the image.
    struct Run: Sendable {
        var chunk: UInt32
        var count: UInt32
        var block: UInt32
    }

    /// Bytes in the file.
    let size: UInt64
    /// Blocks in a chunk, as a power of two.
    let chunkBits: UInt8
    private(set) var runs: [Run] = []

    init(size: UInt64) {
        self.size = size
        var bits: UInt8 = 0
        while ChunkMap.chunks(of: size, chunkBits: bits) > ChunkMap.maximumChunks { bits += 1 }
        chunkBits = bits
    }

    var chunkSize: UInt64 { UInt64(ErofsFormat.blockSize) << UInt64(chunkBits) }
    var chunkCount: UInt64 { ChunkMap.chunks(of: size, chunkBits: chunkBits) }

    private static func chunks(of size: UInt64, chunkBits: UInt8) -> UInt64 {
        let chunk = UInt64(ErofsFormat.blockSize) << UInt64(chunkBits)
        return (size + chunk - 1) / chunk
    }

    /// Notes that a chunk's data begins at a block; chunks come in ascending order.
    mutating func add(chunk: UInt32, at block: UInt32) {
        if let last = runs.last, last.chunk + last.count == chunk, last.block + last.count << chunkBits == block {
            runs[runs.count - 1].count += 1
        } else {
            runs.append(Run(chunk: chunk, count: 1, block: block))
        }
    }

    /// The index as the image holds it: a block number for each chunk.
    func encodeIndex(to bytes: inout [UInt8]) {
        var next: UInt32 = 0
        for run in runs {
            for _ in next..<run.chunk { bytes.append(little: ErofsFormat.hole) }
            for offset in 0..<run.count { bytes.append(little: run.block + offset << chunkBits) }
            next = run.chunk + run.count
        }
        for _ in next..<UInt32(chunkCount) { bytes.append(little: ErofsFormat.hole) }
    }
}

/// Puts a sparse member's packed data where it belongs: keeps track of the run and the chunk that the next byte is in.
struct SparseCursor {
    private let extents: [TarEntry.Extent]
    private let path: [UInt8]
    private(set) var map: ChunkMap
    private var extent = 0
    /// Bytes of the current extent that came.
    private var done: UInt64 = 0
    /// The chunk that is open in the image, and where its next byte lies in the file.
    private var open: (chunk: UInt64, next: UInt64)?

    /// - Throws: `LayerError.invalidSparseMap` for extents that are not ascending or leave the file.
    init(_ entry: TarEntry, _ extents: [TarEntry.Extent]) throws(LayerError) {
        path = entry.path
        let path = String(decoding: path, as: UTF8.self)
        guard entry.size >= 0, UInt64(entry.size) <= ChunkMap.maximumSize else { throw .tooLarge(path: path) }
        var end: Int64 = 0
        for extent in extents {
            guard extent.offset >= end, extent.length >= 0,
                extent.length <= entry.size - min(extent.offset, entry.size),
                extent.offset <= entry.size
            else { throw .invalidSparseMap(path: path) }
            end = extent.offset + extent.length
        }
        self.extents = extents.filter { $0.length > 0 }
        map = ChunkMap(size: UInt64(entry.size))
    }

    /// Whether all data came.
    var isComplete: Bool { extent == extents.count }

    mutating func append(
        _ bytes: UnsafeRawBufferPointer, to stream: inout BlockStream, _ output: inout some LayerOutput
    ) throws {
        var rest = unsafe bytes
        while unsafe !rest.isEmpty {
            guard extent < extents.count else {
                throw LayerError.dataLengthMismatch(path: String(decoding: path, as: UTF8.self))
            }
            let current = extents[extent]
            let position = UInt64(current.offset) + done
            let chunk = position / map.chunkSize
            if open?.chunk != chunk {
                try close(&stream, &output)
                map.add(chunk: UInt32(chunk), at: UInt32(stream.position / UInt64(ErofsFormat.blockSize)))
                open = (chunk, chunk * map.chunkSize)
            }
            if let next = open?.next, next < position { try stream.appendZeros(position - next, to: &output) }
            let room = min(UInt64(current.length) - done, (chunk + 1) * map.chunkSize - position)
            let count = Int(min(room, UInt64(rest.count)))
            try unsafe stream.append(UnsafeRawBufferPointer(rebasing: rest[..<count]), to: &output)
            unsafe rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            open?.next = position + UInt64(count)
            done += UInt64(count)
            if done == UInt64(current.length) {
                extent += 1
                done = 0
            }
        }
    }

    /// Fills the open chunk up with zeros; the file's last one only to the end of the file's last block.
    mutating func close(_ stream: inout BlockStream, _ output: inout some LayerOutput) throws {
        guard let (chunk, next) = open else { return }
        let end = min((chunk + 1) * map.chunkSize, map.size.roundedUpToBlock)
        try stream.appendZeros(end - next, to: &output)
        open = nil
    }
}
