package import Archive
import Linux
package import OCI

/// A difference between a container's root and its image's.
package struct UpperChange: Sendable, Equatable {
    package enum Kind: String, Sendable {
        case added = "A"
        case changed = "C"
        case deleted = "D"
    }

    package var kind: Kind
    /// Below the root, without a leading slash.
    package var path: [UInt8]

    package init(_ kind: Kind, _ path: [UInt8]) {
        self.kind = kind
        self.path = path
    }
}

extension LayerMounts {
    /// What an upper directory changes of the layers below it, sorted by path. Only what the upper directory holds is
    /// looked at, never the whole image.
    ///
    /// - Parameters:
    ///   - upper: of an overlay; it may be mounted.
    ///   - hiding: paths that are not told, with all that is below them.
    package func changes(of upper: String, over layers: [Digest], hiding: Set<[UInt8]> = []) throws -> [UpperChange] {
        var changes: [UpperChange] = []
        try compare(upper, layers, hiding) { step in
            switch step {
            case .present(let entry): changes.append(UpperChange(entry.isInImage ? .changed : .added, entry.path))
            case .deleted(let path), .hidden(let path): changes.append(UpperChange(.deleted, path))
            case .opaque: break
            }
        }
        return changes.sorted { $0.path.lexicographicallyPrecedes($1.path) }
    }

    /// Gives an upper directory as a layer's tar: whiteouts and opaque directories in the tar's form, hard links, attributes
    /// and holes kept.
    package func packUpper(
        _ upper: String, over layers: [Digest], hiding: Set<[UInt8]> = [], to handler: inout some TarHandler
    ) throws {
        var links = TreeReader.Links()
        let reader = TreeReader(keepsHoles: true)
        try compare(upper, layers, hiding) { step in
            switch step {
            case .present(let entry):
                try reader.giveAlone(
                    entry.name, entry.status, path: entry.path, in: entry.directory.descriptor, links: &links,
                    to: &handler)
            case .deleted(let path):
                let slash = path.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
                try whiteout(Array(path[..<slash]) + Array(".wh.".utf8) + path[slash...], &handler)
            case .opaque(let path): try whiteout(path + Array("/.wh..wh..opq".utf8), &handler)
            case .hidden: break
            }
        }
    }

    private func whiteout(_ path: [UInt8], _ handler: inout some TarHandler) throws {
        try handler.begin(TarEntry(path: path, kind: .file, mode: 0))
        try handler.end()
    }

    private func compare(
        _ upper: String, _ layers: [Digest], _ hiding: Set<[UInt8]>, _ body: (UpperWalk.Step) throws -> Void
    ) throws {
        let top = UpperWalk.Directory(try open(upper, .directory))
        guard !layers.isEmpty else { return try UpperWalk(hiding: hiding).walk(top, below: nil, path: [], body) }
        try withView(layers: layers) { view in
            let root = try open(entry: [UInt8(ascii: ".")], in: view, .directory)
            try UpperWalk(hiding: hiding).walk(top, below: UpperWalk.Directory(root), path: [], body)
        }
    }
}

/// Walks an upper directory beside the merged tree of the layers below it.
struct UpperWalk {
    let hiding: Set<[UInt8]>

    /// Lets a descriptor be part of a value.
    final class Directory {
        let descriptor: OwnedDescriptor
        init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }
    }

    /// An entry of the upper directory that hides, or adds to, what is below.
    struct Entry {
        var name: [UInt8]
        var path: [UInt8]
        var status: FileStatus
        var directory: Directory
        /// The image has something of this path.
        var isInImage: Bool
    }

    enum Step {
        case present(Entry)
        /// The image has it, the container has not.
        case deleted([UInt8])
        /// The directory that was just given hides what the image has in it.
        case opaque([UInt8])
        /// The image has it, and a directory above that was given as opaque hides it.
        case hidden([UInt8])
    }

    /// Gives what a directory holds, each directory before what is in it; one that is as in the image and has nothing changed
    /// in it is not given.
    ///
    /// - Parameter below: the directory of the image at this path; nil where it has none.
    func walk(
        _ directory: Directory, below: Directory?, path: [UInt8], _ body: (Step) throws -> Void
    ) throws {
        let names = try namesBytes(in: directory.descriptor).sorted { $0.lexicographicallyPrecedes($1) }
        for name in names {
            let full = path.isEmpty ? name : path + [UInt8(ascii: "/")] + name
            if hiding.contains(full) { continue }
            let status: FileStatus
            do { status = try FileStatus(entry: name, in: directory.descriptor) } catch {
                if error.kind == .notFound { continue }
                throw error
            }
            let old = try below.flatMap { try Self.status(name, in: $0) }
            if try Self.isWhiteout(name, status, in: directory) {
                // A whiteout of what no layer has hides nothing.
                if old != nil { try body(.deleted(full)) }
                continue
            }
            let entry = Entry(name: name, path: full, status: status, directory: directory, isInImage: old != nil)
            guard status.kind == .directory else {
                try body(.present(entry))
                continue
            }
            try descend(entry, old: old, below: below, body)
        }
    }

    private func descend(_ entry: Entry, old: FileStatus?, below: Directory?, _ body: (Step) throws -> Void) throws {
        let isOldDirectory = old?.kind == .directory
        let inner = Directory(try open(entry: entry.name, in: entry.directory.descriptor, .directory))
        let lower: Directory? =
            try isOldDirectory
            ? below.map { try Directory(open(entry: entry.name, in: $0.descriptor, .directory)) } : nil
        let isOpaque = try isOldDirectory && Self.isOpaque(entry)
        var isGiven = false
        func give() throws {
            if isGiven { return }
            isGiven = true
            try body(.present(entry))
        }
        if let old, isOldDirectory, !isOpaque, Self.isSame(old, entry.status) {
            // Told only if something in it is.
            return try walk(inner, below: lower, path: entry.path) { step in
                try give()
                try body(step)
            }
        }
        try give()
        if isOpaque, let lower {
            try body(.opaque(entry.path))
            // What the image had in it and the container has not is gone, one by one.
            let kept = Set(try namesBytes(in: inner.descriptor))
            for name in try namesBytes(in: lower.descriptor).sorted(by: { $0.lexicographicallyPrecedes($1) })
            where !kept.contains(name) {
                let gone = entry.path + [UInt8(ascii: "/")] + name
                if !hiding.contains(gone) { try body(.hidden(gone)) }
            }
        }
        try walk(inner, below: lower, path: entry.path, body)
    }

    private static func isSame(_ old: FileStatus, _ new: FileStatus) -> Bool {
        old.mode == new.mode && old.uid == new.uid && old.gid == new.gid && old.mtimeSeconds == new.mtimeSeconds
            && old.mtimeNanoseconds == new.mtimeNanoseconds
    }

    private static func status(_ name: [UInt8], in directory: Directory) throws -> FileStatus? {
        do { return try FileStatus(entry: name, in: directory.descriptor) } catch {
            if error.kind == .notFound { return nil }
            throw error
        }
    }

    private static func isWhiteout(_ name: [UInt8], _ status: FileStatus, in directory: Directory) throws -> Bool {
        switch status.kind {
        case .characterDevice: return status.nodeMajor == 0 && status.nodeMinor == 0
        // Without the right to make devices the kernel marks an empty file.
        case .regular where status.size == 0:
            let attributes = try attributes(entry: name, in: directory.descriptor)
            return attributes["trusted.overlay.whiteout"] != nil || attributes["user.overlay.whiteout"] != nil
        default: return false
        }
    }

    private static func isOpaque(_ entry: Entry) throws -> Bool {
        let attributes = try attributes(entry: entry.name, in: entry.directory.descriptor)
        return attributes["trusted.overlay.opaque"] == [UInt8(ascii: "y")]
            || attributes["user.overlay.opaque"] == [UInt8(ascii: "y")]
    }
}
