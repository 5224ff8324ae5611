/// What manages accounts and rights, for the command line, the API and the pages alike.
extension AccessControl {
    /// Who manages, for the audit log.
    package struct Manager: Sendable, Hashable {
        package var name: String
        /// Empty for the command line.
        package var address: String

        package init(name: String, address: String = "") {
            self.name = name
            self.address = address
        }
    }

    private func entry(_ manager: Manager, _ action: String, _ subject: String, _ detail: String = "") -> AuditEntry {
        AuditEntry(
            at: now(), actor: manager.name, address: manager.address, action: action, subject: subject, detail: detail)
    }

    // MARK: Users

    package func addUser(_ name: String, password: String, isAdministrator: Bool, by manager: Manager) async throws {
        try Account.check(name: name)
        var user = Account(name: name, kind: .user, created: now())
        user.isAdministrator = isAdministrator
        let account = user
        let hash = try await hash(password)
        try await change(entry(manager, "user.add", name, isAdministrator ? "administrator" : "")) {
            try $0.add(account, hash: hash)
        }
    }

    /// A user whose password is brought along from an `htpasswd` file.
    package func addUser(_ name: String, hash: PasswordHash, by manager: Manager) async throws {
        try Account.check(name: name)
        let account = Account(name: name, kind: .user, created: now())
        try await change(entry(manager, "user.add", name, "imported")) { try $0.add(account, hash: hash.encoded) }
    }

    package func setPassword(_ name: String, to password: String, by manager: Manager) async throws {
        let hash = try await hash(password)
        try await change(entry(manager, "user.password", name)) {
            try $0.change(account: name, kind: .user, hash: hash)
        }
    }

    package func setUser(_ name: String, isAdministrator: Bool?, isDisabled: Bool?, by manager: Manager) async throws {
        let detail = [
            isAdministrator.map { $0 ? "administrator" : "no administrator" },
            isDisabled.map { $0 ? "disabled" : "enabled" },
        ].compactMap { $0 }.joined(separator: ", ")
        try await change(entry(manager, "user.change", name, detail)) {
            try $0.change(account: name, kind: .user, isAdministrator: isAdministrator, isDisabled: isDisabled)
        }
    }

    package func removeAccount(_ name: String, kind: Account.Kind, by manager: Manager) async throws {
        try await change(entry(manager, "\(kind.rawValue).remove", name)) { try $0.removeAccount(name, kind: kind) }
    }

    // MARK: Robots

    /// Makes a robot account.
    ///
    /// - Parameter lifetime: how long its secret works; nil for ever.
    /// - Returns: the secret, which is told only here.
    package func addRobot(_ name: String, lifetime: Duration?, by manager: Manager) async throws -> String {
        try Account.check(name: name)
        let now = now()
        let secret = RobotSecret.make()
        let robot = Account(name: name, kind: .robot, created: now, expires: lifetime.map { now + $0.milliseconds })
        try await change(entry(manager, "robot.add", name)) { try $0.add(robot, hash: RobotSecret.hash(secret)) }
        return secret
    }

    /// Gives a robot a new secret; the old one works no more.
    package func renewRobot(_ name: String, lifetime: Duration?, by manager: Manager) async throws -> String {
        let secret = RobotSecret.make()
        let expires = lifetime.map { now() + $0.milliseconds }
        try await change(entry(manager, "robot.renew", name)) {
            try $0.change(account: name, kind: .robot, hash: RobotSecret.hash(secret), expires: .some(expires))
        }
        return secret
    }

    package func setRobot(_ name: String, isDisabled: Bool, by manager: Manager) async throws {
        try await change(entry(manager, "robot.change", name, isDisabled ? "disabled" : "enabled")) {
            try $0.change(account: name, kind: .robot, isDisabled: isDisabled)
        }
    }

    // MARK: Groups and rights

    package func addGroup(_ name: String, by manager: Manager) async throws {
        try Account.check(name: name)
        let now = now()
        try await change(entry(manager, "group.add", name)) { try $0.addGroup(name, at: now) }
    }

    package func removeGroup(_ name: String, by manager: Manager) async throws {
        try await change(entry(manager, "group.remove", name)) { try $0.removeGroup(name) }
    }

    package func setMember(_ account: String, of group: String, isMember: Bool, by manager: Manager) async throws {
        try await change(entry(manager, isMember ? "group.join" : "group.leave", group, account)) {
            try $0.setMember(account, of: group, isMember: isMember)
        }
    }

    package func grant(_ rule: AccessRule, by manager: Manager) async throws {
        let now = now()
        let detail = "\(rule.pattern) \(rule.actions.sorted().map(\.rawValue).joined(separator: ","))"
        try await change(entry(manager, "access.grant", rule.subject.text, detail)) { try $0.grant(rule, at: now) }
    }

    package func revoke(
        _ subject: AccessRule.Subject, on pattern: RepositoryPattern, by manager: Manager
    ) async throws {
        try await change(entry(manager, "access.revoke", subject.text, pattern.text)) {
            try $0.revoke(subject, on: pattern)
        }
    }
}
