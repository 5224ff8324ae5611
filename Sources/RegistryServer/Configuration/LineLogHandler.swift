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
        let time = utcNow()
        let line: String
        switch format {
        case .text:
            let pairs = all.map { "\($0.key)=\(Self.quoted("\($0.value)"))" }
            line = ([time, "\(event.level)", "\(event.message)"] + pairs).joined(separator: " ")
        case .json:
            var fields = all.map { ($0.key, "\($0.value)") }
            fields.insert(
                contentsOf: [("time", time), ("level", "\(event.level)"), ("message", "\(event.message)")], at: 0)
            line = "{" + fields.map { "\(Self.json($0.0)):\(Self.json($0.1))" }.joined(separator: ",") + "}"
        }
        let bytes = Array((line + "\n").utf8)
        // One write a line: lines of several threads do not mix.
        _ = unsafe bytes.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
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
