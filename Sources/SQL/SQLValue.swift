/// A value of a column or a parameter.
package enum SQLValue: Sendable, Hashable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case blob([UInt8])

    package static func optional(_ text: String?) -> SQLValue { text.map { .text($0) } ?? .null }
    package static func optional(_ number: Int64?) -> SQLValue { number.map { .integer($0) } ?? .null }
}

extension SQLValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
    package init(stringLiteral text: String) { self = .text(text) }
    package init(integerLiteral number: Int64) { self = .integer(number) }
}

/// A row of an answer, read by column number from 0.
package struct SQLRow: Sendable, Hashable {
    package let values: [SQLValue]

    package init(_ values: [SQLValue]) { self.values = values }

    package subscript(column: Int) -> SQLValue { column < values.count ? values[column] : .null }

    /// An integer column; 0 for null.
    package func integer(_ column: Int) -> Int64 { optionalInteger(column) ?? 0 }

    package func optionalInteger(_ column: Int) -> Int64? {
        switch self[column] {
        case .integer(let number): number
        case .real(let number): Int64(exactly: number.rounded())
        case .text(let text): Int64(text)
        default: nil
        }
    }

    /// A text column; empty for null.
    package func text(_ column: Int) -> String { optionalText(column) ?? "" }

    package func optionalText(_ column: Int) -> String? {
        switch self[column] {
        case .text(let text): text
        case .integer(let number): String(number)
        default: nil
        }
    }

    /// A blob column; empty for null.
    package func blob(_ column: Int) -> [UInt8] {
        switch self[column] {
        case .blob(let bytes): bytes
        case .text(let text): Array(text.utf8)
        default: []
        }
    }
}
