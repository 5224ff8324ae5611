/// The part of TOML 1.0 that registries.conf uses: tables, arrays of tables, one-line strings, booleans, integers and
/// arrays. Anything else is an error with its line, never a guess.
enum TOMLSubset {
    indirect enum Value: Sendable, Hashable {
        case string(String)
        case bool(Bool)
        case integer(Int64)
        case array([Value])
        case table([String: Value])

        var string: String? { if case .string(let value) = self { value } else { nil } }
        var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
        var table: [String: Value]? { if case .table(let value) = self { value } else { nil } }
        /// The tables of an array of tables.
        var tables: [[String: Value]]? {
            guard case .array(let values) = self else { return nil }
            let tables = values.compactMap(\.table)
            return tables.count == values.count ? tables : nil
        }
    }

    struct ParseError: Error, Equatable, CustomStringConvertible {
        var line: Int
        var what: String
        var description: String { "line \(line): \(what)" }
    }

    private static let entryLimit = 10_000
    private static let depthLimit = 16

    static func parse(_ text: String) throws(ParseError) -> [String: Value] {
        var parser = Parser(bytes: Array(text.utf8))
        return try parser.document()
    }

    private struct Parser {
        let bytes: [UInt8]
        var index = 0
        var line = 1
        var entries = 0
        /// Tables that a header has named: naming one twice is an error.
        var defined: Set<[String]> = []

        init(bytes: [UInt8]) { self.bytes = bytes }

        func failure(_ what: String) -> ParseError { ParseError(line: line, what: what) }

        var next: UInt8? { index < bytes.count ? bytes[index] : nil }

        mutating func document() throws(ParseError) -> [String: Value] {
            var root: [String: Value] = [:]
            var path: [String] = []
            while true {
                skipBlank(lines: true)
                guard let byte = next else { return root }
                entries += 1
                if entries > entryLimit { throw failure("more than \(entryLimit) entries") }
                if byte == UInt8(ascii: "[") {
                    path = try header(&root)
                } else {
                    let key = try keys()
                    skipBlank(lines: false)
                    guard next == UInt8(ascii: "=") else { throw failure("want `=` after the key") }
                    index += 1
                    skipBlank(lines: false)
                    let value = try value(depth: 0)
                    try insert(value, at: path + key, into: &root)
                }
                try endOfLine()
            }
        }

        /// `[a.b]` or `[[a.b]]`: gives the path that the following keys belong to.
        private mutating func header(_ root: inout [String: Value]) throws(ParseError) -> [String] {
            index += 1
            let isArray = next == UInt8(ascii: "[")
            if isArray { index += 1 }
            skipBlank(lines: false)
            let path = try keys()
            skipBlank(lines: false)
            for _ in 0..<(isArray ? 2 : 1) {
                guard next == UInt8(ascii: "]") else { throw failure("want `]`") }
                index += 1
            }
            if isArray {
                try insert(.array([.table([:])]), at: path, into: &root, appending: true)
                // The tables below a new element are new ones.
                defined = defined.filter { !$0.starts(with: path) }
            } else {
                if !defined.insert(path).inserted {
                    throw failure("table `\(path.joined(separator: "."))` stands twice")
                }
                try open(path, in: &root)
            }
            return path
        }

        private func open(_ path: [String], in table: inout [String: Value]) throws(ParseError) {
            guard let first = path.first else { return }
            if path.count == 1, case .array? = table[first] { throw failure("`\(first)` is no table") }
            let rest = Array(path.dropFirst())
            try descend(first, in: &table) { (inner: inout [String: Value]) throws(ParseError) in
                try open(rest, in: &inner)
            }
        }

        private func insert(
            _ value: Value, at path: [String], into table: inout [String: Value], appending: Bool = false
        ) throws(ParseError) {
            guard let first = path.first else { return }
            if path.count > depthLimit { throw failure("nested too deep") }
            if path.count > 1 {
                let rest = Array(path.dropFirst())
                try descend(first, in: &table) { (inner: inout [String: Value]) throws(ParseError) in
                    try insert(value, at: rest, into: &inner, appending: appending)
                }
                return
            }
            if appending, case .array(let new) = value {
                switch table[first] {
                case nil: table[first] = value
                case .array(let old) where old.allSatisfy({ $0.table != nil }): table[first] = .array(old + new)
                default: throw failure("`\(first)` is no array of tables")
                }
                return
            }
            if table.updateValue(value, forKey: first) != nil { throw failure("`\(first)` stands twice") }
        }

        /// Goes into a table, or the last element of an array of tables, making it where it is missing.
        private func descend(
            _ key: String, in table: inout [String: Value], _ body: (inout [String: Value]) throws(ParseError) -> Void
        ) throws(ParseError) {
            switch table[key] {
            case nil:
                var inner: [String: Value] = [:]
                try body(&inner)
                table[key] = .table(inner)
            case .table(var inner):
                try body(&inner)
                table[key] = .table(inner)
            case .array(var values):
                guard let last = values.last, case .table(var inner) = last else {
                    throw failure("`\(key)` is no table")
                }
                try body(&inner)
                values[values.count - 1] = .table(inner)
                table[key] = .array(values)
            default: throw failure("`\(key)` is no table")
            }
        }

        private mutating func keys() throws(ParseError) -> [String] {
            var path: [String] = []
            while true {
                skipBlank(lines: false)
                if next == UInt8(ascii: "\"") || next == UInt8(ascii: "'") {
                    path.append(try string())
                } else {
                    let start = index
                    while let byte = next, Self.isBare(byte) { index += 1 }
                    if index == start { throw failure("want a key") }
                    path.append(String(decoding: bytes[start..<index], as: UTF8.self))
                }
                if path.count > depthLimit { throw failure("nested too deep") }
                skipBlank(lines: false)
                guard next == UInt8(ascii: ".") else { return path }
                index += 1
            }
        }

        private mutating func value(depth: Int) throws(ParseError) -> Value {
            if depth > depthLimit { throw failure("nested too deep") }
            switch next {
            case UInt8(ascii: "\""), UInt8(ascii: "'"): return .string(try string())
            case UInt8(ascii: "["): return .array(try array(depth: depth))
            default: break
            }
            let start = index
            while let byte = next, Self.isBare(byte) || byte == UInt8(ascii: "+") { index += 1 }
            let word = String(decoding: bytes[start..<index], as: UTF8.self)
            if word == "true" { return .bool(true) }
            if word == "false" { return .bool(false) }
            if let number = Int64(word.filter { $0 != "_" }) { return .integer(number) }
            throw failure("want a string, true, false, an integer or an array")
        }

        private mutating func array(depth: Int) throws(ParseError) -> [Value] {
            var values: [Value] = []
            index += 1
            while true {
                skipBlank(lines: true)
                if next == UInt8(ascii: "]") { break }
                entries += 1
                if entries > entryLimit { throw failure("more than \(entryLimit) entries") }
                values.append(try value(depth: depth + 1))
                skipBlank(lines: true)
                if next == UInt8(ascii: ",") {
                    index += 1
                } else if next != UInt8(ascii: "]") {
                    throw failure("want `,` or `]`")
                }
            }
            index += 1
            return values
        }

        private mutating func string() throws(ParseError) -> String {
            let quote = bytes[index]
            if index + 2 < bytes.count, bytes[index + 1] == quote, bytes[index + 2] == quote {
                throw failure("strings of several lines are not supported")
            }
            index += 1
            var text: [UInt8] = []
            while let byte = next, byte != UInt8(ascii: "\n") {
                index += 1
                if byte == quote { return String(decoding: text, as: UTF8.self) }
                if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") {
                    guard let escaped = next else { break }
                    index += 1
                    switch escaped {
                    case UInt8(ascii: "n"): text.append(10)
                    case UInt8(ascii: "t"): text.append(9)
                    case UInt8(ascii: "r"): text.append(13)
                    case UInt8(ascii: "\""), UInt8(ascii: "\\"): text.append(escaped)
                    default: throw failure("unsupported escape in a string")
                    }
                } else {
                    text.append(byte)
                }
            }
            throw failure("the string does not end")
        }

        private mutating func endOfLine() throws(ParseError) {
            skipBlank(lines: false)
            guard let byte = next else { return }
            guard byte == UInt8(ascii: "\n") else { throw failure("want the end of the line") }
        }

        /// Skips spaces and comments, and the ends of lines where they do not matter.
        private mutating func skipBlank(lines: Bool) {
            while let byte = next {
                if byte == UInt8(ascii: "\n") {
                    guard lines else { return }
                    line += 1
                    index += 1
                } else if byte == 0x20 || byte == 0x09 || byte == 0x0d {
                    index += 1
                } else if byte == UInt8(ascii: "#") {
                    while let inside = next, inside != UInt8(ascii: "\n") {
                        _ = inside
                        index += 1
                    }
                } else {
                    return
                }
            }
        }

        private static func isBare(_ byte: UInt8) -> Bool {
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                || "_-".utf8.contains(byte)
        }
    }
}
