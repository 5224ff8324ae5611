import OCI

/// Reads what the administration pages show, and does what their forms say.
struct AdminData {
    let registry: Registry
    let access: AccessControl

    init(_ registry: Registry, _ access: AccessControl) {
        self.registry = registry
        self.access = access
    }

    // MARK: Reading

    func page(_ section: String, _ query: RequestTarget) async throws -> AdminPage {
        switch section {
        case "", "users": try await accounts(.user)
        case "robots": try await accounts(.robot)
        case "groups": try await groups()
        case "access": try await rights()
        case "webhooks": try await webhooks(query["name"])
        case "retention": try await retention()
        case "immutable": try await immutable()
        case "quotas": try await quotas()
        case "garbage": try await garbage()
        case "audit": try await audit()
        default: throw RegistryFailure(.unsupported, status: 404, "there is nothing at this path")
        }
    }

    private func remove(_ name: String) -> AdminPage.Form {
        .init(action: "remove", submit: .remove, fields: [.hidden("name", name)], isDangerous: true)
    }

    private func accounts(_ kind: Account.Kind) async throws -> AdminPage {
        let accounts = try await registry.database.read { try $0.accounts(kind) }
        var table = AdminPage.Table(
            title: kind == .user ? .users : .robots,
            headings: [.userName, .administrator, .disabled, .groups, .expires],
            rows: accounts.map { account in
                AdminPage.Row(
                    cells: [
                        account.name, account.isAdministrator ? "✓" : "", account.isDisabled ? "✓" : "",
                        account.groups.joined(separator: ", "), account.expires.map { utc($0 / 1000) } ?? "",
                    ], forms: [remove(account.name)])
            })
        table.forms = [
            kind == .user
                ? .init(
                    action: "add", submit: .add,
                    fields: [
                        .text(.userName, "name"), .password(.password, "password"),
                        .check(.administrator, "administrator"),
                    ]) : .init(action: "add", submit: .add, fields: [.text(.userName, "name")])
        ]
        return AdminPage(section: kind == .user ? "" : "robots", tables: [table])
    }

    private func groups() async throws -> AdminPage {
        let groups = try await registry.database.read { try $0.groups() }
        var table = AdminPage.Table(
            title: .groups, headings: [.groups, .users],
            rows: groups.map { group in
                AdminPage.Row(
                    cells: [group.name, group.members.joined(separator: ", ")],
                    forms: [
                        .init(
                            action: "join", submit: .add,
                            fields: [.hidden("name", group.name), .text(.userName, "account")]), remove(group.name),
                    ])
            })
        table.forms = [.init(action: "add", submit: .add, fields: [.text(.groups, "name")])]
        return AdminPage(section: "groups", tables: [table])
    }

    private func rights() async throws -> AdminPage {
        let rules = try await registry.database.read { try $0.rules() }
        var table = AdminPage.Table(
            title: .rights, headings: [.subject, .pattern, .actions],
            rows: rules.map { rule in
                AdminPage.Row(
                    cells: [
                        rule.subject.text, rule.pattern.text,
                        rule.actions.sorted().map(\.rawValue).joined(separator: ", "),
                    ],
                    forms: [
                        .init(
                            action: "remove", submit: .remove,
                            fields: [.hidden("subject", rule.subject.text), .hidden("pattern", rule.pattern.text)],
                            isDangerous: true)
                    ])
            })
        table.forms = [
            .init(
                action: "add", submit: .add,
                fields: [.text(.subject, "subject"), .text(.pattern, "pattern"), .text(.actions, "actions")])
        ]
        return AdminPage(section: "access", tables: [table])
    }

    private func webhooks(_ name: String?) async throws -> AdminPage {
        let (hooks, deliveries) = try await registry.database.read { records in
            let hooks = try records.webhooks()
            let shown = name.map { [$0] } ?? hooks.map(\.name)
            return (hooks, try shown.flatMap { name in try records.deliveries(of: name, limit: 20).map { (name, $0) } })
        }
        var table = AdminPage.Table(
            title: .webhooks, headings: [.webhooks, .address, .pattern, .events, .disabled],
            rows: hooks.map { hook in
                AdminPage.Row(
                    cells: [
                        hook.name, hook.url, hook.pattern.text, hook.kinds.joined(separator: ", "),
                        hook.isDisabled ? "✓" : "",
                    ], forms: [remove(hook.name)])
            })
        table.forms = [
            .init(
                action: "add", submit: .add,
                fields: [
                    .text(.webhooks, "name"), .text(.address, "url"), .text(.pattern, "pattern", isRequired: false),
                    .text(.events, "kinds", isRequired: false),
                ])
        ]
        let log = AdminPage.Table(
            title: .deliveries, headings: [.webhooks, .repository, .status, .attempts, .when, .nextAttempt, .detail],
            rows: deliveries.map { hook, delivery in
                AdminPage.Row(
                    cells: [
                        hook, delivery.repository,
                        delivery.state.rawValue + (delivery.status.map { " \($0)" } ?? ""), "\(delivery.attempts)",
                        delivery.attempted.map { utc($0 / 1000) } ?? "",
                        delivery.state == .waiting ? utc(delivery.next / 1000) : "",
                        String((delivery.answer ?? "").prefix(80)),
                    ],
                    forms: [.init(action: "replay", submit: .replay, fields: [.hidden("delivery", "\(delivery.id)")])])
            })
        return AdminPage(section: "webhooks", tables: [table, log])
    }

    private func retention() async throws -> AdminPage {
        let policies = try await registry.database.read { records in
            try records.retentionPolicies().map {
                ($0.pattern.text, $0.policy.rules.map(\.text).joined(separator: "; "))
            }
        }
        var table = AdminPage.Table(
            title: .retention, headings: [.pattern, .rules],
            rows: policies.map { .init(cells: [$0.0, $0.1], forms: [remove($0.0)]) })
        table.forms = [
            .init(action: "add", submit: .add, fields: [.text(.pattern, "pattern"), .text(.rules, "rules")]),
            .init(action: "run", submit: .run, isDangerous: true),
        ]
        let decisions = try await registry.retentionPreview().flatMap { repository, decisions in
            decisions.map { (repository, $0) }
        }
        // What goes first: that is what somebody wants to know before it goes.
        let sorted = decisions.filter { !$0.1.keeps } + decisions.filter { $0.1.keeps }
        let preview = AdminPage.Table(
            title: .preview, headings: [.repository, .tag, .decision, .reason],
            rows: sorted.prefix(500).map { repository, decision in
                .init(cells: [repository, decision.tag.name, decision.keeps ? "✓" : "✗", decision.reason])
            })
        return AdminPage(section: "retention", tables: [table, preview])
    }

    private func immutable() async throws -> AdminPage {
        let rules = try await registry.database.read { try $0.immutableTags() }
        var table = AdminPage.Table(
            title: .immutableTags, headings: [.pattern, .tags],
            rows: rules.map { rule in
                .init(
                    cells: [rule.repositories.text, rule.tags.text],
                    forms: [
                        .init(
                            action: "remove", submit: .remove,
                            fields: [.hidden("pattern", rule.repositories.text), .hidden("tags", rule.tags.text)],
                            isDangerous: true)
                    ])
            })
        table.forms = [
            .init(action: "add", submit: .add, fields: [.text(.pattern, "pattern"), .text(.tags, "tags")])
        ]
        return AdminPage(section: "immutable", tables: [table])
    }

    private func quotas() async throws -> AdminPage {
        let quotas = try await registry.database.read { records in
            try records.quotas().map { ($0, try records.usage(of: $0.pattern)) }
        }
        var table = AdminPage.Table(
            title: .quotas, headings: [.pattern, .used, .size],
            rows: quotas.map {
                .init(cells: [$0.0.pattern.text, "\($0.1)", "\($0.0.bytes)"], forms: [remove($0.0.pattern.text)])
            })
        table.forms = [
            .init(action: "add", submit: .add, fields: [.text(.pattern, "pattern"), .text(.size, "bytes")])
        ]
        return AdminPage(section: "quotas", tables: [table])
    }

    private func garbage() async throws -> AdminPage {
        let items = try await registry.garbage()
        var table = AdminPage.Table(
            title: .garbage, headings: [.kind, .repository, .digest, .size, .reason],
            rows: items.prefix(500).map {
                .init(cells: [$0.kind.rawValue, $0.repository, $0.digest.description, "\($0.bytes)", $0.reason])
            })
        table.forms = [.init(action: "run", submit: .run, isDangerous: true)]
        return AdminPage(section: "garbage", tables: [table])
    }

    private func audit() async throws -> AdminPage {
        let entries = try await registry.database.read { try $0.auditEntries(limit: 200) }
        let table = AdminPage.Table(
            title: .audit, headings: [.when, .who, .address, .actions, .subject, .detail],
            rows: entries.map {
                .init(cells: [utc($0.at / 1000), $0.actor, $0.address, $0.action, $0.subject, $0.detail])
            })
        return AdminPage(section: "audit", tables: [table])
    }

    // MARK: Changing

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
            (form[field] ?? "").split { $0 == "," || $0 == " " }.map(String.init)
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
        case ("robots", "add"): return (.secretOnce, try await access.addRobot(name, lifetime: nil, by: manager))
        case ("robots", "remove"): try await access.removeAccount(name, kind: .robot, by: manager)
        case ("groups", "add"): try await access.addGroup(name, by: manager)
        case ("groups", "remove"): try await access.removeGroup(name, by: manager)
        case ("groups", "join"):
            try await access.setMember(form["account"] ?? "", of: name, isMember: true, by: manager)
        case ("access", "add"):
            let actions = words("actions").compactMap { RepositoryAction(rawValue: $0) }
            if actions.count != words("actions").count {
                throw AccountError(.invalid, "a right is one of pull, push, delete, admin")
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
            guard let bytes = Int64(form["bytes"] ?? ""), bytes > 0 else {
                throw AccountError(.invalid, "a quota is a number of bytes above 0")
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
}
