/// A piece of a template's text.
struct Token: Sendable, Equatable {
    enum Kind: Sendable, Equatable {
        /// Plain text between actions.
        case text(String)
        case leftDelimiter, rightDelimiter
        /// `.Name`.
        case field(String)
        /// `$` or `$name`, without the dollar.
        case variable(String)
        /// A function, a keyword, `true`, `false` or `nil`.
        case word(String)
        case integer(Int64)
        case double(Double)
        case string(String)
        case dot, leftParenthesis, rightParenthesis, pipe, declare, assign, comma
        /// A printable character that means nothing; the parser refuses it where it stands.
        case stray
        case end
    }

    var kind: Kind
    /// What stands in the text.
    var source: String
    var place: SourcePlace
    /// Whether a blank stands before it inside its action.
    var followsSpace: Bool
}

/// Cuts a template into tokens.
struct TemplateLexer {
    private let text: [UInt8]
    private var position = 0
    private var tokens: [Token] = []
    private var parentheses = 0
    /// Where the lines were counted up to.
    private var counted = 0
    private var line = 1
    private var lineStart = 0

    private init(_ source: String) { text = Array(source.utf8) }

    /// All tokens of a text; the last is `end`.
    static func tokens(of source: String) throws(TemplateError) -> [Token] {
        var lexer = TemplateLexer(source)
        try lexer.lexAll()
        return lexer.tokens
    }

    private mutating func lexAll() throws(TemplateError) {
        var trimsLeft = false
        while true {
            let start = position
            let end = find("{{", from: position) ?? text.count
            var plain = text[start..<end]
            let opens = end < text.count
            let trimsRight = opens && hasTrimMarker(at: end + 2)
            if trimsLeft { plain = plain.drop(while: Self.isSpace) }
            if trimsRight { while let last = plain.last, Self.isSpace(last) { plain = plain.dropLast() } }
            if !plain.isEmpty { add(.text(String(decoding: plain, as: UTF8.self)), from: start, to: end) }
            position = end
            if !opens { break }
            let inside = end + 2 + (trimsRight ? 2 : 0)
            if starts(with: "/*", at: inside) {
                trimsLeft = try skipComment(from: inside)
                continue
            }
            position = inside
            add(.leftDelimiter, from: end, to: inside)
            trimsLeft = try lexAction()
        }
        add(.end, from: position, to: position)
    }

    /// `{{- ` trims: the minus must be followed by a blank, else it is the sign of a number.
    private func hasTrimMarker(at index: Int) -> Bool {
        index + 1 < text.count && text[index] == UInt8(ascii: "-") && Self.isSpace(text[index + 1])
    }

    private mutating func skipComment(from start: Int) throws(TemplateError) -> Bool {
        guard let close = find("*/", from: start + 2) else { throw failure("unclosed comment", at: start) }
        var end = close + 2
        var trims = false
        if end + 1 < text.count, Self.isSpace(text[end]), text[end + 1] == UInt8(ascii: "-") {
            trims = true
            end += 2
        }
        guard starts(with: "}}", at: end) else { throw failure("comment ends before closing delimiter", at: end) }
        position = end + 2
        return trims
    }

    /// Lexes the inside of an action up to its end.
    ///
    /// - Returns: whether the text after it loses its leading blanks.
    private mutating func lexAction() throws(TemplateError) -> Bool {
        parentheses = 0
        var spaced = false
        while position < text.count {
            if Self.isSpace(text[position]) {
                // ` -}}` ends and trims.
                if starts(with: "-}}", at: position + 1) {
                    try endAction(width: 4)
                    return true
                }
                position += 1
                spaced = true
                continue
            }
            if starts(with: "}}", at: position) {
                try endAction(width: 2)
                return false
            }
            try lexOne(spaced: spaced)
            spaced = false
        }
        throw failure("unclosed action", at: position)
    }

    private mutating func endAction(width: Int) throws(TemplateError) {
        if parentheses > 0 { throw failure("unclosed left paren", at: position) }
        add(.rightDelimiter, from: position, to: position + width)
    }

    private mutating func lexOne(spaced: Bool) throws(TemplateError) {
        let start = position
        let byte = text[position]
        switch byte {
        case UInt8(ascii: "("):
            parentheses += 1
            add(.leftParenthesis, from: start, to: start + 1, spaced)
        case UInt8(ascii: ")"):
            parentheses -= 1
            add(.rightParenthesis, from: start, to: start + 1, spaced)
        case UInt8(ascii: "|"): add(.pipe, from: start, to: start + 1, spaced)
        case UInt8(ascii: ","): add(.comma, from: start, to: start + 1, spaced)
        case UInt8(ascii: "="): add(.assign, from: start, to: start + 1, spaced)
        case UInt8(ascii: ":"):
            guard starts(with: ":=", at: start) else { throw failure("expected :=", at: start) }
            add(.declare, from: start, to: start + 2, spaced)
        case UInt8(ascii: "\""): try lexQuoted(spaced)
        case UInt8(ascii: "`"): try lexRaw(spaced)
        case UInt8(ascii: "'"): try lexCharacter(spaced)
        case UInt8(ascii: "$"): try lexName(from: start + 1, spaced) { .variable($0) }
        case UInt8(ascii: "."):
            if start + 1 < text.count, (48...57).contains(text[start + 1]) {
                try lexNumber(spaced)
            } else if start + 1 < text.count, Self.isNamePart(text[start + 1]) {
                try lexName(from: start + 1, spaced) { .field($0) }
            } else {
                add(.dot, from: start, to: start + 1, spaced)
                try checkTerminator()
            }
        case 48...57, UInt8(ascii: "+"), UInt8(ascii: "-"): try lexNumber(spaced)
        default:
            if (33...126).contains(byte), !Self.isNamePart(byte) {
                add(.stray, from: start, to: start + 1, spaced)
                return
            }
            guard Self.isNamePart(byte) else {
                throw failure("unrecognized character in action: \(character(at: start))", at: start)
            }
            try lexName(from: start, spaced) { .word($0) }
        }
    }

    private mutating func lexName(
        from first: Int, _ spaced: Bool, _ kind: (String) -> Token.Kind
    ) throws(TemplateError) {
        let start = position
        var end = first
        while end < text.count, Self.isNamePart(text[end]) { end += 1 }
        add(kind(String(decoding: text[first..<end], as: UTF8.self)), from: start, to: end, spaced)
        try checkTerminator()
    }

    /// What may follow a name: anything else is a typing error, as `.Foo#`.
    private func checkTerminator() throws(TemplateError) {
        guard position < text.count, !Self.isSpace(text[position]), !starts(with: "}}", at: position) else { return }
        if !".,|:()=".utf8.contains(text[position]) {
            throw failure("bad character \(character(at: position))", at: position)
        }
    }

    /// Go's `%#U`.
    private func character(at index: Int) -> String {
        let scalar = String(decoding: text[index...].prefix(4), as: UTF8.self).unicodeScalars.first ?? "?"
        let hex = String(scalar.value, radix: 16, uppercase: true)
        return "U+\(String(repeating: "0", count: max(0, 4 - hex.count)))\(hex) '\(scalar)'"
    }

    private mutating func lexNumber(_ spaced: Bool) throws(TemplateError) {
        let start = position
        var end = start
        if "+-".utf8.contains(text[end]) { end += 1 }
        while end < text.count {
            let byte = text[end]
            let isSign = "+-".utf8.contains(byte) && end > start && "eEpP".utf8.contains(text[end - 1])
            guard Self.isNamePart(byte) || byte == UInt8(ascii: ".") || isSign else { break }
            end += 1
        }
        let source = String(decoding: text[start..<end], as: UTF8.self)
        guard let kind = Self.number(source) else { throw failure("bad number syntax: \"\(source)\"", at: start) }
        add(kind, from: start, to: end, spaced)
    }

    private static func number(_ source: String) -> Token.Kind? {
        var digits = Substring(source)
        let negative = digits.hasPrefix("-")
        if let sign = digits.first, sign == "+" || sign == "-" { digits = digits.dropFirst() }
        // Go allows `_` between digits, which Swift's parsers do not.
        let plain = String(digits.filter { $0 != "_" }).lowercased()
        if digits.contains("_"), digits.hasPrefix("_") || digits.hasSuffix("_") || digits.contains("__") { return nil }
        var radix = 10
        var body = Substring(plain)
        for (prefix, value) in [("0x", 16), ("0o", 8), ("0b", 2)] where plain.hasPrefix(prefix) {
            radix = value
            body = body.dropFirst(2)
        }
        if radix == 10, body.count > 1, body.hasPrefix("0"), body.allSatisfy(\.isNumber) { radix = 8 }
        if body.first == "+" || body.first == "-" { return nil }
        if let value = Int64((negative ? "-" : "") + body, radix: radix) { return .integer(value) }
        if radix == 10, plain.allSatisfy({ $0.isNumber || "+-.e".contains($0) }), let value = Double(plain) {
            return .double(negative ? -value : value)
        }
        return nil
    }

    private mutating func lexRaw(_ spaced: Bool) throws(TemplateError) {
        guard let close = text[(position + 1)...].firstIndex(of: UInt8(ascii: "`")) else {
            throw failure("unterminated raw quoted string", at: position)
        }
        add(
            .string(String(decoding: text[(position + 1)..<close], as: UTF8.self)), from: position, to: close + 1,
            spaced)
    }

    private mutating func lexQuoted(_ spaced: Bool) throws(TemplateError) {
        let start = position
        let (bytes, end) = try unescape(
            from: start + 1, until: UInt8(ascii: "\""), unterminated: "unterminated quoted string")
        add(.string(String(decoding: bytes, as: UTF8.self)), from: start, to: end, spaced)
    }

    /// A character is the number of its code point.
    private mutating func lexCharacter(_ spaced: Bool) throws(TemplateError) {
        let start = position
        let (bytes, end) = try unescape(
            from: start + 1, until: UInt8(ascii: "'"), unterminated: "unterminated character constant")
        let scalars = String(decoding: bytes, as: UTF8.self).unicodeScalars
        guard scalars.count == 1, let scalar = scalars.first else {
            throw failure("malformed character constant: \(source(from: start, to: end))", at: start)
        }
        add(.integer(Int64(scalar.value)), from: start, to: end, spaced)
    }

    private func unescape(
        from start: Int, until quote: UInt8, unterminated: String
    ) throws(TemplateError) -> (bytes: [UInt8], end: Int) {
        var bytes: [UInt8] = []
        var index = start
        while index < text.count, text[index] != UInt8(ascii: "\n") {
            let byte = text[index]
            index += 1
            if byte == quote { return (bytes, index) }
            guard byte == UInt8(ascii: "\\") else {
                bytes.append(byte)
                continue
            }
            guard index < text.count, let width = appendEscape(at: index, to: &bytes) else {
                throw failure("invalid syntax", at: index)
            }
            index += width
        }
        throw failure(unterminated, at: start - 1)
    }

    /// Appends what an escape means.
    ///
    /// - Returns: the bytes it takes after the backslash; nil where there is no such escape.
    private func appendEscape(at index: Int, to bytes: inout [UInt8]) -> Int? {
        func hexadecimal(_ count: Int) -> UInt32? {
            guard index + 1 + count <= text.count else { return nil }
            return UInt32(String(decoding: text[(index + 1)..<(index + 1 + count)], as: UTF8.self), radix: 16)
        }
        switch text[index] {
        case UInt8(ascii: "n"): bytes.append(10)
        case UInt8(ascii: "t"): bytes.append(9)
        case UInt8(ascii: "r"): bytes.append(13)
        case UInt8(ascii: "a"): bytes.append(7)
        case UInt8(ascii: "b"): bytes.append(8)
        case UInt8(ascii: "f"): bytes.append(12)
        case UInt8(ascii: "v"): bytes.append(11)
        case UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "'"): bytes.append(text[index])
        case UInt8(ascii: "x"):
            guard let value = hexadecimal(2) else { return nil }
            bytes.append(UInt8(value))
            return 3
        case UInt8(ascii: "u"), UInt8(ascii: "U"):
            let count = text[index] == UInt8(ascii: "u") ? 4 : 8
            guard let value = hexadecimal(count), let scalar = Unicode.Scalar(value) else { return nil }
            bytes += Array(String(Character(scalar)).utf8)
            return 1 + count
        case 48...55:
            guard index + 3 <= text.count,
                let value = UInt8(String(decoding: text[index..<(index + 3)], as: UTF8.self), radix: 8)
            else { return nil }
            bytes.append(value)
            return 3
        default: return nil
        }
        return 1
    }

    private mutating func add(_ kind: Token.Kind, from start: Int, to end: Int, _ spaced: Bool = false) {
        tokens.append(
            Token(kind: kind, source: source(from: start, to: end), place: place(of: start), followsSpace: spaced))
        position = end
    }

    private func source(from start: Int, to end: Int) -> String { String(decoding: text[start..<end], as: UTF8.self) }

    /// The place of an index that is not before the last one asked for.
    private mutating func place(of index: Int) -> SourcePlace {
        while counted < index {
            if text[counted] == UInt8(ascii: "\n") {
                line += 1
                lineStart = counted + 1
            }
            counted += 1
        }
        return SourcePlace(line: line, column: index - lineStart)
    }

    private func failure(_ message: String, at index: Int) -> TemplateError {
        .syntax(message, line: text[..<min(index, text.count)].count { $0 == UInt8(ascii: "\n") } + 1)
    }

    private func find(_ needle: String, from start: Int) -> Int? {
        var index = start
        while let found = text[index...].firstIndex(of: needle.utf8.first ?? 0) {
            if starts(with: needle, at: found) { return found }
            index = found + 1
        }
        return nil
    }

    private func starts(with needle: String, at index: Int) -> Bool {
        index <= text.count && text[index...].starts(with: needle.utf8)
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (9...10).contains(byte) || byte == 13 }

    private static func isNamePart(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == UInt8(ascii: "_")
            || byte >= 0x80
    }
}
