import Archive
import TestSupport
import Testing

/// The bytes that the writer gives its output. That they come in whole blocks, in order and the first block last is checked
/// by `MemoryOutput` in every test.
struct ErofsWriterTests {
    private static let members: [Member] =
        ErofsCase.all.enumerated().flatMap { index, test in
            test.members.map { member -> Member in
                var member = member
                member.entry.path = Array("case\(index)/".utf8) + member.entry.path
                if member.entry.kind == .hardLink {
                    member.entry.linkTarget = Array("case\(index)/".utf8) + member.entry.linkTarget
                }
                return member
            }
        }

    /// The same layer gives the same bytes in every process and on every machine: a change here rebuilds every layer there
    /// is, so it must be one that is meant.
    @Test func bytesAreTheSameForEver() throws {
        let image = try makeImage(Self.members).bytes
        #expect(try makeImage(Self.members).bytes == image)
        #expect(image.count == 25_985_024)
        // The identity sums up all inodes and directories.
        let identity = image[1072..<1088].map { String($0, radix: 16) }.joined(separator: ".")
        #expect(identity == "a4.c.c0.f9.5e.11.8b.d4.af.fd.57.d7.f8.9c.58.d6")
    }

    /// Pieces smaller and larger than the writer's own buffer.
    @Test(arguments: [1000, 4096, 5000, 65_535, 65_536, 131_072, 131_585, 262_145, 530_000, 3 << 20])
    func bytesDoNotDependOnPieces(_ pieceSize: Int) throws {
        let members = [1, 4095, 300_000, 262_144, 2 << 20, 10, 1_000_001].enumerated().map { index, size in
            Member(Array("f\(index)".utf8), .file, data: pattern(size))
        }
        #expect(try makeImage(members, pieceSize: pieceSize).bytes == makeImage(members).bytes)
    }

    @Test func smallFilesGoOutTogether() throws {
        var writer = ErofsWriter(output: MemoryOutput())
        try feed(ErofsCase.files(1000) { "f\($0)" }, to: &writer)
        _ = try writer.finish()
        // 4 MB of data, 0.1 MB of inodes and names.
        #expect(writer.output.calls <= 34)
    }

    @Test func whatWasReplacedLeavesNoEntry() throws {
        let (image, summary) = try makeImage([
            .file("a", "first"), .file("d/x", "x"), .file("a", "second!"), .file("d", "y"),
        ])
        #expect(summary.fileBytes == 8 && summary.entryCount == 2)
        #expect(try readEntries(image).count == 3)
    }

    /// Each layer its own, so that overlayfs tells them apart.
    @Test func identitiesDiffer() throws {
        let images = try [[], [Member.file("a")], [.file("b")], [.file("a", "x")]].map { try makeImage($0).bytes }
        #expect(Set(images.map { Array($0[1072..<1088]) }).count == 4)
        #expect(images.allSatisfy { $0[1078] >> 4 == 8 && $0[1080] >> 6 == 2 })
    }

    /// What the output throws ends the writing.
    @Test func passesTheOutputsErrorOn() throws {
        struct Full: LayerOutput {
            struct NoSpace: Error {}
            mutating func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws { throw NoSpace() }
            mutating func writeZeros(_ count: UInt64, at offset: UInt64) throws { throw NoSpace() }
        }
        var writer = ErofsWriter(output: Full())
        #expect(throws: Full.NoSpace.self) {
            try feed([Member([1], .file, data: pattern(300_000))], to: &writer)
        }
        writer = ErofsWriter(output: Full())
        #expect(throws: Full.NoSpace.self) { _ = try writer.finish() }
    }

    @Test func checksum() {
        // The check value of CRC-32C is 0xE3069283, inverted at the end; EROFS does not invert.
        #expect(CRC32C.checksum(Array("123456789".utf8)) == ~0xE306_9283)
    }
}
