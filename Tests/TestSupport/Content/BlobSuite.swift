package import Content
import OCI
import Testing

/// What every holder of blobs that can be written to and read from must do: local store, layout, registry.
package struct BlobSuite: Sendable {
    private let holder: any BlobSource & BlobSink

    package init(_ holder: any BlobSource & BlobSink) { self.holder = holder }

    private func bytes(_ descriptor: Descriptor, from offset: Int64) async throws -> [UInt8] {
        let reader = try await holder.open(descriptor, from: offset)
        var bytes: [UInt8] = []
        while let chunk = try await reader.next() {
            #expect(chunk.count <= 1 << 20)
            bytes += chunk
        }
        return Array(bytes.dropFirst(Int(offset - reader.offset)))
    }

    /// Runs every check.
    package func run() async throws {
        let source = MemoryBlobs()
        for count in [0, 1, 4096, 1_300_007] {
            let content = sampleBytes(count, seed: UInt64(count + 7))
            let blob = source.add(content)
            #expect(try await !holder.contains(blob))
            _ = await #expect(throws: BlobError.notFound(blob.digest)) { try await self.bytes(blob, from: 0) }
            try await holder.write(blob, from: source) { _ in }
            #expect(try await holder.contains(blob))
            #expect(try await bytes(blob, from: 0) == content)
            for offset in Set([0, count / 3, max(0, count - 1), count]) {
                #expect(try await bytes(blob, from: Int64(offset)) == Array(content[offset...]), "from \(offset)")
            }
            // Again: nothing changes.
            try await holder.write(blob, from: source) { _ in }
            #expect(try await bytes(blob, from: 0) == content)
        }
        try await refusesWrongBytes()
    }

    private func refusesWrongBytes() async throws {
        let source = MemoryBlobs()
        let blob = source.add(sampleBytes(5000, seed: 99))
        for (wrong, why) in [
            (sampleBytes(5000, seed: 100), "other bytes"), (sampleBytes(4999, seed: 99), "too few"),
            (sampleBytes(5001, seed: 99), "too many"), ([], "none"),
        ] {
            source.replace(blob.digest, with: wrong)
            await #expect(throws: (any Error).self, "\(why)") { try await holder.write(blob, from: source) { _ in } }
            #expect(try await !holder.contains(blob), "\(why)")
        }
        source.replace(blob.digest, with: sampleBytes(5000, seed: 99))
        try await holder.write(blob, from: source) { _ in }
        #expect(try await holder.contains(blob), "after the wrong ones the right one is taken")
    }
}
