import Linux
public import OCI

extension BlobStore {
    func sealPath(of digest: Digest) -> String { "\(root)/seals/\(digest.algorithm.rawValue)-\(digest.hex)" }

    /// Reads a blob whole and compares it with its digest; blocks the thread.
    ///
    /// - Throws: `BlobError.notFound`, `BlobError.damaged`; a `SystemError`.
    public func verify(_ digest: Digest) throws {
        let path = path(of: digest)
        let file: OwnedDescriptor
        do { file = try Linux.open(path, .read) } catch {
            throw error.kind == .notFound ? BlobError.notFound(digest) : error
        }
        let before = FileSeal(try FileStatus(of: file, path))
        var hasher = DigestHasher(digest.algorithm)
        while true {
            let chunk = try readSome(from: file.raw, upTo: 1 << 20, path)
            if chunk.isEmpty { break }
            hasher.update(chunk)
        }
        let actual = hasher.finalize()
        if actual != digest {
            // From now on nothing trusts it without reading it.
            try? removeFile(sealPath(of: digest))
            throw BlobError.damaged(digest, "its bytes have the digest \(actual)")
        }
        if readSeal(of: digest) != before { try? writeSeal(before, of: digest) }
    }

    /// Verifies a blob cheaply: its bytes are read only where the file was written to since they last were.
    ///
    /// - Throws: as `verify`.
    public func checkSeal(_ digest: Digest) throws {
        let now: FileSeal
        do { now = try FileSeal(of: path(of: digest)) } catch {
            throw error.kind == .notFound ? BlobError.notFound(digest) : error
        }
        if readSeal(of: digest) != now { try verify(digest) }
    }

    func writeSeal(of digest: Digest) throws { try writeSeal(FileSeal(of: path(of: digest)), of: digest) }

    /// Not made durable: a seal that was lost, or does not fit, costs one reading of the blob.
    private func writeSeal(_ seal: FileSeal, of digest: Digest) throws {
        let words = [
            "\(seal.inode)", "\(seal.size)", "\(seal.mtimeSeconds)", "\(seal.mtimeNanoseconds)", "\(seal.ctimeSeconds)",
            "\(seal.ctimeNanoseconds)",
        ]
        let staged = "\(sealPath(of: digest)).\(uniqueSuffix())"
        let file = try Linux.open(staged, .createNew, permissions: 0o600)
        do {
            try writeAll(Array(words.joined(separator: " ").utf8), to: file.raw, staged)
            try Linux.rename(staged, to: sealPath(of: digest))
        } catch {
            try? removeFile(staged)
            throw error
        }
    }

    private func readSeal(of digest: Digest) -> FileSeal? {
        guard let bytes = try? readFile(sealPath(of: digest), limit: 256) else { return nil }
        let words = String(decoding: bytes, as: UTF8.self).split(separator: " ")
        guard words.count == 6, let inode = UInt64(words[0]), let size = Int64(words[1]), let mtime = Int64(words[2]),
            let mtimeNanoseconds = UInt32(words[3]), let ctime = Int64(words[4]),
            let ctimeNanoseconds = UInt32(words[5])
        else { return nil }
        return FileSeal(
            inode: inode, size: size, mtimeSeconds: mtime, mtimeNanoseconds: mtimeNanoseconds, ctimeSeconds: ctime,
            ctimeNanoseconds: ctimeNanoseconds)
    }
}
