/// JSON as people read it: one line a member, indented. The text is laid out anew, never understood: numbers and strings
/// stay as they are, and what is no JSON comes out as it is.
enum PrettyJSON {
    /// A config is shown up to here; the rest is for tools.
    private static let longest = 256 << 10

    static func text(_ bytes: [UInt8]) -> String {
        var result: [UInt8] = []
        var depth = 0
        var isString = false
        var isEscaped = false
        func newLine() { result += [10] + [UInt8](repeating: 32, count: 2 * min(max(depth, 0), 40)) }
        for byte in bytes.prefix(longest) {
            if isString {
                result.append(byte)
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isString = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""):
                isString = true
                result.append(byte)
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                result.append(byte)
                newLine()
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                newLine()
                result.append(byte)
            case UInt8(ascii: ","):
                result.append(byte)
                newLine()
            case UInt8(ascii: ":"): result += [byte, 32]
            case 9, 10, 13, 32: break
            default: result.append(byte)
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
