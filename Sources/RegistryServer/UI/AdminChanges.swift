import OCI

/// What the forms of the administration do.
extension AdminData {
    /// Does what a form says.
    ///
    /// - Returns: what must be told once: a secret.
    func change(_ path: [String], _ form: RequestTarget, by manager: AccessControl.Manager) async throws -> (
        Phrase, String
    )? {
        let name = form["name"] ?? ""
        let now = registry.now()
        func pattern() throws -> RepositoryPattern {
            let text = form["pattern"] ?? name
            return try RepositoryPattern(text.isEmpty ? "**" : text)
        }
        func words(_ field: String) -> [String] {
            form.all(field).flatMap { $0.split { $0 == "," || $0 == " " }.map(String.init) }
        }
        func change(_ action: String, _ subject: String, _ body: @escaping @Sendable (RegistryRecords) throws -> Void)
            async throws
        {
            let entry = AuditEntry(
                at: now, actor: manager.name, address: manager.address, action: action, subject: subject)
            try await access.change(entry, body)
        }
        switch (path.first, path.dropFirst().first) {
        case ("users", "add"):
            try await access.addUser(
                name, password: form["password"] ?? "", isAdministrator: form["administrator"] == "yes", by: manager)
        case ("users", "remove"): try await access.removeAccount(name, kind: .user, by: manager)
        case ("users", "set"):
            try await access.setUser(
                name, isAdministrator: form["administrator"].map { $0 == "yes" },
                isDisabled: form["disabled"].map { $0 == "yes" }, by: manager)
        case ("users", "password"):
            try await access.setPassword(name, to: form["password"] ?? "", by: manager)
        case ("robots", "add"):
            return (.secretOnce, try await access.addRobot(name, lifetime: try lifetime(form), by: manager))
        case ("robots", "renew"):
            return (.secretOnce, try await access.renewRobot(name, lifetime: try lifetime(form), by: manager))
        case ("robots", "set"):
            try await access.setRobot(name, isDisabled: form["disabled"] == "yes", by: manager)
        case ("robots", "remove"): try await access.removeAccount(name, kind: .robot, by: manager)
        case ("groups", "add"): try await access.addGroup(name, by: manager)
        case ("groups", "remove"): try await access.removeGroup(name, by: manager)
        case ("groups", "join"):
            try await access.setMember(form["account"] ?? "", of: name, isMember: true, by: manager)
        case ("groups", "leave"):
            try await access.setMember(form["account"] ?? "", of: name, isMember: false, by: manager)
        case ("access", "add"):
            let actions = words("actions").compactMap { RepositoryAction(rawValue: $0) }
            if actions.count != words("actions").count {
                throw AccountError(.invalid, "a right is one of pull, push, delete, admin")
            }
            if actions.isEmpty {
                throw AccountError(.invalid, "choose what may be done: pull, push, delete or admin")
            }
            try await access.grant(
                AccessRule(
                    subject: .init(parsing: form["subject"] ?? ""), pattern: try pattern(), actions: Set(actions)),
                by: manager)
        case ("access", "remove"):
            try await access.revoke(.init(parsing: form["subject"] ?? ""), on: try pattern(), by: manager)
        case ("webhooks", "add"):
            let hook = Webhook(
                name: name, url: form["url"] ?? "", pattern: try pattern(), kinds: words("kinds"), created: now)
            try hook.check()
            try await change("webhook.add", name) { try $0.addWebhook(hook) }
            return (.secretOnce, hook.secret)
        case ("webhooks", "remove"): try await change("webhook.remove", name) { try $0.removeWebhook(name) }
        case ("webhooks", "replay"):
            let id = Int64(form["delivery"] ?? "") ?? 0
            try await change("webhook.replay", "\(id)") { try $0.replay(id, at: now) }
        case ("retention", "add"):
            let rules = try (form["rules"] ?? "").split(separator: ";").map {
                try RetentionPolicy.Rule(parsing: String($0))
            }
            if rules.isEmpty { throw AccountError(.invalid, "a retention policy needs a rule") }
            let pattern = try pattern()
            try await change("retention.set", pattern.text) {
                try $0.setRetention(RetentionPolicy(rules: rules), for: pattern, at: now)
            }
        case ("retention", "remove"):
            let pattern = try pattern()
            try await change("retention.remove", pattern.text) { try $0.removeRetention(for: pattern) }
        case ("retention", "run"):
            try await change("retention.run", "") { _ in }
            try await registry.applyRetention()
        case ("immutable", "add"), ("immutable", "remove"):
            let rule = ImmutableTags(repositories: try pattern(), tags: try TagPattern(form["tags"] ?? ""))
            let isRemoval = path[1] == "remove"
            try await change("immutable.\(path[1])", "\(rule.repositories) \(rule.tags)") {
                try isRemoval ? $0.removeImmutableTags(rule) : $0.addImmutableTags(rule)
            }
        case ("quotas", "add"):
            guard let bytes = ByteCount.parse(form["bytes"] ?? "") else {
                throw AccountError(.invalid, "a quota is a size above 0, as in 200GB or 1.5TB")
            }
            let quota = Quota(pattern: try pattern(), bytes: bytes)
            try await change("quota.set", quota.pattern.text) { try $0.setQuota(quota) }
        case ("quotas", "remove"):
            let pattern = try pattern()
            try await change("quota.remove", pattern.text) { try $0.removeQuota(pattern) }
        case ("garbage", "run"):
            try await change("garbage.collect", "") { _ in }
            try await registry.collectGarbage()
        default: throw RegistryFailure(.unsupported, status: 404, "there is nothing at this path")
        }
        return nil
    }

    private func lifetime(_ form: RequestTarget) throws -> Duration? {
        guard let text = form["days"], !text.isEmpty else { return nil }
        guard let days = Int64(text), (1...36_500).contains(days) else {
            throw AccountError(.invalid, "`\(text.prefix(40))` is no number of days from 1")
        }
        return .seconds(days * 86_400)
    }
}
