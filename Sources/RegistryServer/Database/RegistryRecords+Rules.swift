import SQL

extension AccessRule.Subject {
    /// `user:ann`, `robot:ci`, `group:dev`, `authenticated`, `anonymous`.
    package init(parsing text: String) throws(AccountError) {
        switch text {
        case "authenticated": self = .authenticated
        case "anonymous": self = .anonymous
        default:
            let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
            guard parts.count == 2 else {
                throw .init(
                    .invalid,
                    "`\(text.prefix(100))` names nobody: want user:NAME, robot:NAME, group:NAME, "
                        + "authenticated or anonymous")
            }
            try Account.check(name: parts[1])
            switch parts[0] {
            case "user": self = .user(parts[1])
            case "robot": self = .robot(parts[1])
            case "group": self = .group(parts[1])
            default: throw .init(.invalid, "`\(parts[0].prefix(40))` is no kind of account: want user, robot or group")
            }
        }
    }

    package var text: String {
        switch self {
        case .user(let name): "user:\(name)"
        case .robot(let name): "robot:\(name)"
        case .group(let name): "group:\(name)"
        case .authenticated: "authenticated"
        case .anonymous: "anonymous"
        }
    }
}

extension RegistryRecords {
    package func rules() throws -> [AccessRule] {
        try connection.rows("SELECT subject, pattern, actions FROM access_rules ORDER BY subject, pattern").map { row in
            AccessRule(
                subject: try .init(parsing: row.text(0)), pattern: try RepositoryPattern(row.text(1)),
                actions: Set(row.text(2).split(separator: ",").compactMap { RepositoryAction(rawValue: String($0)) }))
        }
    }

    /// Gives a right; one for the same subject and pattern is replaced.
    package func grant(_ rule: AccessRule, at now: Int64) throws {
        switch rule.subject {
        case .user(let name), .robot(let name):
            let account = try account(name)
            if account.map({ "\($0.kind.rawValue):\(name)" }) != rule.subject.text {
                throw AccountError(.unknown, "there is no \(rule.subject.text.replacing(":", with: " `"))`")
            }
        case .group(let name): try requireGroup(name)
        case .authenticated, .anonymous: break
        }
        if rule.actions.isEmpty {
            throw AccountError(.invalid, "a right needs at least one of pull, push, delete, admin")
        }
        let actions = rule.actions.sorted().map(\.rawValue).joined(separator: ",")
        try connection.execute(
            """
            INSERT INTO access_rules (subject, pattern, actions, created) VALUES ($1, $2, $3, $4)
            ON CONFLICT (subject, pattern) DO UPDATE SET actions = $3
            """, [.text(rule.subject.text), .text(rule.pattern.text), .text(actions), .integer(now)])
        try accessChanged()
    }

    package func revoke(_ subject: AccessRule.Subject, on pattern: RepositoryPattern) throws {
        let count = try connection.execute(
            "DELETE FROM access_rules WHERE subject = $1 AND pattern = $2",
            [.text(subject.text), .text(pattern.text)])
        if count == 0 { throw AccountError(.unknown, "`\(subject.text)` has no right on `\(pattern)`") }
        try accessChanged()
    }
}

/// Who did what, beside what the event log and the tag history tell of content.
package struct AuditEntry: Sendable, Hashable {
    package var id: Int64 = 0
    /// Milliseconds since 1970.
    package var at: Int64
    package var actor: String
    /// Where the request came from; empty for the command line.
    package var address: String
    /// `login`, `login.failed`, `user.add`, `access.grant`, …; open.
    package var action: String
    package var subject: String
    package var detail: String

    package init(at: Int64, actor: String, address: String, action: String, subject: String, detail: String = "") {
        self.at = at
        self.actor = actor
        self.address = address
        self.action = action
        self.subject = subject
        self.detail = detail
    }
}

extension RegistryRecords {
    package func audit(_ entry: AuditEntry) throws {
        // Names may come from whoever tried to log in: bounded.
        try connection.execute(
            "INSERT INTO audit (at, actor, address, action, subject, detail) VALUES ($1, $2, $3, $4, $5, $6)",
            [
                .integer(entry.at), .text(String(entry.actor.prefix(100))), .text(entry.address), .text(entry.action),
                .text(String(entry.subject.prefix(300))), .text(String(entry.detail.prefix(500))),
            ])
    }

    /// The newest entries first, before an entry.
    package func auditEntries(before id: Int64 = .max, limit: Int) throws -> [AuditEntry] {
        try connection.rows(
            """
            SELECT id, at, actor, address, action, subject, detail FROM audit WHERE id < $1 ORDER BY id DESC LIMIT $2
            """, [.integer(id), .integer(Int64(limit))]
        ).map { row in
            var entry = AuditEntry(
                at: row.integer(1), actor: row.text(2), address: row.text(3), action: row.text(4), subject: row.text(5),
                detail: row.text(6))
            entry.id = row.integer(0)
            return entry
        }
    }
}

/// A login that lasts: a client's refresh token, a browser's session. The database has only the hash.
extension RegistryRecords {
    func addRefreshToken(hash: String, of account: String, client: String, at now: Int64, expires: Int64) throws {
        try connection.execute("DELETE FROM refresh_tokens WHERE expires < $1", [.integer(now)])
        try connection.execute(
            "INSERT INTO refresh_tokens (hash, account, client, created, expires) VALUES ($1, $2, $3, $4, $5)",
            [.text(hash), .text(account), .text(String(client.prefix(100))), .integer(now), .integer(expires)])
    }

    func refreshTokenOwner(hash: String, at now: Int64) throws -> String? {
        try connection.row(
            "SELECT account FROM refresh_tokens WHERE hash = $1 AND expires > $2", [.text(hash), .integer(now)]
        )?.text(0)
    }

    func addSession(hash: String, of account: String, at now: Int64, expires: Int64) throws {
        try connection.execute("DELETE FROM sessions WHERE expires < $1", [.integer(now)])
        try connection.execute(
            "INSERT INTO sessions (hash, account, created, expires) VALUES ($1, $2, $3, $4)",
            [.text(hash), .text(account), .integer(now), .integer(expires)])
    }

    func sessionOwner(hash: String, at now: Int64) throws -> String? {
        try connection.row(
            "SELECT account FROM sessions WHERE hash = $1 AND expires > $2", [.text(hash), .integer(now)])?.text(0)
    }

    func endSession(hash: String) throws {
        try connection.execute("DELETE FROM sessions WHERE hash = $1", [.text(hash)])
    }

    func endSessions(of account: String) throws {
        try connection.execute("DELETE FROM sessions WHERE account = $1", [.text(account)])
        try connection.execute("DELETE FROM refresh_tokens WHERE account = $1", [.text(account)])
    }
}
