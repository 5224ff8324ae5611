/// What may be done to a repository.
package enum RepositoryAction: String, Sendable, Hashable, CaseIterable, Comparable {
    case pull, push, delete, admin

    package static func < (left: RepositoryAction, right: RepositoryAction) -> Bool {
        (allCases.firstIndex(of: left) ?? 0) < (allCases.firstIndex(of: right) ?? 0)
    }

    /// What this action brings with it: whoever may push may pull what is there, and an administrator may do everything.
    package var implied: Set<RepositoryAction> {
        switch self {
        case .pull: [.pull]
        case .push: [.pull, .push]
        case .delete: [.pull, .delete]
        case .admin: [.pull, .push, .delete, .admin]
        }
    }
}

/// A pattern over repository names: `*` stands for any characters but `/`, `**` for any characters, the rest for itself.
///
/// `team-a/*` is the repositories right below team-a, `team-a/**` all of them, `**` every repository.
package struct RepositoryPattern: Sendable, Hashable, CustomStringConvertible {
    package let text: String

    /// - Throws: `AccessRuleError.pattern` where the text could match no repository name.
    package init(_ text: String) throws(AccessRuleError) {
        let allowed = text.utf8.allSatisfy { byte in
            (97...122).contains(byte) || (48...57).contains(byte) || "._-/*".utf8.contains(byte)
        }
        guard allowed, (1...255).contains(text.utf8.count), !text.hasPrefix("/"), !text.hasSuffix("/"),
            !text.contains("//"),
            !text.contains("***")
        else { throw .pattern(text) }
        self.text = text
    }

    package var description: String { text }

    /// Whether a repository's name fits. Linear in pattern times name: no pattern makes it slow.
    package func matches(_ repository: String) -> Bool {
        let name = Array(repository.utf8)
        let slash = UInt8(ascii: "/")
        // `reachable[i]`: the pattern so far can have taken the first i bytes of the name.
        var reachable = [Bool](repeating: false, count: name.count + 1)
        reachable[0] = true
        var rest = Array(text.utf8)[...]
        while let token = rest.first {
            rest = rest.dropFirst()
            if token == UInt8(ascii: "*") {
                let crosses = rest.first == UInt8(ascii: "*")
                if crosses { rest = rest.dropFirst() }
                for index in name.indices where reachable[index] && (crosses || name[index] != slash) {
                    reachable[index + 1] = true
                }
                continue
            }
            for index in name.indices.reversed() { reachable[index + 1] = reachable[index] && name[index] == token }
            reachable[0] = false
        }
        return reachable[name.count]
    }
}

/// A right: who may do what where.
package struct AccessRule: Sendable, Hashable {
    /// Whom a rule is for.
    package enum Subject: Sendable, Hashable {
        case user(String)
        case group(String)
        case robot(String)
        /// Everybody who logged in.
        case authenticated
        /// Everybody, logged in or not.
        case anonymous
    }

    package var subject: Subject
    package var pattern: RepositoryPattern
    package var actions: Set<RepositoryAction>

    package init(subject: Subject, pattern: RepositoryPattern, actions: Set<RepositoryAction>) {
        self.subject = subject
        self.pattern = pattern
        self.actions = actions
    }
}

/// Who asks.
package struct Principal: Sendable, Hashable {
    package enum Kind: Sendable, Hashable { case anonymous, user, robot }

    package var kind: Kind
    package var name: String
    package var groups: Set<String>
    /// May do everything, everywhere.
    package var isAdministrator: Bool

    package init(kind: Kind, name: String, groups: Set<String> = [], isAdministrator: Bool = false) {
        self.kind = kind
        self.name = name
        self.groups = groups
        self.isAdministrator = isAdministrator
    }

    package static let anonymous = Principal(kind: .anonymous, name: "")

    fileprivate func isMeant(by subject: AccessRule.Subject) -> Bool {
        switch subject {
        case .user(let name): kind == .user && self.name == name
        case .robot(let name): kind == .robot && self.name == name
        case .group(let name): kind != .anonymous && groups.contains(name)
        case .authenticated: kind != .anonymous
        case .anonymous: true
        }
    }
}

/// All rights of a registry. Rules only add: what no rule gives is refused.
package struct AccessPolicy: Sendable, Hashable {
    package var rules: [AccessRule]

    package init(rules: [AccessRule]) { self.rules = rules }

    /// What somebody may do to a repository.
    package func actions(of principal: Principal, on repository: String) -> Set<RepositoryAction> {
        if principal.isAdministrator { return Set(RepositoryAction.allCases) }
        return rules.filter { principal.isMeant(by: $0.subject) && $0.pattern.matches(repository) }
            .reduce(into: []) { granted, rule in for action in rule.actions { granted.formUnion(action.implied) } }
    }
}

/// Why a right cannot be stated.
package enum AccessRuleError: Error, Sendable, Equatable, CustomStringConvertible {
    case pattern(String)

    package var description: String {
        switch self {
        case .pattern(let text):
            "`\(text.prefix(100))` is no repository pattern: want lower-case names with `*` or `**`, as in team-a/*"
        }
    }
}
