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
        case "", "users": try await users()
        case "robots": try await robots()
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

    private func form(
        _ action: String, _ submit: Phrase, _ fields: [(String, String)], isDangerous: Bool = false
    ) -> AdminPage.Form {
        .init(action: action, submit: submit, fields: fields.map { .hidden($0.0, $0.1) }, isDangerous: isDangerous)
    }

    private func remove(_ fields: (String, String)...) -> AdminPage.Form {
        form("remove", .remove, fields, isDangerous: true)
    }

    private func users() async throws -> AdminPage {
        let accounts = try await registry.database.read { try $0.accounts(.user) }
        let rows = accounts.map { account -> AdminPage.Row in
            let name = ("name", account.name)
            return AdminPage.Row(
                cells: [
                    .text(account.name), .badges(badges(of: account)), .text(account.groups.joined(separator: ", ")),
                    .time(account.created),
                ],
                forms: [
                    .init(
                        action: "password", submit: .setPassword,
                        fields: [.hidden("name", account.name), .password(.newPassword, "password")]),
                    form(
                        "set", account.isAdministrator ? .takeAdministrator : .makeAdministrator,
                        [name, ("administrator", account.isAdministrator ? "no" : "yes")]),
                    toggle(account), remove(name),
                ])
        }
        var table = AdminPage.Table(title: .users, columns: [.userName, .status, .groups, .created], rows: rows)
        table.forms = [
            .init(
                action: "add", submit: .add,
                fields: [
                    .text(.userName, "name"), .password(.password, "password"), .check(.administrator, "administrator"),
                ], title: .add)
        ]
        return AdminPage(section: "", tables: [table])
    }

    private func robots() async throws -> AdminPage {
        let accounts = try await registry.database.read { try $0.accounts(.robot) }
        let rows = accounts.map { account in
            AdminPage.Row(
                cells: [
                    .text(account.name), .badges(badges(of: account)), .text(account.groups.joined(separator: ", ")),
                    account.expires.map { .text(String(utc($0 / 1000).prefix(10))) } ?? .badges([(.never, .plain)]),
                ],
                forms: [
                    .init(
                        action: "renew", submit: .newSecret,
                        fields: [.hidden("name", account.name), .number(.daysUntilExpiry, "days", isRequired: false)]),
                    toggle(account), remove(("name", account.name)),
                ])
        }
        var table = AdminPage.Table(title: .robots, columns: [.name, .status, .groups, .expires], rows: rows)
        table.forms = [
            .init(
                action: "add", submit: .add,
                fields: [.text(.name, "name"), .number(.daysUntilExpiry, "days", isRequired: false)], title: .add)
        ]
        return AdminPage(section: "robots", tables: [table])
    }

    private func badges(of account: Account) -> [(Phrase, HTML.Tone)] {
        (account.isDisabled ? [(.disabled, .bad)] : [(.active, .good)])
            + (account.isAdministrator ? [(.administrator, .plain)] : [])
    }

    private func toggle(_ account: Account) -> AdminPage.Form {
        form(
            "set", account.isDisabled ? .enable : .disable,
            [("name", account.name), ("disabled", account.isDisabled ? "no" : "yes")])
    }

    private func groups() async throws -> AdminPage {
        let (groups, accounts) = try await registry.database.read { (try $0.groups(), try $0.accounts()) }
        let rows = groups.map { group in
            AdminPage.Row(
                cells: [.text(group.name), .text(group.members.joined(separator: ", "))],
                forms: [
                    .init(
                        action: "join", submit: .add,
                        fields: [.hidden("name", group.name), .text(.member, "account", list: "accounts")])
                ]
                    + (group.members.isEmpty
                        ? []
                        : [
                            .init(
                                action: "leave", submit: .leave,
                                fields: [.hidden("name", group.name), .text(.member, "account", list: "accounts")])
                        ]) + [remove(("name", group.name))])
        }
        var table = AdminPage.Table(title: .groups, columns: [.name, .members], rows: rows)
        table.forms = [.init(action: "add", submit: .add, fields: [.text(.name, "name")], title: .add)]
        return AdminPage(section: "groups", tables: [table], proposals: [("accounts", accounts.map(\.name))])
    }

    private static let actionNames: [RepositoryAction: Phrase] = [
        .pull: .actionPull, .push: .actionPush, .delete: .actionDelete, .admin: .actionAdmin,
    ]

    private func boxes(_ actions: Set<RepositoryAction>) -> [AdminPage.Field] {
        RepositoryAction.allCases.map { action in
            .check(
                Self.actionNames[action] ?? .actions, "actions", value: action.rawValue,
                isChecked: actions.contains(action))
        }
    }

    private func rights() async throws -> AdminPage {
        let (rules, accounts, groups, names) = try await registry.database.read { records in
            (
                try records.rules(), try records.accounts(), try records.groups(),
                try records.repositories(after: "", limit: 200)
            )
        }
        let rows = rules.map { rule in
            let which = [("subject", rule.subject.text), ("pattern", rule.pattern.text)]
            return AdminPage.Row(
                cells: [
                    .text(rule.subject.text), .code(rule.pattern.text),
                    .form(
                        .init(
                            action: "add", submit: .save,
                            fields: which.map { .hidden($0.0, $0.1) } + boxes(rule.actions))),
                ], forms: [remove(which[0], which[1])])
        }
        var table = AdminPage.Table(
            title: .rights, columns: [.subject, .pattern, .actions], rows: rows, hint: .rightsHint)
        table.forms = [
            .init(
                action: "add", submit: .grant,
                fields: [
                    .text(.subject, "subject", placeholder: "user:ann", list: "subjects"),
                    .text(.pattern, "pattern", placeholder: "team/*", list: "patterns"),
                ] + boxes([.pull]), title: .grantTitle)
        ]
        let subjects =
            accounts.filter { !$0.isAdministrator }.map { "\($0.kind.rawValue):\($0.name)" }
            + groups.map { "group:\($0.name)" } + ["authenticated", "anonymous"]
        let folders = Set(names.compactMap { name in name.lastIndex(of: "/").map { "\(name[..<$0])/*" } })
        return AdminPage(
            section: "access", tables: [table],
            proposals: [("subjects", subjects), ("patterns", folders.sorted() + names + ["**"])])
    }

    private func webhooks(_ name: String?) async throws -> AdminPage {
        let (hooks, deliveries) = try await registry.database.read { records in
            let hooks = try records.webhooks()
            let shown = name.map { [$0] } ?? hooks.map(\.name)
            return (hooks, try shown.flatMap { name in try records.deliveries(of: name, limit: 20).map { (name, $0) } })
        }
        var table = AdminPage.Table(
            title: .webhooks, columns: [.name, .address, .pattern, .events, .status],
            rows: hooks.map { hook in
                AdminPage.Row(
                    cells: [
                        .text(hook.name), .code(hook.url), .code(hook.pattern.text),
                        .text(hook.kinds.joined(separator: ", ")),
                        .badges([hook.isDisabled ? (.disabled, .bad) : (.active, .good)]),
                    ], forms: [remove(("name", hook.name))])
            })
        table.forms = [
            .init(
                action: "add", submit: .add,
                fields: [
                    .text(.name, "name"), .text(.address, "url", placeholder: "https://deployer.example/hook"),
                    .text(.pattern, "pattern", placeholder: "**", isRequired: false),
                    .text(.events, "kinds", placeholder: "tag.moved, tag.created", isRequired: false),
                ], title: .add)
        ]
        let states: [String: (Phrase, HTML.Tone)] = [
            "delivered": (.delivered, .good), "waiting": (.waiting, .plain), "failed": (.failed, .bad),
        ]
        let log = AdminPage.Table(
            title: .deliveries, columns: [.webhooks, .repository, .status, .attempts, .when, .nextAttempt, .detail],
            rows: deliveries.map { hook, delivery in
                AdminPage.Row(
                    cells: [
                        .text(hook), .repository(delivery.repository),
                        states[delivery.state.rawValue].map { .badges([$0]) } ?? .text(delivery.state.rawValue),
                        .text("\(delivery.attempts)"), .time(delivery.attempted),
                        .text(delivery.state == .waiting ? String(utc(delivery.next / 1000).prefix(19)) : ""),
                        .text(
                            (delivery.status.map { "\($0) " } ?? "") + String((delivery.answer ?? "").prefix(80))),
                    ], forms: [form("replay", .replay, [("delivery", "\(delivery.id)")])])
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
            title: .retention, columns: [.pattern, .rules],
            rows: policies.map { .init(cells: [.code($0.0), .code($0.1)], forms: [remove(("name", $0.0))]) })
        table.forms = [
            .init(
                action: "add", submit: .add,
                fields: [
                    .text(.pattern, "pattern", placeholder: "team/*"),
                    .text(.rules, "rules", placeholder: "nightly-*: newest 10, pulled 30d; v*: always"),
                ], title: .add),
            .init(action: "run", submit: .runNow, isDangerous: true),
        ]
        let decisions = try await registry.retentionPreview().flatMap { repository, decisions in
            decisions.map { (repository, $0) }
        }
        // What goes first: that is what somebody wants to know before it goes.
        let sorted = decisions.filter { !$0.1.keeps } + decisions.filter { $0.1.keeps }
        let preview = AdminPage.Table(
            title: .preview, columns: [.repository, .tag, .decision, .reason],
            rows: sorted.prefix(500).map { repository, decision in
                .init(cells: [
                    .repository(repository), .text(decision.tag.name),
                    .badges([decision.keeps ? (.stays, .good) : (.goes, .bad)]), .text(decision.reason),
                ])
            })
        return AdminPage(section: "retention", tables: [table, preview])
    }

    private func immutable() async throws -> AdminPage {
        let rules = try await registry.database.read { try $0.immutableTags() }
        var table = AdminPage.Table(
            title: .immutableTags, columns: [.pattern, .everyTag],
            rows: rules.map { rule in
                .init(
                    cells: [.code(rule.repositories.text), .code(rule.tags.text)],
                    forms: [remove(("pattern", rule.repositories.text), ("tags", rule.tags.text))])
            })
        table.forms = [
            .init(
                action: "add", submit: .add,
                fields: [
                    .text(.pattern, "pattern", placeholder: "team/*"), .text(.everyTag, "tags", placeholder: "v*"),
                ], title: .add)
        ]
        return AdminPage(section: "immutable", tables: [table])
    }

    private func quotas() async throws -> AdminPage {
        let quotas = try await registry.database.read { records in
            try records.quotas().map { ($0, try records.usage(of: $0.pattern)) }
        }
        var table = AdminPage.Table(
            title: .quotas, columns: [.pattern, .used, .limit],
            rows: quotas.map {
                .init(
                    cells: [.code($0.0.pattern.text), .bytes($0.1), .bytes($0.0.bytes)],
                    forms: [remove(("name", $0.0.pattern.text))])
            })
        table.forms = [
            .init(
                action: "add", submit: .add,
                fields: [
                    .text(.pattern, "pattern", placeholder: "team/**"), .text(.size, "bytes", placeholder: "200GB"),
                ], title: .add)
        ]
        return AdminPage(section: "quotas", tables: [table])
    }

    private func garbage() async throws -> AdminPage {
        let items = try await registry.garbage()
        var table = AdminPage.Table(
            title: .garbage, columns: [.kind, .repository, .digest, .size, .reason],
            rows: items.prefix(500).map {
                .init(cells: [
                    .text($0.kind.rawValue), .text($0.repository), .code(String($0.digest.description.prefix(19))),
                    .bytes($0.bytes), .text($0.reason),
                ])
            })
        table.forms = [.init(action: "run", submit: .runNow, isDangerous: true)]
        return AdminPage(section: "garbage", tables: [table])
    }

    private func audit() async throws -> AdminPage {
        let entries = try await registry.database.read { try $0.auditEntries(limit: 200) }
        let table = AdminPage.Table(
            title: .audit, columns: [.when, .who, .address, .action, .thing, .detail],
            rows: entries.map {
                .init(cells: [
                    .time($0.at), .text($0.actor), .text($0.address), .code($0.action), .text($0.subject),
                    .text($0.detail),
                ])
            })
        return AdminPage(section: "audit", tables: [table])
    }
}
