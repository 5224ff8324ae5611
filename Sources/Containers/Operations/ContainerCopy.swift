import Archive
import Glibc
import Linux
import Snapshots

/// How `cp` copies.
package struct CopyOptions: Sendable {
    /// Keep the owners of the source.
    package var keepsOwners = false
    /// Copy what a symbolic link at the source leads to, not the link.
    package var followsLinks = false

    package init() {}
}

/// One end of a copy: a path below a root that is trusted, or not, to keep its links inside.
private struct CopyEnd {
    /// `/` of the host, or a container's root.
    var root: String
    /// As the person wrote it, made absolute.
    var path: String

    /// `path/.`: what is in the directory, not the directory.
    var meansContents: Bool { path.hasSuffix("/.") }
    var mustBeDirectory: Bool { path.hasSuffix("/") || path.hasSuffix("/.") }
    var clean: String { cleanPath(path) }
    var parent: String { Linux.parent(of: clean) }
    var name: [UInt8] {
        Array(clean.utf8.drop { $0 == UInt8(ascii: "/") }.split(separator: UInt8(ascii: "/")).last ?? [])
    }
}

extension ContainerService {
    /// Copies a file or directory of a container to the host, by docker's rules.
    ///
    /// - Parameter target: absolute.
    /// - Returns: the bytes copied.
    @discardableResult
    package func copy(from id: ContainerID, _ source: String, to target: String, _ options: CopyOptions = CopyOptions())
        throws -> Int64
    {
        try withRoot(id, mounting: true) { root in
            let owner = options.keepsOwners ? nil : (uid: geteuid(), gid: getegid())
            return try Self.copy(
                CopyEnd(root: root, path: absolute(source)), CopyEnd(root: "/", path: target), owner: owner,
                followsLinks: options.followsLinks)
        }
    }

    /// Copies a file or directory of the host into a container.
    ///
    /// - Parameter source: absolute.
    /// - Returns: the bytes copied.
    @discardableResult
    package func copy(_ source: String, to id: ContainerID, _ target: String, _ options: CopyOptions = CopyOptions())
        throws -> Int64
    {
        try checkWritable(id, target)
        return try withRoot(id, mounting: true) { root in
            let owner: (uid: UInt32, gid: UInt32)? = options.keepsOwners ? nil : (uid: 0, gid: 0)
            return try Self.copy(
                CopyEnd(root: "/", path: source), CopyEnd(root: root, path: absolute(target)), owner: owner,
                followsLinks: options.followsLinks)
        }
    }

    /// Writes a file or directory of a container as a tar.
    package func copyOut(
        _ id: ContainerID, _ source: String, followsLinks: Bool = false,
        to output: @escaping (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        try withRoot(id, mounting: true) { root in
            let end = CopyEnd(root: root, path: absolute(source))
            var writer = unsafe TarWriter(to: output)
            try Self.read(end, as: end.name.isEmpty ? [] : end.name, followsLinks: followsLinks, to: &writer)
            try writer.finish()
        }
    }

    /// Unpacks a tar into a directory of a container.
    ///
    /// - Parameter input: gives the tar's next bytes; empty at its end.
    package func copyIn(
        _ id: ContainerID, _ target: String, keepsOwners: Bool = false, from input: () throws -> [UInt8]
    ) throws {
        try checkWritable(id, target)
        try withRoot(id, mounting: true) { root in
            let end = CopyEnd(root: root, path: absolute(target))
            guard try ConfinedTree(root).status(of: end.clean)?.kind == .directory else {
                throw ContainerError(.invalid, "destination \"\(target)\" must be a directory")
            }
            let writer = try TreeWriter(
                directory: root, refusesKindChange: true, owner: keepsOwners ? nil : (uid: 0, gid: 0))
            var handler = BelowHandler(prefix: Array(end.clean.utf8) + [UInt8(ascii: "/")], writer: writer)
            var parser = TarParser()
            while true {
                let bytes = try input()
                if bytes.isEmpty { break }
                try unsafe bytes.withUnsafeBytes { try unsafe parser.consume($0, into: &handler) }
            }
            try parser.finish()
            try writer.finish()
        }
    }

    private func absolute(_ path: String) -> String { path.hasPrefix("/") ? path : "/" + path }

    /// Refuses what the container's own programs could not write either.
    private func checkWritable(_ id: ContainerID, _ target: String) throws {
        let record = try store.record(id)
        let path = cleanPath(absolute(target))
        let holding = record.mounts.filter { path == $0.destination || path.hasPrefix($0.destination + "/") }
            .max { $0.destination.count < $1.destination.count }
        if let holding {
            if !holding.isWritable { throw ContainerError(.invalid, "mounted volume is marked read-only") }
        } else if record.hostConfig.readonlyRootfs {
            throw ContainerError(.invalid, "container rootfs is marked read-only")
        }
    }

    // MARK: Rules

    /// Where the copy's top entry goes: docker's table of what the source is and what is at the target.
    private static func copy(
        _ source: CopyEnd, _ target: CopyEnd, owner: (uid: UInt32, gid: UInt32)?, followsLinks: Bool
    )
        throws -> Int64
    {
        let from = try ConfinedTree(source.root)
        guard let kind = try from.status(of: source.clean, noFollow: !followsLinks && !source.mustBeDirectory)?.kind
        else {
            throw ContainerError(
                .notFound, "Could not find the file \(source.clean) in container: no such file or directory")
        }
        if source.mustBeDirectory, kind != .directory {
            throw ContainerError(.invalid, "not a directory: \(source.path)")
        }
        let into = try ConfinedTree(target.root)
        let there = try into.status(of: target.clean)
        let place: String
        switch (kind == .directory, there?.kind) {
        case (_, .directory?) where kind == .directory && source.meansContents: place = target.clean
        case (_, .directory?): place = target.clean + "/" + String(decoding: source.name, as: UTF8.self)
        case (true, .some): throw ContainerError(.invalid, "cannot copy directory")
        case (false, .some):
            if target.mustBeDirectory { throw ContainerError(.invalid, "not a directory: \(target.path)") }
            place = target.clean
        case (let isDirectory, nil):
            guard try into.status(of: target.parent)?.kind == .directory else {
                throw ContainerError(.notFound, "no such directory: \(target.parent)")
            }
            if !isDirectory, target.mustBeDirectory {
                throw ContainerError(.notFound, "no such directory: \(target.path)")
            }
            place = target.clean
        }
        let writer = try TreeWriter(directory: target.root, refusesKindChange: true, owner: owner)
        var counter = CountingHandler(writer: writer)
        let name = Array(place.utf8.drop { $0 == UInt8(ascii: "/") })
        try read(source, as: name, followsLinks: followsLinks, to: &counter)
        try writer.finish()
        return counter.bytes
    }

    /// Gives what is at a path, its top entry under another name.
    private static func read(_ end: CopyEnd, as name: [UInt8], followsLinks: Bool, to handler: inout some TarHandler)
        throws
    {
        let tree = try ConfinedTree(end.root)
        guard let status = try tree.status(of: end.clean, noFollow: !followsLinks && !end.mustBeDirectory) else {
            throw ContainerError(
                .notFound, "Could not find the file \(end.clean) in container: no such file or directory")
        }
        var reader = TreeReader()
        reader.crossesMounts = true
        reader.wantsAttribute = {
            $0 == "security.capability" || $0.hasPrefix("user.") && !$0.hasPrefix("user.overlay.")
        }
        if status.kind == .directory {
            reader.prefix = name.isEmpty ? [] : name + [UInt8(ascii: "/")]
            return try reader.read(try tree.open(end.clean, .directory), to: &handler)
        }
        // A file, opened by its directory and its last name: where the path is a link that is followed, the link's own.
        var directory = try tree.open(end.parent, .directory)
        var last = end.name
        var links = 0
        while followsLinks, try FileStatus(entry: last, in: directory).kind == .symbolicLink {
            links += 1
            if links > 40 { throw SystemError(errno: ELOOP, operation: "follow", subject: end.clean) }
            let target = String(decoding: try readLink(entry: last, in: directory), as: UTF8.self)
            let path = target.hasPrefix("/") ? target : try Self.path(of: directory, in: end.root) + "/" + target
            let next = CopyEnd(root: end.root, path: path)
            directory = try tree.open(next.parent, .directory)
            last = next.name
        }
        try reader.read(entry: last, as: name, in: directory, to: &handler)
    }

    /// An open directory's path below its root.
    private static func path(of directory: borrowing OwnedDescriptor, in root: String) throws -> String {
        let handle = try open(root, .handle)
        let top = try readLink("/proc/self/fd/\(handle.raw)")
        let path = try readLink("/proc/self/fd/\(directory.raw)")
        return top == "/" ? path : String(path.dropFirst(top.count))
    }
}

/// Puts every member below a directory, links by their archive's own names included.
private struct BelowHandler: TarHandler {
    let prefix: [UInt8]
    let writer: TreeWriter

    func begin(_ entry: TarEntry) throws {
        var entry = entry
        entry.path = prefix + inside(entry.path)
        if entry.kind == .hardLink { entry.linkTarget = prefix + inside(entry.linkTarget) }
        try writer.begin(entry)
    }

    /// `..` stops at the directory, not at the container's root.
    private func inside(_ path: [UInt8]) -> [UInt8] {
        var parts: [ArraySlice<UInt8>] = []
        for part in path.split(separator: UInt8(ascii: "/")) where Array(part) != [UInt8(ascii: ".")] {
            if Array(part) == Array("..".utf8) { _ = parts.popLast() } else { parts.append(part) }
        }
        return Array(parts.joined(separator: [UInt8(ascii: "/")]))
    }

    func data(_ bytes: UnsafeRawBufferPointer) throws { try unsafe writer.data(bytes) }
    func end() throws { try writer.end() }
}

/// Counts what goes through.
private struct CountingHandler: TarHandler {
    let writer: TreeWriter
    var bytes: Int64 = 0

    mutating func begin(_ entry: TarEntry) throws { try writer.begin(entry) }
    mutating func data(_ piece: UnsafeRawBufferPointer) throws {
        bytes += Int64(piece.count)
        try unsafe writer.data(piece)
    }
    mutating func end() throws { try writer.end() }
}
