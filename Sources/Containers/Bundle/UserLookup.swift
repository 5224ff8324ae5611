/// Who the container's program runs as.
package struct ResolvedUser: Sendable, Equatable {
    package var uid: UInt32 = 0
    package var gid: UInt32 = 0
    /// Supplementary groups, the main one first as docker has it.
    package var groups: [UInt32] = []
    package var home = "/"

    package init(uid: UInt32 = 0, gid: UInt32 = 0, groups: [UInt32] = [], home: String = "/") {
        self.uid = uid
        self.gid = gid
        self.groups = groups
        self.home = home
    }

    /// Finds a user in an image's own account files, by docker's rules.
    ///
    /// - Parameters:
    ///   - text: `user|uid[:group|gid]`; empty is root.
    ///   - additionalGroups: of `--group-add`.
    ///   - passwd: the bytes of the image's `/etc/passwd`, empty where it has none; never the host's.
    ///   - group: of its `/etc/group`.
    package init(
        parsing text: String, additionalGroups: [String] = [], passwd: [UInt8], group: [UInt8]
    ) throws(ContainerError) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let userText = parts[0]
        let groupText = parts.count > 1 ? parts[1] : ""
        let number = Self.number(userText)
        var name: String?
        let entry = Self.fields(passwd).first {
            guard $0.count >= 4 else { return false }
            return userText.isEmpty ? $0[2] == "0" : $0[0] == userText || number.map(String.init) == $0[2]
        }
        if let entry, let uid = Self.number(entry[2]), let gid = Self.number(entry[3]) {
            name = entry[0]
            self.uid = uid
            self.gid = gid
            home = entry.count > 5 && !entry[5].isEmpty ? entry[5] : "/"
        } else if !userText.isEmpty {
            guard let number else {
                throw ContainerError(.failed, "unable to find user \(userText): no matching entries in passwd file")
            }
            uid = number
        }
        let groupRows = Self.fields(group).filter { $0.count >= 3 }
        var members: [UInt32] = []
        if groupText.isEmpty {
            // Membership counts only where the group is not chosen.
            members = groupRows.compactMap { row in
                guard let name, row.count > 3, row[3].split(separator: ",").contains(where: { $0 == name }) else {
                    return nil
                }
                return Self.number(row[2])
            }
        } else {
            gid = try Self.group(groupText, in: groupRows)
        }
        var added: [UInt32] = []
        for text in additionalGroups { added.append(try Self.group(text, in: groupRows)) }
        var seen: Set<UInt32> = []
        groups = ([gid] + members + added).filter { seen.insert($0).inserted }
    }

    private static func group(_ text: String, in rows: [[String]]) throws(ContainerError) -> UInt32 {
        let wanted = number(text)
        let row = rows.first { $0[0] == text || (wanted != nil && $0[2] == wanted.map(String.init)) }
        if let row, let gid = number(row[2]) { return gid }
        guard let wanted else {
            throw ContainerError(.failed, "unable to find group \(text): no matching entries in group file")
        }
        return wanted
    }

    /// A user or group number; the kernel's signed half of the range, as docker.
    private static func number(_ text: String) -> UInt32? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }), let value = UInt32(text),
            value <= 0x7fff_ffff
        else { return nil }
        return value
    }

    private static func fields(_ file: [UInt8]) -> [[String]] {
        file.split(separator: UInt8(ascii: "\n")).compactMap { line in
            let text = String(decoding: line, as: UTF8.self).trimmedBlanks
            if text.isEmpty || text.hasPrefix("#") { return nil }
            return text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        }
    }
}

extension String {
    /// Without blanks at both ends.
    var trimmedBlanks: String {
        var text = self[...]
        while let first = text.first, first.isWhitespace { text.removeFirst() }
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return String(text)
    }
}
