/// One mount of this process's mount namespace, as `/proc/self/mountinfo` tells.
package struct MountEntry: Sendable, Equatable {
    /// Where it is attached.
    package var target: String
    /// The file system's kind: `overlay`, `erofs`.
    package var kind: String
    /// What it was made from, as its maker said.
    package var source: String
    /// The options of the file system, still escaped: `name=value`, `name`.
    package var options: [Substring]
}

/// Every mount that this process sees, in the order they were made.
package func mountTable() throws(SystemError) -> [MountEntry] {
    // 500 layers in each of some thousand overlays; what is longer is no table of mounts.
    let bytes = try readFile("/proc/self/mountinfo", limit: 256 << 20)
    return parseMountTable(bytes)
}

/// Reads `ID PARENT MAJOR:MINOR ROOT TARGET OPTIONS [FIELD…] - KIND SOURCE OPTIONS` lines.
func parseMountTable(_ bytes: [UInt8]) -> [MountEntry] {
    String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap { line in
        let words = line.split(separator: " ")
        guard words.count >= 9, let dash = words[6...].firstIndex(of: "-"), words.count > dash + 3 else { return nil }
        return MountEntry(
            target: unescaped(words[4]), kind: String(words[dash + 1]), source: unescaped(words[dash + 2]),
            options: words[dash + 3].split(separator: ","))
    }
}

/// Replaces the `\ooo` by which the kernel writes blanks, line ends and backslashes.
package func unescaped(_ word: some StringProtocol) -> String {
    guard word.utf8.contains(UInt8(ascii: "\\")) else { return String(word) }
    let bytes = Array(word.utf8)
    var result: [UInt8] = []
    var at = 0
    while at < bytes.count {
        if bytes[at] == UInt8(ascii: "\\"), at + 3 < bytes.count,
            let value = UInt8(String(decoding: bytes[(at + 1)...(at + 3)], as: UTF8.self), radix: 8)
        {
            result.append(value)
            at += 4
        } else {
            result.append(bytes[at])
            at += 1
        }
    }
    return String(decoding: result, as: UTF8.self)
}
