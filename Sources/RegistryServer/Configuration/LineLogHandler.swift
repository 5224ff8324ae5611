import Glibc
package import Logging

/// One line an entry on standard error: `time level message key=value`, or JSON for machines.
package struct LineLogHandler: LogHandler {
    package enum Format: String, Sendable, CaseIterable { case text, json }

    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]
    private let format: Format

    package init(level: Logger.Level, format: Format) {
        logLevel = level
        self.format = format
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
        write(event.level, "\(event.message)", all.map { ($0.key, "\($0.value)") })
    }

    /// Writes an entry whose fields are in order of their names.
    func write(_ level: Logger.Level, _ message: String, _ fields: [(name: String, value: String)]) {
        let time = Clock.now()
        var line: String
        switch format {
        case .text:
            line = "\(time) \(level) \(message)"
            for field in fields { line += " \(field.name)=\(Self.quoted(field.value))" }
        case .json:
            line = "{\"time\":\(Self.json(time)),\"level\":\"\(level)\",\"message\":\(Self.json(message))"
            for field in fields { line += ",\(Self.json(field.name)):\(Self.json(field.value))" }
            line += "}"
        }
        line += "\n"
        // One write a line: lines of several threads do not mix.
        line.withUTF8 { _ = unsafe Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// What a client sent must not be able to begin a line of its own.
    private static func quoted(_ text: String) -> String {
        let plain = text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "\"") && $0 < 0x80 }
        return plain && !text.isEmpty ? text : json(text)
    }

    private static func json(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
