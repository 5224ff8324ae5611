import Glibc

/// A path inside a layer, made safe: below the layer's root whatever the archive spelled.
///
/// Normalises as docker and containerd do: a leading `/` and `./`, doubled and trailing slashes and `.` components fall
/// away, `a/../b` is `b`. What is left climbs nowhere: it is the names from the root down, joined by `/`; empty for the
/// root itself. Names are bytes and need not be UTF-8. A hard link's target is such a path too; a symbolic link's is not.
///
/// This says nothing of symbolic links on the way: whoever opens the path on disk resolves it in the layer's root.
public struct LayerPath: Hashable, Sendable {
    /// The longest path: what the kernel takes in one call, less the NUL.
    public static let maximumLength = 4095
    /// The longest name between two slashes.
    public static let maximumNameLength = 255

    /// What a member of a path means in a layer (image-spec layer.md, "Whiteouts").
    public enum Role: Equatable, Sendable {
        /// An entry of the tree.
        case entry
        /// `.wh.NAME`: hides the sibling NAME in the layers below.
        case whiteout(of: ArraySlice<UInt8>)
        /// `.wh..wh..opq`: hides everything that the layers below have in `parent`.
        case opaque
        /// Another `.wh..wh.*`, or what lies in one: book-keeping of AUFS, no part of the tree.
        case ignored
    }

    /// The names joined by `/`, without a leading or trailing slash; empty for the root.
    public let bytes: [UInt8]
    private let nameStart: Int
    private let mark: Mark

    /// Checks and normalises a path as an archive spells it.
    ///
    /// - Throws: `LayerPathError` for a path that is empty, climbs out, holds a NUL, is too long, or is a whiteout of no name.
    public init(_ spelled: [UInt8]) throws(LayerPathError) {
        guard !spelled.isEmpty else { throw LayerPathError(.empty, spelled) }
        var scan = Scan()
        unsafe spelled.withUnsafeBufferPointer { unsafe scan.run($0) }
        if let reason = scan.failure { throw LayerPathError(reason, spelled) }
        if scan.isNormal, !scan.mayHoldMark {
            // The common case: the storage is shared, not copied, and nothing is allocated.
            bytes = spelled
            nameStart = scan.nameStart
            mark = .entry
        } else {
            var scan = Scan(names: [])
            unsafe spelled.withUnsafeBufferPointer { unsafe scan.run($0) }
            let names = scan.names ?? []
            bytes = scan.isNormal ? spelled : Scan.join(names, of: spelled)
            nameStart = bytes.count - (names.last?.count ?? 0)
            guard let mark = Mark(names: names, of: spelled) else { throw LayerPathError(.namelessWhiteout, spelled) }
            self.mark = mark
        }
        guard bytes.count <= LayerPath.maximumLength else { throw LayerPathError(.tooLong, spelled) }
    }

    /// Whether it is the layer's root.
    public var isRoot: Bool { bytes.isEmpty }

    /// The names from the root down; none for the root.
    public var components: [ArraySlice<UInt8>] { bytes.split(separator: UInt8(ascii: "/")) }

    /// The last name; empty for the root.
    public var name: ArraySlice<UInt8> { bytes[nameStart...] }

    /// The bytes of the path of the directory that holds it; empty where that is the root.
    public var parent: ArraySlice<UInt8> { bytes[..<max(0, nameStart - 1)] }

    /// What a member of this path means.
    public var role: Role {
        switch mark {
        case .entry: .entry
        case .whiteout: .whiteout(of: name.dropFirst(Mark.prefix.count))
        case .opaque: .opaque
        case .ignored: .ignored
        }
    }

    /// Whether both are the same path.
    public static func == (left: LayerPath, right: LayerPath) -> Bool { left.bytes == right.bytes }

    /// Hashes the bytes.
    public func hash(into hasher: inout Hasher) { hasher.combine(bytes) }
}

/// What the names of a path make of it; nil would hide the directory itself or its parent.
private enum Mark {
    case entry, whiteout, opaque, ignored

    static let prefix = Array(".wh.".utf8)

    init?(names: [Range<Int>], of path: [UInt8]) {
        self = .entry
        for (index, range) in names.enumerated() where path[range.lowerBound] == UInt8(ascii: ".") {
            let name = path[range]
            guard name.starts(with: Mark.prefix) else { continue }
            let hidden = name.dropFirst(Mark.prefix.count)
            let isLast = index == names.count - 1
            if hidden.starts(with: Mark.prefix) {
                self = isLast && hidden.elementsEqual(".wh..opq".utf8) ? .opaque : .ignored
                return
            }
            guard isLast else { continue }
            if hidden.count <= 2, hidden.allSatisfy({ $0 == UInt8(ascii: ".") }) { return nil }
            self = .whiteout
        }
    }
}

extension LayerPath: CustomStringConvertible, Comparable {
    /// The path with a leading slash; bytes that are no UTF-8 are replaced.
    public var description: String { "/" + String(decoding: bytes, as: UTF8.self) }

    /// Orders by the bytes of the whole path.
    public static func < (left: LayerPath, right: LayerPath) -> Bool {
        left.bytes.lexicographicallyPrecedes(right.bytes)
    }
}

/// Looks through a spelled path, and keeps its names where they are asked for.
private struct Scan {
    var names: [Range<Int>]?
    var failure: LayerPathError.Reason?
    /// The spelling is the normal form already.
    var isNormal = true
    /// Some name begins like a whiteout's.
    var mayHoldMark = false
    /// Where the last name begins, in the normal form.
    var nameStart = 0
    private var depth = 0

    init(names: [Range<Int>]? = nil) { self.names = names }

    // memchr jumps from slash to slash: fast in debug builds too.
    mutating func run(_ path: UnsafeBufferPointer<UInt8>) {
        guard let base = path.baseAddress else { return }
        if unsafe memchr(base, 0, path.count) != nil { return failure = .holdsNUL }
        var start = 0
        while start <= path.count {
            let slash = start < path.count ? unsafe memchr(base + start, 0x2F, path.count - start) : nil
            let end = unsafe slash.map { unsafe UnsafeRawPointer($0) - UnsafeRawPointer(base) } ?? path.count
            unsafe take(start..<end, of: base)
            if failure != nil { return }
            nameStart = start
            start = end + 1
        }
    }

    private mutating func take(_ range: Range<Int>, of base: UnsafePointer<UInt8>) {
        let dot = UInt8(ascii: ".")
        let beginsWithDot = unsafe !range.isEmpty && base[range.lowerBound] == dot
        if range.isEmpty || (range.count == 1 && beginsWithDot) {
            isNormal = false
        } else if unsafe range.count == 2 && beginsWithDot && base[range.lowerBound + 1] == dot {
            isNormal = false
            depth -= 1
            if depth < 0 { failure = .climbsOut }
            _ = names?.popLast()
        } else if range.count > LayerPath.maximumNameLength {
            failure = .nameTooLong
        } else {
            depth += 1
            if beginsWithDot, unsafe base[range.lowerBound + 1] == UInt8(ascii: "w") { mayHoldMark = true }
            names?.append(range)
        }
    }

    static func join(_ names: [Range<Int>], of spelled: [UInt8]) -> [UInt8] {
        var path: [UInt8] = []
        path.reserveCapacity(spelled.count)
        for name in names {
            if !path.isEmpty { path.append(UInt8(ascii: "/")) }
            path += spelled[name]
        }
        return path
    }
}

/// Why a path may not stand in a layer.
public struct LayerPathError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What is wrong.
    public enum Reason: Sendable {
        /// No path at all.
        case empty
        /// `..` leads out of the layer's root.
        case climbsOut
        /// A NUL byte, where the kernel would cut the path off.
        case holdsNUL
        /// More than `LayerPath.maximumLength` bytes.
        case tooLong
        /// A name of more than `LayerPath.maximumNameLength` bytes.
        case nameTooLong
        /// `.wh.`, `.wh..` or `.wh...`: a whiteout that names nothing in its directory.
        case namelessWhiteout
    }

    /// What is wrong.
    public let reason: Reason
    /// The path as the archive spells it; bytes that are no UTF-8 are replaced, a long one is cut.
    public let path: String

    init(_ reason: Reason, _ path: [UInt8]) {
        self.reason = reason
        self.path = String(decoding: path.prefix(200), as: UTF8.self) + (path.count > 200 ? "…" : "")
    }

    /// A sentence for people.
    public var description: String {
        switch reason {
        case .empty: "an entry without a name: the archive is damaged or made to harm"
        case .climbsOut: "the path `\(path)` leads out of the layer: refused"
        case .holdsNUL: "the path `\(path)` holds a NUL byte: refused"
        case .tooLong: "the path `\(path)` is longer than \(LayerPath.maximumLength) bytes: Linux has no such path"
        case .nameTooLong:
            "the path `\(path)` holds a name longer than \(LayerPath.maximumNameLength) bytes: Linux has no such name"
        case .namelessWhiteout: "the path `\(path)` is a whiteout that names no file: refused"
        }
    }
}
