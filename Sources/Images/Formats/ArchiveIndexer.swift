import Archive
import Linux
import OCI

/// Where a member's bytes lie in the file that the archive is read from.
struct ArchiveMember: Sendable {
    var offset: Int64
    var size: Int64
}

/// Takes an archive's members as they come and notes where they are; of a stream the bytes are kept in a file.
struct ArchiveIndexer: TarHandler {
    /// The most members of an archive.
    private static let maximumMembers = 1 << 16
    /// The most bytes of all their names and links.
    private static let maximumNames = 16 << 20

    private(set) var members: [String: ArchiveMember] = [:]
    /// Names that stand for others.
    private(set) var links: [String: String] = [:]

    /// Where the stream's bytes are kept; nil where the archive is a file that can be read in any order.
    private let staging: FileSink?
    /// The piece that the parser looks at, and where it lies in the archive.
    private var piece: (start: UInt, offset: Int64) = (0, 0)
    private var current: (path: String, member: ArchiveMember)?
    private var nameBytes = 0

    init(staging: FileSink?) { self.staging = staging }

    /// Tells where the next bytes for the parser lie.
    mutating func looksAt(_ bytes: UnsafeRawBufferPointer, at offset: Int64) {
        piece = unsafe (bytes.baseAddress.map { UInt(bitPattern: $0) } ?? 0, offset)
    }

    mutating func begin(_ entry: TarEntry) throws {
        let spelled = String(decoding: entry.path, as: UTF8.self)
        guard let path = ArchivePath.normalized(spelled) else { throw Self.refused("`\(spelled)` climbs out of it") }
        guard members.count + links.count < Self.maximumMembers else {
            throw Self.refused("it has more than \(Self.maximumMembers) members")
        }
        nameBytes += entry.path.count + entry.linkTarget.count
        guard nameBytes <= Self.maximumNames else { throw Self.refused("the names of its members are too long") }
        current = nil
        switch entry.kind {
        case .file:
            if entry.sparse != nil { throw Self.refused("`\(path)` is stored as a sparse file") }
            current = (path, ArchiveMember(offset: -1, size: entry.size))
        case .symbolicLink, .hardLink:
            let target = String(decoding: entry.linkTarget, as: UTF8.self)
            let directory = entry.kind == .symbolicLink ? ArchivePath.parent(of: path) : ""
            let isAbsolute = entry.kind == .symbolicLink && target.hasPrefix("/")
            guard !isAbsolute, let resolved = ArchivePath.normalized(target, in: directory) else {
                throw Self.refused("`\(path)` is a link to `\(target)`, outside of it")
            }
            members[path] = nil
            links[path] = resolved
        case .directory, .characterDevice, .blockDevice, .fifo: break
        }
    }

    mutating func data(_ bytes: UnsafeRawBufferPointer) throws {
        guard let begun = current?.member.offset else { return }
        if let staging {
            if begun < 0 { current?.member.offset = staging.position }
            try unsafe staging.write(bytes)
        } else if begun < 0, let base = bytes.baseAddress {
            // The parser hands on slices of the piece that it was given.
            current?.member.offset = piece.offset + Int64(UInt(bitPattern: base) - piece.start)
        }
    }

    mutating func end() throws {
        guard let (path, member) = current else { return }
        links[path] = nil
        members[path] = ArchiveMember(offset: max(member.offset, 0), size: member.size)
        current = nil
    }

    static func refused(_ reason: String) -> ImageError {
        ImageError(
            .invalid, "the archive was refused: \(reason)",
            hint: "make it again with `strata image save`, `docker save`, `podman save` or `skopeo copy`")
    }
}
