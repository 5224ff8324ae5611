import SQL

/// An account with what proves it.
struct StoredAccount: Sendable, Hashable {
    var account: Account
    var hash: String
}

extension RegistryRecords {
    func storedAccounts() throws -> [StoredAccount] {
        var groups: [String: [String]] = [:]
        for row in try connection.rows("SELECT account, group_name FROM group_members ORDER BY group_name") {
            groups[row.text(0), default: []].append(row.text(1))
        }
        return try connection.rows(
            "SELECT name, kind, hash, administrator, disabled, created, expires FROM accounts ORDER BY name"
        ).map { row in
            var account = Account(
                name: row.text(0), kind: Account.Kind(rawValue: row.text(1)) ?? .robot, created: row.integer(5),
                expires: row.optionalInteger(6))
            account.isAdministrator = row.integer(3) != 0
            account.isDisabled = row.integer(4) != 0
            account.groups = groups[account.name] ?? []
            return StoredAccount(account: account, hash: row.text(2))
        }
    }

    package func accounts(_ kind: Account.Kind? = nil) throws -> [Account] {
        try storedAccounts().map(\.account).filter { kind == nil || $0.kind == kind }
    }

    package func account(_ name: String) throws -> Account? { try accounts().first { $0.name == name } }

    package func hasAccounts() throws -> Bool { try connection.row("SELECT 1 FROM accounts LIMIT 1") != nil }

    package func add(_ account: Account, hash: String) throws {
        if try connection.row("SELECT 1 FROM accounts WHERE name = $1", [.text(account.name)]) != nil {
            throw AccountError(.exists, "there is an account `\(account.name)` already")
        }
        try connection.execute(
            """
            INSERT INTO accounts (name, kind, hash, administrator, disabled, created, expires)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            """,
            [
                .text(account.name), .text(account.kind.rawValue), .text(hash),
                .integer(account.isAdministrator ? 1 : 0), .integer(account.isDisabled ? 1 : 0),
                .integer(account.created), .optional(account.expires),
            ])
        try accessChanged()
    }

    /// Changes what is given.
    package func change(
        account name: String, kind: Account.Kind, hash: String? = nil, isAdministrator: Bool? = nil,
        isDisabled: Bool? = nil, expires: Int64?? = nil
    ) throws {
        guard let before = try account(name), before.kind == kind else { throw Self.unknown(name, kind) }
        let wouldBe = (isAdministrator ?? before.isAdministrator) && !(isDisabled ?? before.isDisabled)
        if before.isAdministrator, !before.isDisabled, !wouldBe { try keepAnAdministrator(without: name) }
        let set: [(String, SQLValue?)] = [
            ("hash", hash.map { .text($0) }), ("administrator", isAdministrator.map { .integer($0 ? 1 : 0) }),
            ("disabled", isDisabled.map { .integer($0 ? 1 : 0) }), ("expires", expires.map { .optional($0) }),
        ]
        for case (let column, let value?) in set {
            try connection.execute("UPDATE accounts SET \(column) = $2 WHERE name = $1", [.text(name), value])
        }
        // Whoever knew the old password is out, and so is whoever was disabled.
        if hash != nil || isDisabled == true { try endSessions(of: name) }
        try accessChanged()
    }

    package func removeAccount(_ name: String, kind: Account.Kind) throws {
        guard let before = try account(name), before.kind == kind else { throw Self.unknown(name, kind) }
        if before.isAdministrator, !before.isDisabled { try keepAnAdministrator(without: name) }
        try connection.execute("DELETE FROM accounts WHERE name = $1", [.text(name)])
        // The rights of a name must not wait for whoever gets the name next.
        try connection.execute("DELETE FROM access_rules WHERE subject = $1", [.text("\(kind.rawValue):\(name)")])
        try accessChanged()
    }

    private static func unknown(_ name: String, _ kind: Account.Kind) -> AccountError {
        AccountError(.unknown, "there is no \(kind.rawValue) `\(name)`")
    }

    /// Refuses to leave accounts behind that nobody can manage over the API and the pages.
    private func keepAnAdministrator(without name: String) throws {
        let others = try accounts().filter { $0.name != name }
        if !others.isEmpty, !others.contains(where: { $0.isAdministrator && !$0.isDisabled }) {
            throw AccountError(
                .refused,
                "`\(name)` is the last administrator: make another one first (`strata registry user add … --admin`)")
        }
    }

    // MARK: Groups

    package func groups() throws -> [(name: String, members: [String])] {
        var members: [String: [String]] = [:]
        for row in try connection.rows("SELECT group_name, account FROM group_members ORDER BY account") {
            members[row.text(0), default: []].append(row.text(1))
        }
        return try connection.rows("SELECT name FROM account_groups ORDER BY name").map {
            ($0.text(0), members[$0.text(0)] ?? [])
        }
    }

    package func addGroup(_ name: String, at now: Int64) throws {
        if try connection.row("SELECT 1 FROM account_groups WHERE name = $1", [.text(name)]) != nil {
            throw AccountError(.exists, "there is a group `\(name)` already")
        }
        try connection.execute(
            "INSERT INTO account_groups (name, created) VALUES ($1, $2)", [.text(name), .integer(now)])
    }

    package func removeGroup(_ name: String) throws {
        try requireGroup(name)
        try connection.execute("DELETE FROM account_groups WHERE name = $1", [.text(name)])
        try connection.execute("DELETE FROM access_rules WHERE subject = $1", [.text("group:\(name)")])
        try accessChanged()
    }

    package func setMember(_ account: String, of group: String, isMember: Bool) throws {
        try requireGroup(group)
        if try self.account(account) == nil { throw AccountError(.unknown, "there is no account `\(account)`") }
        let parameters: [SQLValue] = [.text(group), .text(account)]
        if isMember {
            try connection.execute(
                "INSERT INTO group_members (group_name, account) VALUES ($1, $2) ON CONFLICT DO NOTHING", parameters)
        } else {
            try connection.execute("DELETE FROM group_members WHERE group_name = $1 AND account = $2", parameters)
        }
        try accessChanged()
    }

    func requireGroup(_ name: String) throws {
        if try connection.row("SELECT 1 FROM account_groups WHERE name = $1", [.text(name)]) == nil {
            throw AccountError(.unknown, "there is no group `\(name)`")
        }
    }

    // MARK: Generation

    func accessGeneration() throws -> Int64 {
        try connection.row("SELECT value FROM access_generation")?.integer(0) ?? 0
    }

    func accessChanged() throws { try connection.execute("UPDATE access_generation SET value = value + 1") }
}
