/// A line of a container's log: what conmon writes as `TIME STREAM F|P TEXT`.
package struct LogEntry: Sendable, Equatable {
    package enum Stream: String, Sendable { case stdout, stderr }

    /// Nanoseconds since 1970.
    package var time: Int64
    package var stream: Stream
    /// The line with its line break; without one where the program has not written it.
    package var text: [UInt8]

    package init(time: Int64, stream: Stream, text: [UInt8]) {
        self.time = time
        self.stream = stream
        self.text = text
    }
}

/// Puts a log's physical lines together: long ones come in parts.
struct LogAssembler {
    private var rest: [UInt8] = []
    private var parts: [LogEntry.Stream: LogEntry] = [:]

    /// Takes the next bytes of the file, and gives the lines that are complete.
    mutating func feed(_ bytes: [UInt8]) -> [LogEntry] {
        rest += bytes
        var entries: [LogEntry] = []
        var start = rest.startIndex
        while let end = rest[start...].firstIndex(of: UInt8(ascii: "\n")) {
            if let entry = take(rest[start..<end]) { entries.append(entry) }
            start = end + 1
        }
        rest.removeSubrange(..<start)
        return entries
    }

    /// What was begun and not ended with a line break: the program's last words.
    mutating func finish() -> [LogEntry] {
        defer { parts = [:] }
        return parts.values.sorted { $0.time < $1.time }
    }

    private mutating func take(_ line: ArraySlice<UInt8>) -> LogEntry? {
        guard let (entry, isPartial) = Self.parse(line) else { return nil }
        if var begun = parts[entry.stream] {
            begun.text += entry.text
            parts[entry.stream] = isPartial ? begun : nil
            if isPartial { return nil }
            begun.text.append(UInt8(ascii: "\n"))
            return begun
        }
        if isPartial {
            parts[entry.stream] = entry
            return nil
        }
        var whole = entry
        whole.text.append(UInt8(ascii: "\n"))
        return whole
    }

    /// nil for what conmon did not write: the torn end of a log after a power loss.
    static func parse(_ line: ArraySlice<UInt8>) -> (entry: LogEntry, isPartial: Bool)? {
        let space = UInt8(ascii: " ")
        guard let first = line.firstIndex(of: space), let second = line[(first + 1)...].firstIndex(of: space),
            second + 2 < line.endIndex, line[second + 2] == space,
            let time = Timestamp.parse(String(decoding: line[..<first], as: UTF8.self)),
            let stream = LogEntry.Stream(rawValue: String(decoding: line[(first + 1)..<second], as: UTF8.self))
        else { return nil }
        let tag = line[second + 1]
        guard tag == UInt8(ascii: "F") || tag == UInt8(ascii: "P") else { return nil }
        return (LogEntry(time: time, stream: stream, text: Array(line[(second + 3)...])), tag == UInt8(ascii: "P"))
    }
}
