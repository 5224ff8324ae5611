/// The name of a repository inside a registry: `team-a/app`.
///
/// A value exists only when it is valid, so a path, a row or a `Location` may be made of it. Implements distribution-spec
/// "Pulling manifests": `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*`.
package struct RepositoryName: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// Clients refuse a host and a name that have more than 255 characters together.
    package static let longest = 255

    package let description: String

    package init(parsing text: some StringProtocol) throws(RegistryFailure) {
        guard (1...Self.longest).contains(text.utf8.count), Self.fits(Array(text.utf8)) else {
            throw .nameInvalid(String(text.prefix(300)))
        }
        description = String(text)
    }

    package static func < (left: RepositoryName, right: RepositoryName) -> Bool { left.description < right.description }

    /// One pass over the grammar: what was last is an alphanumeric, a separator of one kind, or the start of a component.
    private static func fits(_ bytes: [UInt8]) -> Bool {
        enum Last { case start, alphanumeric, dot, underscore, twoUnderscores, dashes }
        var last = Last.start
        for byte in bytes {
            switch (byte, last) {
            case (UInt8(ascii: "a")...UInt8(ascii: "z"), _), (UInt8(ascii: "0")...UInt8(ascii: "9"), _):
                last = .alphanumeric
            case (UInt8(ascii: "/"), .alphanumeric): last = .start
            case (UInt8(ascii: "."), .alphanumeric): last = .dot
            case (UInt8(ascii: "_"), .alphanumeric): last = .underscore
            case (UInt8(ascii: "_"), .underscore): last = .twoUnderscores
            case (UInt8(ascii: "-"), .alphanumeric), (UInt8(ascii: "-"), .dashes): last = .dashes
            default: return false
            }
        }
        return last == .alphanumeric
    }
}

/// A tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
package struct TagName: Hashable, Sendable, CustomStringConvertible {
    package let description: String

    package init?(parsing text: some StringProtocol) {
        let bytes = Array(text.utf8)
        func isWord(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        guard (1...128).contains(bytes.count), isWord(bytes[0]),
            bytes.allSatisfy({ isWord($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") })
        else { return nil }
        description = String(text)
    }
}
