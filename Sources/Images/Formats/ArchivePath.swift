/// A member's place in an image archive: the path with `.` and empty parts left out. Nothing is ever unpacked under it, but
/// whoever climbs out of an archive means no good.
enum ArchivePath {
    /// - Returns: nil where the path leaves the archive.
    static func normalized(_ path: some StringProtocol, in directory: String = "") -> String? {
        if !directory.isEmpty, path.hasPrefix("/") { return nil }
        var parts = directory.split(separator: "/").map(String.init)
        for part in path.split(separator: "/") where part != "." {
            if part == ".." {
                if parts.popLast() == nil { return nil }
            } else {
                parts.append(String(part))
            }
        }
        return parts.joined(separator: "/")
    }

    static func parent(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
    }
}
