import Glibc
package import OCI

/// An uncompressed layer tar, made in memory: ustar headers, and pax records where those do not suffice.
package struct LayerTar: Sendable {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    package init(_ members: [Member]) { members.forEach { add($0) } }

    package struct Member: Sendable {
        package var path: [UInt8]
        package var type: Character
        package var mode: UInt16
        package var uid: UInt32 = 0
        package var gid: UInt32 = 0
        package var mtime: (seconds: Int64, nanoseconds: UInt32) = (1_700_000_000, 0)
        package var link: [UInt8] = []
        package var device: (major: UInt32, minor: UInt32) = (0, 0)
        package var attributes: [(name: String, value: [UInt8])] = []
        package var data: [UInt8] = []
        /// Offsets and lengths of the runs of a sparse file of a size; the runs' bytes are `data`.
        package var sparse: (size: Int64, runs: [(offset: Int64, length: Int64)])?
        /// Records that say what they like.
        package var records: [(name: String, value: [UInt8])] = []

        package init(_ path: [UInt8], _ type: Character, mode: UInt16) {
            self.path = path
            self.type = type
            self.mode = mode
        }

        package static func file(_ path: String, _ text: String = "", mode: UInt16 = 0o644) -> Member {
            var member = Member(Array(path.utf8), "0", mode: mode)
            member.data = Array(text.utf8)
            return member
        }

        package static func directory(_ path: String, mode: UInt16 = 0o755) -> Member {
            Member(Array(path.utf8), "5", mode: mode)
        }

        package static func symbolicLink(_ path: String, to target: String) -> Member {
            var member = Member(Array(path.utf8), "2", mode: 0o777)
            member.link = Array(target.utf8)
            return member
        }

        package static func hardLink(_ path: String, to target: String) -> Member {
            var member = Member(Array(path.utf8), "1", mode: 0o644)
            member.link = Array(target.utf8)
            return member
        }

        /// A device (`3` character, `4` block) or a fifo (`6`).
        package static func node(_ path: String, _ type: Character, _ major: UInt32 = 0, _ minor: UInt32 = 0) -> Member
        {
            var member = Member(Array(path.utf8), type, mode: 0o660)
            member.device = (major, minor)
            return member
        }

        /// The member changed.
        package func with(_ change: (inout Member) -> Void) -> Member {
            var member = self
            change(&member)
            return member
        }
    }

    package mutating func add(_ member: Member) {
        var data = member.data
        var records = member.attributes.map { (name: "SCHILY.xattr.\($0.name)", value: $0.value) }
        if member.mtime.nanoseconds != 0 || member.mtime.seconds < 0 {
            let digits = String(1_000_000_000 + Int(member.mtime.nanoseconds)).dropFirst()
            records.append(("mtime", Array("\(member.mtime.seconds).\(digits)".utf8)))
        }
        if member.path.count > 100 { records.append(("path", member.path)) }
        if member.link.count > 100 { records.append(("linkpath", member.link)) }
        if let sparse = member.sparse {
            var map = "\(sparse.runs.count)\n"
            for run in sparse.runs { map += "\(run.offset)\n\(run.length)\n" }
            data = Self.padded(Array(map.utf8)) + data
            records += [
                ("GNU.sparse.major", Array("1".utf8)), ("GNU.sparse.minor", Array("0".utf8)),
                ("GNU.sparse.name", member.path), ("GNU.sparse.realsize", Array("\(sparse.size)".utf8)),
            ]
        }
        records += member.records
        if !records.isEmpty {
            let body = records.flatMap { Self.record($0.name, $0.value) }
            bytes += Self.header(Member(Array("pax".utf8), "x", mode: 0o644), size: body.count) + Self.padded(body)
        }
        bytes += Self.header(member, size: data.count) + Self.padded(data)
    }

    /// The archive with its end.
    package var finished: [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }

    private static func padded(_ bytes: [UInt8]) -> [UInt8] {
        bytes + [UInt8](repeating: 0, count: -bytes.count & 511)
    }

    /// `LENGTH NAME=VALUE\n`, the length counting itself.
    private static func record(_ name: String, _ value: [UInt8]) -> [UInt8] {
        let rest = name.utf8.count + value.count + 3
        var length = rest + 1
        while String(length).utf8.count + rest != length { length = String(length).utf8.count + rest }
        return Array("\(length) \(name)=".utf8) + value + [10]
    }

    private static func header(_ member: Member, size: Int) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ offset: Int, _ bytes: [UInt8]) {
            block.replaceSubrange(offset..<(offset + bytes.count), with: bytes)
        }
        func octal(_ number: Int64, _ digits: Int) -> [UInt8] {
            let text = String(max(number, 0), radix: 8)
            return Array((String(repeating: "0", count: digits - text.count) + text).utf8)
        }
        put(0, Array(member.path.prefix(100)))
        put(100, octal(Int64(member.mode), 7))
        put(108, octal(Int64(member.uid), 7))
        put(116, octal(Int64(member.gid), 7))
        put(124, octal(Int64(size), 11))
        put(136, octal(member.mtime.seconds, 11))
        put(148, Array("        ".utf8))
        put(156, Array(member.type.utf8))
        put(157, Array(member.link.prefix(100)))
        put(257, Array("ustar\0".utf8) + Array("00".utf8))
        put(329, octal(Int64(member.device.major), 7))
        put(337, octal(Int64(member.device.minor), 7))
        let sum = block.reduce(0) { $0 + Int64($1) }
        put(148, octal(sum, 6) + [0])
        return block
    }
}

/// The SHA-256 digest of some bytes.
package func digest(of bytes: [UInt8]) -> Digest {
    var hasher = DigestHasher(.sha256)
    hasher.update(bytes)
    return hasher.finalize()
}
