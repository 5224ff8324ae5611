/// Writes values as Go's encoding/json does.
package enum JSONText {
    /// One line.
    package static func compact(_ value: Value, escapingHTML: Bool = false) -> String {
        var writer = Writer(indent: nil, escapingHTML: escapingHTML)
        writer.write(value, depth: 0)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    /// Many lines, each level deeper by four blanks, as docker's `inspect`.
    package static func indented(_ value: Value, by indent: String = "    ") -> String {
        var writer = Writer(indent: Array(indent.utf8), escapingHTML: false)
        writer.write(value, depth: 0)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    private struct Writer {
        let indent: [UInt8]?
        var escapingHTML: Bool
        var bytes: [UInt8] = []

        mutating func write(_ value: Value, depth: Int) {
            switch value {
            case .missing, .null, .nilList, .nilMap: bytes += "null".utf8
            case .bool(let value): bytes += (value ? "true" : "false").utf8
            case .int(let value): bytes += "\(value)".utf8
            case .double(let value): bytes += GoFormat.jsonNumber(value).utf8
            case .string(let value): write(string: value)
            case .list(let items):
                enclose("[", "]", items.count, depth) { writer, index in writer.write(items[index], depth: depth + 1) }
            case .map(let members):
                let keys = members.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
                enclose("{", "}", keys.count, depth) { writer, index in
                    writer.write(key: keys[index], members[keys[index]] ?? .null, depth)
                }
            case .object(let object):
                let names = object.jsonFields
                let outer = escapingHTML
                escapingHTML = escapingHTML || object.escapesHTML
                enclose("{", "}", names.count, depth) { writer, index in
                    writer.write(key: names[index], object.field(names[index]) ?? .null, depth)
                }
                escapingHTML = outer
            }
        }

        private mutating func write(key: String, _ value: Value, _ depth: Int) {
            write(string: key)
            bytes += (indent == nil ? ":" : ": ").utf8
            write(value, depth: depth + 1)
        }

        private mutating func enclose(
            _ open: String, _ close: String, _ count: Int, _ depth: Int, _ body: (inout Writer, Int) -> Void
        ) {
            bytes += open.utf8
            for index in 0..<count {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                newLine(depth + 1)
                body(&self, index)
            }
            if count > 0 { newLine(depth) }
            bytes += close.utf8
        }

        private mutating func newLine(_ depth: Int) {
            guard let indent else { return }
            bytes.append(UInt8(ascii: "\n"))
            for _ in 0..<depth { bytes += indent }
        }

        private mutating func write(string: String) {
            bytes.append(UInt8(ascii: "\""))
            for scalar in string.unicodeScalars {
                switch scalar {
                case "\"": bytes += "\\\"".utf8
                case "\\": bytes += "\\\\".utf8
                case "\n": bytes += "\\n".utf8
                case "\r": bytes += "\\r".utf8
                case "\t": bytes += "\\t".utf8
                case "\u{8}": bytes += "\\b".utf8
                case "\u{c}": bytes += "\\f".utf8
                case "<", ">", "&":
                    if escapingHTML { escape(scalar) } else { bytes.append(UInt8(ascii: scalar)) }
                case "\u{2028}", "\u{2029}": escape(scalar)
                default:
                    if scalar.value < 0x20 { escape(scalar) } else { bytes += Array(UTF8.encode(scalar) ?? .init()) }
                }
            }
            bytes.append(UInt8(ascii: "\""))
        }

        private mutating func escape(_ scalar: Unicode.Scalar) {
            let digits = String(scalar.value, radix: 16)
            bytes += "\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)".utf8
        }
    }
}
