import Archive
import Linux

/// Writes a tar's entries below a directory, never outside it: every path is resolved with the directory as the root, so
/// that neither `..` nor a symbolic link leads out.
///
/// An entry replaces what has its name; a directory that is there stays, with its content.
final class TreeWriter: TarHandler {
    /// What to do where the entry's place is taken by something of another kind.
    private let refusesKindChange: Bool
    /// Who owns what is written; nil keeps the archive's owners.
    private let owner: (uid: UInt32, gid: UInt32)?
    private let root: ConfinedTree
    private var directoryTimes: [(path: [UInt8], seconds: Int64, nanoseconds: UInt32)] = []
    private var current: Current?

    private final class Current {
        let file: OwnedDescriptor
        let entry: TarEntry
        var run = 0
        var offset: Int64

        init(_ file: consuming OwnedDescriptor, _ entry: TarEntry) {
            self.file = file
            self.entry = entry
            offset = entry.sparse?.first?.offset ?? 0
        }
    }

    /// - Parameters:
    ///   - directory: an existing one; the paths' root.
    ///   - refusesKindChange: a directory is not replaced by a file, nor the reverse.
    init(directory: String, refusesKindChange: Bool = false, owner: (uid: UInt32, gid: UInt32)? = nil) throws {
        root = try ConfinedTree(directory)
        self.refusesKindChange = refusesKindChange
        self.owner = owner
    }

    func begin(_ entry: TarEntry) throws {
        let parts = try Self.components(entry.path)
        guard let name = parts.last else {
            // The root itself.
            if entry.kind == .directory {
                try finishDirectory([UInt8(ascii: ".")], [], entry, in: try root.open("/", .directory))
            }
            return
        }
        let parentPath = Array(parts.dropLast().joined(separator: [UInt8(ascii: "/")]))
        let parent = try directory(parentPath)
        try clear(name, for: entry, in: parent)
        switch entry.kind {
        case .directory:
            do { try makeDirectory(entry: name, in: parent, permissions: 0o700) } catch {
                if error.kind != .exists { throw error }
            }
            try finishDirectory(name, Array(parts.joined(separator: [UInt8(ascii: "/")])), entry, in: parent)
        case .file:
            let file = try open(entry: name, in: parent, .createNew, permissions: 0o600)
            if entry.sparse != nil { try setLength(entry.size, of: file, String(decoding: name, as: UTF8.self)) }
            current = Current(file, entry)
            try own(entry, name, in: parent)
        case .hardLink:
            let target = try Self.components(entry.linkTarget)
            guard let old = target.last else { throw Self.invalid(entry, "links to the root") }
            let above = try directory(Array(target.dropLast().joined(separator: [UInt8(ascii: "/")])), mustExist: true)
            try makeLink(entry: name, in: parent, to: old, in: above)
        case .symbolicLink:
            try makeSymbolicLink(entry: name, in: parent, to: entry.linkTarget)
            try own(entry, name, in: parent)
            try setTime(entry.mtimeSeconds, entry.mtimeNanoseconds, entry: name, in: parent)
        case .characterDevice, .blockDevice, .fifo:
            let kind: FileStatus.Kind =
                entry.kind == .fifo ? .fifo : entry.kind == .blockDevice ? .blockDevice : .characterDevice
            try makeNode(
                entry: name, in: parent, kind: kind, mode: 0o600, major: entry.deviceMajor, minor: entry.deviceMinor)
            try own(entry, name, in: parent)
            try setMode(entry.mode, entry: name, in: parent)
            try setTime(entry.mtimeSeconds, entry.mtimeNanoseconds, entry: name, in: parent)
        }
    }

    func data(_ bytes: UnsafeRawBufferPointer) throws {
        guard let current else { return }
        let subject = String(decoding: current.entry.path, as: UTF8.self)
        guard let runs = current.entry.sparse else {
            try unsafe writeAll(bytes, to: current.file.raw, subject)
            return
        }
        var rest = unsafe bytes
        while unsafe !rest.isEmpty, current.run < runs.count {
            let run = runs[current.run]
            let left = run.offset + run.length - current.offset
            let count = Int(min(Int64(rest.count), left))
            try unsafe pwriteAll(
                UnsafeRawBufferPointer(rebasing: rest[..<count]), to: current.file.raw, at: current.offset, subject)
            unsafe rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            current.offset += Int64(count)
            if current.offset == run.offset + run.length {
                current.run += 1
                if current.run < runs.count { current.offset = runs[current.run].offset }
            }
        }
    }

    func end() throws {
        guard let current else { return }
        self.current = nil
        let entry = current.entry
        let subject = String(decoding: entry.path, as: UTF8.self)
        try setMode(entry.mode, of: current.file, subject)
        // After the data: writing takes capabilities away.
        for attribute in entry.attributes { try set(attribute, at: "/proc/self/fd/\(current.file.raw)") }
        try setTime(entry.mtimeSeconds, entry.mtimeNanoseconds, of: current.file, subject)
    }

    /// Sets the times of the directories, which writing into them changed.
    func finish() throws {
        for entry in directoryTimes.reversed() {
            let directory = try directory(entry.path, mustExist: true)
            try setTime(entry.seconds, entry.nanoseconds, entry: [UInt8(ascii: ".")], in: directory)
        }
        directoryTimes = []
    }

    // MARK: Parts

    private func set(_ attribute: TarEntry.Attribute, at path: String) throws {
        do { try setAttributeFollowing(attribute.name, attribute.value, of: path) } catch {
            // A file system without attributes, or ones that only the kernel sets: as docker, go without.
            if error.kind != .notSupported && error.kind != .permission { throw error }
        }
    }

    private func own(_ entry: TarEntry, _ name: [UInt8], in parent: borrowing OwnedDescriptor) throws {
        try setOwner(owner?.uid ?? entry.uid, owner?.gid ?? entry.gid, entry: name, in: parent)
    }

    private func finishDirectory(
        _ name: [UInt8], _ path: [UInt8], _ entry: TarEntry, in parent: borrowing OwnedDescriptor
    ) throws {
        try own(entry, name, in: parent)
        try setMode(entry.mode, entry: name, in: parent)
        let directory = try open(entry: name, in: parent, .directory)
        for attribute in entry.attributes { try set(attribute, at: "/proc/self/fd/\(directory.raw)") }
        directoryTimes.append((path, entry.mtimeSeconds, entry.mtimeNanoseconds))
    }

    private func directory(_ path: [UInt8], mustExist: Bool = false) throws -> OwnedDescriptor {
        if path.isEmpty { return try root.open("/", .directory) }
        // Names that are no text are walked byte by byte; the kernel resolves the links of all others.
        if let text = String(validating: path, as: UTF8.self) {
            return mustExist ? try root.open(text, .directory) : try root.makeDirectories(text)
        }
        var above = try root.open("/", .directory)
        for part in path.split(separator: UInt8(ascii: "/")).map(Array.init) {
            if !mustExist {
                do { try makeDirectory(entry: part, in: above, permissions: 0o755) } catch {
                    if error.kind != .exists { throw error }
                }
            }
            above = try open(entry: part, in: above, .directory)
        }
        return above
    }

    /// Frees an entry's name, unless a directory goes over a directory.
    private func clear(_ name: [UInt8], for entry: TarEntry, in parent: borrowing OwnedDescriptor) throws {
        let there: FileStatus
        do { there = try FileStatus(entry: name, in: parent) } catch {
            if error.kind == .notFound { return }
            throw error
        }
        let isDirectory = entry.kind == .directory
        if isDirectory, there.kind == .directory { return }
        if refusesKindChange, there.kind == .directory {
            throw Self.invalid(entry, "cannot overwrite directory with non-directory")
        }
        if refusesKindChange, isDirectory { throw Self.invalid(entry, "cannot overwrite non-directory with directory") }
        if there.kind == .directory {
            try removeTree(entry: name, in: parent)
        } else {
            try removeEntry(name, in: parent)
        }
    }

    /// The parts of a path without `.`; `..` goes up, but never above the root.
    private static func components(_ path: [UInt8]) throws -> [[UInt8]] {
        var parts: [[UInt8]] = []
        for part in path.split(separator: UInt8(ascii: "/")).map(Array.init) where part != [UInt8(ascii: ".")] {
            if part == Array("..".utf8) { _ = parts.popLast() } else { parts.append(part) }
        }
        return parts
    }

    private static func invalid(_ entry: TarEntry, _ what: String) -> ContainerError {
        ContainerError(.invalid, "\(what): \"/\(String(decoding: entry.path, as: UTF8.self))\"")
    }
}
