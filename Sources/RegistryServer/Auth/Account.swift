/// Somebody or something that can log in.
package struct Account: Sendable, Hashable {
    package enum Kind: String, Sendable, Hashable { case user, robot }

    package var name: String
    package var kind: Kind
    /// May do everything, everywhere.
    package var isAdministrator = false
    package var isDisabled = false
    /// Milliseconds since 1970.
    package var created: Int64
    /// When its password or secret stops to work; nil for never.
    package var expires: Int64?
    package var groups: [String] = []

    package init(name: String, kind: Kind, created: Int64, expires: Int64? = nil) {
        self.name = name
        self.kind = kind
        self.created = created
        self.expires = expires
    }

    /// Checks the name of an account or a group: it goes into tables, logs and Basic credentials.
    package static func check(name: String) throws(AccountError) {
        let fits = name.utf8.allSatisfy { byte in
            (97...122).contains(byte) || (48...57).contains(byte) || "._-".utf8.contains(byte)
        }
        let edges = [name.utf8.first, name.utf8.last].allSatisfy { byte in
            byte.map { !"._-".utf8.contains($0) } ?? false
        }
        guard fits, edges, (1...64).contains(name.utf8.count) else {
            throw .init(
                .invalid,
                "`\(name.prefix(100))` is no name: want at most 64 lower-case letters, digits and `.`, `_`, `-` between them"
            )
        }
    }

    var principal: Principal {
        Principal(
            kind: kind == .user ? .user : .robot, name: name, groups: Set(groups), isAdministrator: isAdministrator)
    }
}

/// Why an account, a group or a right cannot be made, changed or removed.
package struct AccountError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: Sendable { case invalid, exists, unknown, refused }

    package var code: Code
    package var description: String

    package init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}

/// The secret of a robot: random, so a plain hash of it is enough, and checking it costs nothing.
package enum RobotSecret {
    /// Lets people and scanners tell what leaked.
    static let prefix = "strata_robot_"

    static func make() -> String { prefix + randomText() }

    static func hash(_ secret: String) -> String { "$sha256$" + SecretHash.of(secret) }

    static func matches(_ secret: String, _ encoded: String) -> Bool { constantTimeEqual(hash(secret), encoded) }
}

/// 256 random bits as text.
func randomText() -> String {
    var generator = SystemRandomNumberGenerator()
    return Base64URL.encode((0..<32).map { _ in UInt8.random(in: 0...255, using: &generator) })
}

/// Compares without telling by its time where the difference is.
func constantTimeEqual(_ left: String, _ right: String) -> Bool {
    let left = Array(left.utf8)
    let right = Array(right.utf8)
    return left.count == right.count && zip(left, right).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
}
