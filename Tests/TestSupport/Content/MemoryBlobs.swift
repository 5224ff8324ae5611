package import Content
package import OCI
import Synchronization

/// Blobs in memory, as a source that can break off.
package final class MemoryBlobs: BlobSource {
    private let blobs: Mutex<[Digest: [UInt8]]>
    private let breakAfter: Mutex<Int?>
    private let openings = Mutex<[Int64]>([])
    private let startsInTheMiddle: Bool

    package struct Broken: Error {}

    /// - Parameters:
    ///   - breakAfter: how many bytes the first reader gives before it fails; nil: all.
    ///   - startsInTheMiddle: without it every reader begins at 0, as a registry without ranges.
    package init(breakAfter: Int? = nil, startsInTheMiddle: Bool = true) {
        blobs = Mutex([:])
        self.breakAfter = Mutex(breakAfter)
        self.startsInTheMiddle = startsInTheMiddle
    }

    /// The offsets that readers were opened at.
    package var offsets: [Int64] { openings.withLock { $0 } }

    /// Adds a blob.
    package func add(_ bytes: [UInt8], mediaType: MediaType = .ociLayer) -> Descriptor {
        let digest = Digest.sha256(of: bytes)
        blobs.withLock { $0[digest] = bytes }
        return Descriptor(mediaType: mediaType, digest: digest, size: Int64(bytes.count))
    }

    /// Gives other bytes for a digest than it names.
    package func replace(_ digest: Digest, with bytes: [UInt8]) { blobs.withLock { $0[digest] = bytes } }

    package func open(_ descriptor: Descriptor, from offset: Int64) async throws -> any BlobReader {
        openings.withLock { $0.append(offset) }
        guard let bytes = blobs.withLock({ $0[descriptor.digest] }) else {
            throw BlobError.notFound(descriptor.digest)
        }
        let limit = breakAfter.withLock { limit in
            defer { limit = nil }
            return limit
        }
        return Reader(bytes, from: startsInTheMiddle ? offset : 0, breakAfter: limit)
    }

    private final class Reader: BlobReader {
        let offset: Int64
        private let bytes: [UInt8]
        private let position: Mutex<Int>
        private let end: Int?

        init(_ bytes: [UInt8], from offset: Int64, breakAfter: Int?) {
            self.bytes = bytes
            self.offset = offset
            position = Mutex(Int(offset))
            end = breakAfter.map { Int(offset) + $0 }
        }

        func next() async throws -> [UInt8]? {
            try position.withLock { position in
                if let end, position >= end { throw Broken() }
                if position >= bytes.count { return nil }
                let stop = min(position + 4096, bytes.count, end ?? .max)
                defer { position = stop }
                return Array(bytes[position..<stop])
            }
        }

        func cancel() {}
    }
}

/// Bytes that look random, the same for the same seed.
package func sampleBytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 8)
    while bytes.count < count {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        for shift in stride(from: UInt64(0), to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: state >> shift)) }
    }
    bytes.removeLast(bytes.count - count)
    return bytes
}
