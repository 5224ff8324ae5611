package import Linux
import OCI

/// Everything that can be seen of a file tree, for comparing two of them entry by entry.
package struct TreeListing: Sendable {
    package struct Entry: Equatable, Sendable {
        package var kind: FileStatus.Kind
        package var mode: UInt16
        package var owner: [UInt32]
        /// Seconds and nanoseconds.
        package var time: [Int64]
        package var target: [UInt8] = []
        package var device: [UInt32]
        package var attributes: [String: [UInt8]] = [:]
        package var size: Int64 = 0
        package var hash: String = ""
        /// The first of the names that this file has in the tree.
        package var firstName: [UInt8]
    }

    package private(set) var entries: [[UInt8]: Entry] = [:]

    /// Reads a tree, its root included; symbolic links are not followed. Attributes of overlayfs are left out.
    package init(_ path: String) throws {
        var names: [[UInt64]: [UInt8]] = [:]
        try read(try open(path, .directory), [], &names)
    }

    private mutating func read(
        _ directory: borrowing OwnedDescriptor, _ path: [UInt8], _ names: inout [[UInt64]: [UInt8]]
    ) throws {
        if path.isEmpty { entries[[]] = try entry([UInt8(ascii: ".")], directory, [], &names) }
        for name in try namesBytes(in: directory).sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            let full = path.isEmpty ? name : path + [UInt8(ascii: "/")] + name
            let entry = try entry(name, directory, full, &names)
            entries[full] = entry
            if entry.kind == .directory { try read(try open(entry: name, in: directory, .directory), full, &names) }
        }
    }

    private func entry(
        _ name: [UInt8], _ directory: borrowing OwnedDescriptor, _ path: [UInt8], _ names: inout [[UInt64]: [UInt8]]
    ) throws -> Entry {
        let status = try FileStatus(entry: name, in: directory)
        var entry = Entry(
            kind: status.kind, mode: status.mode, owner: [status.uid, status.gid],
            time: [status.mtimeSeconds, Int64(status.mtimeNanoseconds)], device: [status.nodeMajor, status.nodeMinor],
            firstName: path)
        if status.kind != .directory, status.links > 1 {
            let identity = [UInt64(status.deviceMajor), UInt64(status.deviceMinor), status.inode]
            entry.firstName = names[identity] ?? path
            names[identity] = entry.firstName
        }
        entry.attributes = try attributes(entry: name, in: directory).filter { !$0.key.contains(".overlay.") }
        switch status.kind {
        case .symbolicLink: entry.target = try readLink(entry: name, in: directory)
        case .regular:
            entry.size = status.size
            entry.hash = try hash(name, directory, status.size)
        default: break
        }
        return entry
    }

    private func hash(_ name: [UInt8], _ directory: borrowing OwnedDescriptor, _ size: Int64) throws -> String {
        let file = try open(entry: name, in: directory, .read)
        var hasher = DigestHasher(.sha256)
        var position: Int64 = 0
        // Holes of sparse files are told by where the data is: hashing gigabytes of zeros takes long.
        while let run = try nextData(in: file, from: position, "file"), run.lowerBound < size {
            position = run.lowerBound
            while position < min(run.upperBound, size) {
                var buffer = [UInt8](repeating: 0, count: Int(min(1 << 20, min(run.upperBound, size) - position)))
                let count = try unsafe buffer.withUnsafeMutableBytes {
                    try unsafe preadFull(from: file.raw, at: position, into: $0, "file")
                }
                // A block of zeros may be a hole elsewhere.
                for start in stride(from: 0, to: count, by: 4096) {
                    let piece = buffer[start..<min(start + 4096, count)]
                    if piece.elementsEqual(repeatElement(0, count: piece.count)) { continue }
                    hasher.update(Array("\(position + Int64(start)) ".utf8))
                    hasher.update(Array(piece))
                }
                position += Int64(count)
            }
        }
        return hasher.finalize().hex
    }

    /// What differs between two trees, a sentence each; at most some.
    package func differences(from other: TreeListing, limit: Int = 20) -> [String] {
        var found: [String] = []
        let paths = Set(entries.keys).union(other.entries.keys).sorted { $0.lexicographicallyPrecedes($1) }
        for path in paths where entries[path] != other.entries[path] {
            let shown = "/" + String(decoding: path, as: UTF8.self)
            switch (entries[path], other.entries[path]) {
            case (let one?, nil): found.append("\(shown) is too much: \(one)")
            case (nil, let one?): found.append("\(shown) is missing: \(one)")
            case (let one?, let two?): found.append("\(shown): \(one) is not \(two)")
            default: break
            }
            if found.count >= limit { break }
        }
        return found
    }

    /// The paths, sorted.
    package var paths: [String] { entries.keys.map { String(decoding: $0, as: UTF8.self) }.sorted() }
}
