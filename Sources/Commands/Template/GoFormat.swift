import Glibc

/// Writes values as Go's fmt does.
enum GoFormat {
    /// What `{{.X}}` prints.
    static func printed(_ value: Value) -> String {
        switch value {
        case .missing, .null: "<no value>"
        default: plain(value)
        }
    }

    /// `%v`.
    static func plain(_ value: Value) -> String {
        switch value {
        case .missing, .null: "<nil>"
        case .bool(let value): value ? "true" : "false"
        case .int(let value): "\(value)"
        case .double(let value): shortest(value)
        case .string(let value): value
        case .list(let items): "[\(items.map(plain).joined(separator: " "))]"
        case .nilList: "[]"
        case .map(let members): "map[\(pairs(members, plain))]"
        case .nilMap: "map[]"
        case .object(let object):
            "{\(object.jsonFields.map { plain(object.field($0) ?? .null) }.joined(separator: " "))}"
        }
    }

    private static func pairs(_ members: [String: Value], _ text: (Value) -> String) -> String {
        members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
            .map { "\(text(.string($0.key))):\(text($0.value))" }
            .joined(separator: " ")
    }

    /// Go's Sprint: a blank between two operands of which neither is a string.
    static func print(_ values: [Value]) -> String {
        var result = ""
        var previousIsString = true
        for (index, value) in values.enumerated() {
            let isString = if case .string = value { true } else { false }
            if index > 0, !isString, !previousIsString { result += " " }
            result += plain(value)
            previousIsString = isString
        }
        return result
    }

    /// Go's Sprintf.
    static func format(_ format: String, _ arguments: [Value]) -> String {
        var formatter = Formatter(arguments: arguments)
        return formatter.format(format)
    }

    /// `%q`.
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\u{7}": result += "\\a"
            case "\u{8}": result += "\\b"
            case "\u{b}": result += "\\v"
            case "\u{c}": result += "\\f"
            default:
                if isPrintable(scalar) {
                    result.unicodeScalars.append(scalar)
                } else {
                    let digits = String(scalar.value, radix: 16)
                    let (mark, width) =
                        scalar.value < 0x80 ? ("x", 2) : scalar.value < 0x10000 ? ("u", 4) : ("U", 8)
                    result += "\\\(mark)" + String(repeating: "0", count: width - digits.count) + digits
                }
            }
        }
        return result + "\""
    }

    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        if scalar == " " { return true }
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator,
            .spaceSeparator:
            return false
        default: return true
        }
    }

    /// The shortest digits that give the number back, with an exponent below one power of ten and from another on.
    static func shortest(_ value: Double, exponentBelow floor: Int = -4, exponentFrom limit: Int = 6) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        var text = value.magnitude.description
        var exponent = 0
        if let mark = text.firstIndex(of: "e") {
            exponent = Int(text[text.index(after: mark)...]) ?? 0
            text = String(text[..<mark])
        }
        let parts = text.split(separator: ".", maxSplits: 1)
        let whole = parts[0]
        let fraction = parts.count > 1 && parts[1] != "0" ? parts[1] : ""
        // The digits without leading zeros, and where the point stands before them.
        let all = String(whole) + fraction
        let lead = all.prefix { $0 == "0" }.count
        var digits = String(all.dropFirst(lead))
        while digits.hasSuffix("0") { digits.removeLast() }
        let sign = value.sign == .minus ? "-" : ""
        if digits.isEmpty { return sign + "0" }
        let point = whole.count - lead + exponent
        if point - 1 < floor || point - 1 >= limit {
            let power = point - 1
            let mantissa = digits.count > 1 ? "\(digits.prefix(1)).\(digits.dropFirst())" : digits
            let magnitude = "\(power.magnitude)"
            return "\(sign)\(mantissa)e\(power < 0 ? "-" : "+")\(magnitude.count < 2 ? "0" : "")\(magnitude)"
        }
        if point <= 0 { return sign + "0." + String(repeating: "0", count: -point) + digits }
        if point >= digits.count { return sign + digits + String(repeating: "0", count: point - digits.count) }
        return sign + digits.prefix(point) + "." + digits.dropFirst(point)
    }

    /// A number as encoding/json writes it.
    static func jsonNumber(_ value: Double) -> String {
        if !value.isFinite { return "null" }
        // encoding/json writes `1e-7`, fmt `1e-07`.
        return shortest(value, exponentBelow: -6, exponentFrom: 21).replacing("e-0", with: "e-")
    }

    /// C's conversions `e`, `f` and `g`, which are Go's where a precision is given.
    fileprivate static func convert(_ value: Double, _ verb: Character, precision: Int) -> String {
        var buffer = [CChar](repeating: 0, count: 512)
        let format = "%.\(min(precision, 100))\(verb)"
        let count = unsafe withVaList([value]) { unsafe vsnprintf(&buffer, buffer.count, format, $0) }
        return String(
            decoding: buffer.prefix(Int(min(max(count, 0), 511))).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// One run of Sprintf.
private struct Formatter {
    /// The widest field, so that a template cannot ask for gigabytes.
    private static let widthLimit = 1 << 16

    let arguments: [Value]
    private var next = 0

    init(arguments: [Value]) { self.arguments = arguments }

    private struct Directive {
        var minus = false
        var plus = false
        var sharp = false
        var space = false
        var zero = false
        var width: Int?
        var precision: Int?
    }

    mutating func format(_ format: String) -> String {
        var result = ""
        var rest = Substring(format)
        while let percent = rest.firstIndex(of: "%") {
            result += rest[..<percent]
            rest = rest[rest.index(after: percent)...]
            var directive = Directive()
            flags: while let character = rest.first {
                switch character {
                case "-": directive.minus = true
                case "+": directive.plus = true
                case "#": directive.sharp = true
                case " ": directive.space = true
                case "0": directive.zero = true
                default: break flags
                }
                rest = rest.dropFirst()
            }
            if let width = size(&rest) {
                directive.width = width.magnitude > Self.widthLimit ? nil : Int(width.magnitude)
            }
            if rest.first == "." {
                rest = rest.dropFirst()
                directive.precision = min(max(size(&rest) ?? 0, 0), Self.widthLimit)
            }
            guard let verb = rest.first else { return result + "%!(NOVERB)" }
            rest = rest.dropFirst()
            if verb == "%" {
                result += "%"
                continue
            }
            guard next < arguments.count else {
                result += "%!\(verb)(MISSING)"
                continue
            }
            result += convert(arguments[next], verb, directive)
            next += 1
        }
        result += rest
        if next < arguments.count {
            let extra = arguments[next...].map { "\($0.typeName)=\(GoFormat.plain($0))" }
            result += "%!(EXTRA \(extra.joined(separator: ", ")))"
        }
        return result
    }

    /// A width or precision: digits, or `*` for the next argument.
    private mutating func size(_ rest: inout Substring) -> Int? {
        if rest.first == "*" {
            rest = rest.dropFirst()
            guard next < arguments.count, case .int(let value) = arguments[next] else { return nil }
            next += 1
            return Int(value)
        }
        let digits = rest.prefix { $0.isASCII && $0.isNumber }
        rest = rest[digits.endIndex...]
        return Int(digits)
    }

    private func convert(_ value: Value, _ verb: Character, _ directive: Directive, inside: Bool = false) -> String {
        if verb == "T" { return pad(value.typeName == "nil" ? "<nil>" : value.typeName, directive) }
        guard let text = body(value, verb, directive) else {
            if value.typeName == "nil" { return inside ? "<nil>" : "%!\(verb)(<nil>)" }
            return "%!\(verb)(\(value.typeName)=\(GoFormat.plain(value)))"
        }
        return text
    }

    /// The padded text; nil where the verb does not fit the value.
    private func body(_ value: Value, _ verb: Character, _ directive: Directive) -> String? {
        switch value {
        case .string(let text): string(text, verb, directive)
        case .int(let number): integer(number, verb, directive)
        case .double(let number): double(number, verb, directive)
        case .bool(let flag): verb == "v" || verb == "t" ? pad(flag ? "true" : "false", directive) : nil
        case .missing, .null: verb == "v" ? pad("<nil>", directive) : nil
        case .list, .nilList:
            "[" + (value.elements ?? []).map { convert($0, verb, directive, inside: true) }.joined(separator: " ") + "]"
        case .map, .nilMap:
            "map["
                + (value.members ?? [:]).sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
                .map {
                    convert(.string($0.key), verb, directive) + ":" + convert($0.value, verb, directive, inside: true)
                }
                .joined(separator: " ") + "]"
        case .object(let object):
            "{"
                + object.jsonFields.map { convert(object.field($0) ?? .null, verb, directive, inside: true) }
                .joined(separator: " ") + "}"
        }
    }

    private func string(_ text: String, _ verb: Character, _ directive: Directive) -> String? {
        let cut = directive.precision.map { String(String.UnicodeScalarView(text.unicodeScalars.prefix($0))) } ?? text
        switch verb {
        case "v": return pad(directive.sharp ? GoFormat.quoted(text) : cut, directive)
        case "s": return pad(cut, directive)
        case "q": return pad(GoFormat.quoted(cut), directive)
        case "x", "X":
            let digits = text.utf8.map { byte in
                (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: verb == "X")
            }
            return pad(digits.joined(separator: directive.space ? " " : ""), directive)
        default: return nil
        }
    }

    private func integer(_ number: Int64, _ verb: Character, _ directive: Directive) -> String? {
        func digits(_ radix: Int, _ prefix: String = "", uppercase: Bool = false) -> String {
            var body = String(number.magnitude, radix: radix, uppercase: uppercase)
            if let precision = directive.precision {
                body = String(repeating: "0", count: max(0, precision - body.count)) + body
            }
            let sign = number < 0 ? "-" : directive.plus ? "+" : directive.space ? " " : ""
            return numeric(sign: sign + (directive.sharp ? prefix : ""), body, directive)
        }
        switch verb {
        case "v", "d": return digits(10)
        case "x": return digits(16, "0x")
        case "X": return digits(16, "0X", uppercase: true)
        case "o": return digits(8, "0")
        case "O": return pad((number < 0 ? "-0o" : "0o") + String(number.magnitude, radix: 8), directive)
        case "b": return digits(2, "0b")
        case "c", "q", "U":
            let scalar = UInt32(exactly: number).flatMap(Unicode.Scalar.init) ?? "\u{fffd}"
            if verb == "c" { return pad(String(scalar), directive) }
            if verb == "q" {
                let inside = GoFormat.quoted(String(scalar)).dropFirst().dropLast()
                return pad(scalar == "'" ? "'\\''" : scalar == "\"" ? "'\"'" : "'\(inside)'", directive)
            }
            let code = String(scalar.value, radix: 16, uppercase: true)
            return pad("U+" + String(repeating: "0", count: max(0, 4 - code.count)) + code, directive)
        case "t", "s", "e", "f", "g": return nil
        default: return nil
        }
    }

    private func double(_ number: Double, _ verb: Character, _ directive: Directive) -> String? {
        let magnitude = number.magnitude
        let text: String
        switch (verb, directive.precision) {
        case ("v", nil), ("g", nil): text = GoFormat.shortest(magnitude)
        case ("v", let precision?), ("g", let precision?):
            text = GoFormat.convert(magnitude, "g", precision: precision)
        case ("f", let precision), ("F", let precision):
            text = GoFormat.convert(magnitude, "f", precision: precision ?? 6)
        case ("e", let precision): text = GoFormat.convert(magnitude, "e", precision: precision ?? 6)
        default: return nil
        }
        return numeric(sign: number < 0 ? "-" : directive.plus ? "+" : directive.space ? " " : "", text, directive)
    }

    private func numeric(sign: String, _ digits: String, _ directive: Directive) -> String {
        if directive.zero, !directive.minus, directive.precision == nil || digits.contains("."),
            let width = directive.width
        {
            return sign + String(repeating: "0", count: max(0, width - sign.count - digits.count)) + digits
        }
        return pad(sign + digits, directive)
    }

    private func pad(_ text: String, _ directive: Directive) -> String {
        let missing = (directive.width ?? 0) - text.unicodeScalars.count
        if missing <= 0 { return text }
        let blanks = String(repeating: directive.zero && !directive.minus ? "0" : " ", count: missing)
        return directive.minus ? text + blanks : blanks + text
    }
}
