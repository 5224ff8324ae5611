import Archive
import Content
import Linux
import OCI
import Synchronization

/// An image archive whose members can be read in any order: the file itself where it is a plain tar, else what a pipe or a
/// compressed file gave, kept in the store's `ingest/` for as long as this value lives.
///
/// As a source of blobs it gives `blobs/ALGORITHM/HEX`, and what else was given a digest with `add`. Nothing it gives is
/// verified.
final class StagedArchive: BlobSource, Sendable {
    private enum Place: Sendable {
        /// The archive's own member.
        case member(ArchiveMember)
        /// A file of ours.
        case file(String)
    }

    private let members: [String: ArchiveMember]
    private let links: [String: String]
    private let file: OwnedDescriptor
    private let scratch: ScratchDirectory
    private let added = Mutex<[Digest: Place]>([:])
    private let space: SpaceGuard
    /// Bytes of manifests, indexes and configs that were read.
    private let documentBytes = Mutex<Int64>(0)

    /// The most bytes of all manifests, indexes and configs of an archive: they are held in memory.
    private static let documentLimit: Int64 = 128 << 20
    static let readSize = 1 << 20

    /// Reads an archive from front to back; blocks the thread.
    ///
    /// - Parameters:
    ///   - input: a descriptor that stays open.
    ///   - progress: told how many bytes were taken from it.
    init(
        _ input: Int32, in store: BlobStore, space: SpaceGuard, _ flag: CancelFlag, progress: (Int64) -> Void
    ) throws {
        self.space = space
        scratch = try store.makeScratchDirectory()
        let start = ArchiveInput.position(of: input)
        var chunk = try ArchiveInput.read(512, from: input)
        if chunk.isEmpty { throw ImageError(.invalid, "the archive is empty") }
        let compression = try ArchiveInput.compression(of: chunk)
        let staging =
            compression == .none && start != nil
            ? nil
            : try FileSink(creating: scratch.path + "/archive", for: "the archive", space: space, hashes: false)
        var indexer = ArchiveIndexer(staging: staging)
        var parser = TarParser()
        let decompressor = Decompressor(compression)
        var position = start ?? 0
        var taken: Int64 = 0
        do {
            while !chunk.isEmpty {
                try flag.check()
                try unsafe chunk.withUnsafeBytes { bytes in
                    try unsafe decompressor.consume(bytes) { tar in
                        unsafe indexer.looksAt(tar, at: position)
                        try unsafe parser.consume(tar, into: &indexer)
                        position += Int64(tar.count)
                    }
                }
                taken += Int64(chunk.count)
                progress(taken)
                chunk = try readSome(from: input, upTo: Self.readSize, "archive")
            }
            try decompressor.finish()
            try parser.finish()
        } catch let error where error is TarError || error is DecompressionError {
            throw ImageError(.invalid, "the archive cannot be read: \(error)")
        }
        members = indexer.members
        links = indexer.links
        file =
            if let staging { try Linux.open(staging.path, .read) } else { try ArchiveInput.duplicate(input) }
    }

    /// Where a member's bytes are, links followed inside the archive; nil where there is none.
    func member(_ path: String) throws -> ArchiveMember? {
        guard var place = ArchivePath.normalized(path) else {
            throw ArchiveIndexer.refused("it names `\(path)`, outside of it")
        }
        for _ in 0..<16 {
            if let member = members[place] { return member }
            guard let target = links[place] else { return nil }
            place = target
        }
        throw ArchiveIndexer.refused("the links of `\(path)` lead nowhere")
    }

    /// The bytes of a small member; nil where there is none.
    func bytes(_ path: String, kind: String, limit: Int) throws -> [UInt8]? {
        guard let member = try member(path) else { return nil }
        if member.size > Int64(limit) {
            throw DocumentError.tooLarge(kind: kind, bytes: Int(clamping: member.size), limit: limit)
        }
        let total = documentBytes.withLock { total in
            total += member.size
            return total
        }
        guard total <= Self.documentLimit else {
            throw ArchiveIndexer.refused("its manifests and configs have more than \(Self.documentLimit >> 20) MiB")
        }
        return try read(member, from: 0, count: Int(member.size))
    }

    /// The bytes of a small blob, verified; nil where the archive does not have it.
    func bytes(of descriptor: Descriptor, kind: String, limit: Int) throws -> [UInt8]? {
        guard let bytes = try bytes(ArchiveLayout.path(of: descriptor.digest), kind: kind, limit: limit) else {
            return nil
        }
        if Int64(bytes.count) != descriptor.size {
            throw BlobError.sizeMismatch(descriptor.digest, expected: descriptor.size, actual: Int64(bytes.count))
        }
        var hasher = DigestHasher(descriptor.digest.algorithm)
        hasher.update(bytes)
        let actual = hasher.finalize()
        if actual != descriptor.digest {
            throw BlobError.digestMismatch(expected: descriptor.digest, actual: actual)
        }
        return bytes
    }

    /// The size of a blob that the archive has under its digest; nil where it does not.
    func size(of digest: Digest) throws -> Int64? { try member(ArchiveLayout.path(of: digest))?.size }

    func read(_ member: ArchiveMember, from offset: Int64, count: Int) throws -> [UInt8] {
        var failure: SystemError?
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, used in
            do throws(SystemError) {
                used = unsafe try preadFull(
                    from: file.raw, at: member.offset + offset, into: UnsafeMutableRawBufferPointer(buffer), "archive")
            } catch { failure = error }
        }
        if let failure { throw failure }
        if bytes.count < count { throw ImageError(.invalid, "the archive became shorter while it was read") }
        return bytes
    }

    /// Gives a member that is a layer a digest: as it is where it is compressed, else packed.
    ///
    /// - Returns: its descriptor as a blob, and the digest of its tar where that is known already.
    func makeBlob(of member: ArchiveMember, _ flag: CancelFlag) throws -> (blob: Descriptor, diffID: Digest?) {
        let first = try read(member, from: 0, count: Int(min(member.size, Int64(Compression.detectionLength))))
        let compression = Compression.detect(firstBytes: first)
        var hasher = DigestHasher()
        if compression != .none {
            try pieces(of: member, flag) { hasher.update($0) }
            let digest = hasher.finalize()
            added.withLock { $0[digest] = .member(member) }
            let type = compression == .gzip ? MediaType.ociLayerGzip : .ociLayerZstd
            return (Descriptor(mediaType: type, digest: digest, size: member.size), nil)
        }
        let path = "\(scratch.path)/layer-\(uniqueSuffix())"
        let sink = try FileSink(creating: path, for: "a layer of the archive", space: space, hashes: true)
        let compressor = Compressor(.gzip)
        try pieces(of: member, flag) { piece in
            hasher.update(piece)
            try unsafe piece.withUnsafeBytes { bytes in
                try unsafe compressor.update(bytes) { try unsafe sink.write($0) }
            }
        }
        try unsafe compressor.finish { try unsafe sink.write($0) }
        guard let digest = sink.digest else { throw CancellationError() }
        added.withLock { $0[digest] = .file(path) }
        return (Descriptor(mediaType: .ociLayerGzip, digest: digest, size: sink.position), hasher.finalize())
    }

    private func pieces(of member: ArchiveMember, _ flag: CancelFlag, _ body: ([UInt8]) throws -> Void) throws {
        var offset: Int64 = 0
        while offset < member.size {
            try flag.check()
            let piece = try read(member, from: offset, count: Int(min(512 << 10, member.size - offset)))
            try body(piece)
            offset += Int64(piece.count)
        }
    }

    // MARK: A source of blobs

    func open(_ descriptor: Descriptor, from offset: Int64) async throws -> any BlobReader {
        switch added.withLock({ $0[descriptor.digest] }) {
        case .member(let member): return StagedReader(self, member, from: offset)
        case .file(let path): return try FileReader(path, from: offset)
        case nil:
            guard let member = try member(ArchiveLayout.path(of: descriptor.digest)) else {
                throw BlobError.notFound(descriptor.digest)
            }
            return StagedReader(self, member, from: offset)
        }
    }
}

/// Reads a member of an archive.
private final class StagedReader: BlobReader {
    let offset: Int64
    private let archive: StagedArchive
    private let member: ArchiveMember
    private let position: Mutex<Int64>

    init(_ archive: StagedArchive, _ member: ArchiveMember, from offset: Int64) {
        self.archive = archive
        self.member = member
        self.offset = min(offset, member.size)
        position = Mutex(self.offset)
    }

    func next() async throws -> [UInt8]? {
        try Task.checkCancellation()
        let start = position.withLock { $0 }
        if start >= member.size { return nil }
        let count = Int(min(512 << 10, member.size - start))
        let chunk = try await onThread(named: "archive") { [archive, member] in
            try archive.read(member, from: start, count: count)
        }
        position.withLock { $0 += Int64(chunk.count) }
        return chunk
    }

    func cancel() {}
}

/// Reads a file of ours that is not verified.
final class FileReader: BlobReader {
    let offset: Int64
    private let path: String
    private let file: OwnedDescriptor
    private let position: Mutex<Int64>

    init(_ path: String, from offset: Int64) throws {
        self.path = path
        self.offset = offset
        file = try Linux.open(path, .read)
        position = Mutex(offset)
    }

    func next() async throws -> [UInt8]? {
        try Task.checkCancellation()
        return try await onThread(named: "read") { try self.read() }
    }

    private func read() throws -> [UInt8]? {
        try position.withLock { position in
            var failure: SystemError?
            let chunk = unsafe [UInt8](unsafeUninitializedCapacity: 512 << 10) { buffer, used in
                do throws(SystemError) {
                    used = unsafe try preadFull(
                        from: file.raw, at: position, into: UnsafeMutableRawBufferPointer(buffer), path)
                } catch { failure = error }
            }
            if let failure { throw failure }
            position += Int64(chunk.count)
            return chunk.isEmpty ? nil : chunk
        }
    }

    func cancel() {}
}

/// One file as the source of one blob.
struct FileSource: BlobSource {
    let path: String

    func open(_ descriptor: Descriptor, from offset: Int64) async throws -> any BlobReader {
        try FileReader(path, from: offset)
    }
}
