/// One challenge of a `WWW-Authenticate` header (RFC 9110 section 11.6.1).
public struct Challenge: Sendable, Hashable {
    /// The scheme, lower case: `basic`, `bearer`.
    public var scheme: String
    /// The parameters by lower-case name, unquoted.
    public var parameters: [String: String]

    /// The longest header that is parsed, in bytes.
    public static let headerLimit = 16 << 10
    /// The most challenges of one header.
    public static let challengeLimit = 16
    /// The most parameters of one challenge.
    public static let parameterLimit = 32

    /// Why a header is no list of challenges.
    public enum ParseError: Error, Equatable, CustomStringConvertible {
        /// Longer than `headerLimit`, or more parts than allowed.
        case tooLarge
        /// Not RFC 9110's grammar, at this byte.
        case malformed(at: Int)
        /// One challenge gives a parameter twice.
        case duplicateParameter(String)

        /// A sentence for people.
        public var description: String {
            switch self {
            case .tooLarge: "authentication challenge is too large"
            case .malformed(let offset): "malformed authentication challenge at byte \(offset)"
            case .duplicateParameter(let name): "authentication challenge gives `\(name)` twice"
            }
        }
    }

    /// Parses a header's value, which may hold several challenges.
    public static func parse(_ header: String) throws(ParseError) -> [Challenge] {
        if header.utf8.count > headerLimit { throw .tooLarge }
        var parser = Parser(bytes: Array(header.utf8))
        return try parser.challenges()
    }

    private struct Parser {
        let bytes: [UInt8]
        var index = 0

        init(bytes: [UInt8]) { self.bytes = bytes }

        mutating func challenges() throws(ParseError) -> [Challenge] {
            var found: [Challenge] = []
            skip(separators: true)
            while index < bytes.count {
                if found.count == Challenge.challengeLimit { throw .tooLarge }
                found.append(try challenge())
            }
            return found
        }

        /// A scheme, then nothing, a token68, or parameters up to where the next scheme begins.
        private mutating func challenge() throws(ParseError) -> Challenge {
            var challenge = Challenge(scheme: try token().lowercased(), parameters: [:])
            let afterScheme = index
            skip(separators: false)
            if index == bytes.count || bytes[index] == UInt8(ascii: ",") {
                skip(separators: true)
                return challenge
            }
            if index == afterScheme { throw .malformed(at: index) }
            if skipToken68() { return challenge }
            while true {
                let name = try token().lowercased()
                skip(separators: false)
                guard index < bytes.count, bytes[index] == UInt8(ascii: "=") else { throw .malformed(at: index) }
                index += 1
                skip(separators: false)
                let value = try index < bytes.count && bytes[index] == UInt8(ascii: "\"") ? quoted() : token()
                if challenge.parameters.count == Challenge.parameterLimit { throw .tooLarge }
                if challenge.parameters.updateValue(value, forKey: name) != nil { throw .duplicateParameter(name) }
                skip(separators: false)
                if index == bytes.count { return challenge }
                guard bytes[index] == UInt8(ascii: ",") else { throw .malformed(at: index) }
                skip(separators: true)
                if index == bytes.count || !parameterFollows() { return challenge }
            }
        }

        /// Whether `name =` stands here: otherwise it is the next challenge's scheme.
        private func parameterFollows() -> Bool {
            var look = index
            while look < bytes.count, Self.isTokenByte(bytes[look]) { look += 1 }
            while look < bytes.count, Self.isSpace(bytes[look]) { look += 1 }
            return look < bytes.count && bytes[look] == UInt8(ascii: "=")
        }

        /// Takes a token68 (`Negotiate` carries one); whoever answers challenges has no use for its value.
        private mutating func skipToken68() -> Bool {
            var look = index
            while look < bytes.count, Self.isTokenByte(bytes[look]) || bytes[look] == UInt8(ascii: "/") { look += 1 }
            while look < bytes.count, bytes[look] == UInt8(ascii: "=") { look += 1 }
            while look < bytes.count, Self.isSpace(bytes[look]) { look += 1 }
            guard look > index, look == bytes.count || bytes[look] == UInt8(ascii: ",") else { return false }
            index = look
            skip(separators: true)
            return true
        }

        private mutating func token() throws(ParseError) -> String {
            let start = index
            while index < bytes.count, Self.isTokenByte(bytes[index]) { index += 1 }
            if index == start { throw .malformed(at: start) }
            return String(decoding: bytes[start..<index], as: UTF8.self)
        }

        private mutating func quoted() throws(ParseError) -> String {
            var value: [UInt8] = []
            index += 1
            while index < bytes.count {
                var byte = bytes[index]
                if byte == UInt8(ascii: "\"") {
                    index += 1
                    return String(decoding: value, as: UTF8.self)
                }
                if byte == UInt8(ascii: "\\") {
                    index += 1
                    if index == bytes.count { break }
                    byte = bytes[index]
                }
                if byte < 0x20 && byte != 0x09 || byte == 0x7f { throw .malformed(at: index) }
                value.append(byte)
                index += 1
            }
            throw .malformed(at: index)
        }

        private mutating func skip(separators: Bool) {
            while index < bytes.count, Self.isSpace(bytes[index]) || (separators && bytes[index] == UInt8(ascii: ",")) {
                index += 1
            }
        }

        private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

        private static func isTokenByte(_ byte: UInt8) -> Bool {
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                || "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
