import RegistryServer

private let admin = Flag.bool("admin", nil, "May do everything, everywhere")
private let setAdmin = Flag.parsed(
    "admin", nil, "Whether the user may do everything: true or false", choices: ["true", "false"]
) {
    try boolean($0)
}
private let setDisabled = Flag.parsed(
    "disabled", nil, "Whether the account cannot log in: true or false", choices: ["true", "false"]
) { try boolean($0) }

private func boolean(_ text: String) throws -> Bool {
    switch text {
    case "true": true
    case "false": false
    default: throw FlagProblem("want true or false")
    }
}

private let accountHeaders: [Listing.Header] = [
    ("Name", "NAME"), ("Administrator", "ADMIN"), ("Disabled", "DISABLED"), ("Groups", "GROUPS"),
    ("Created", "CREATED"),
    ("Expires", "EXPIRES"),
]

private func accounts(_ name: String, _ kind: Account.Kind, _ summary: String) -> Command {
    Command(name, "", summary, aliases: [name.replacing(" ls", with: " list")], flags: RegistryFlags.listing) { call in
        let accounts = try await call.withRegistry { tools in
            try await tools.registry.database.read { try $0.accounts(kind) }
        }
        try call.show(
            accountHeaders,
            accounts.map {
                [
                    .string($0.name), call.mark($0.isAdministrator), call.mark($0.isDisabled), call.list($0.groups),
                    call.time($0.created), call.time($0.expires),
                ]
            })
        return 0
    }
}

private func removal(
    _ name: String, _ summary: String, _ body: @escaping @Sendable (RegistryTools, String) async throws -> Void
)
    -> Command
{
    Command(
        name, "NAME [NAME...]", summary, aliases: [name.replacing(" rm", with: " remove")],
        flags: [RegistryFlags.root.spec], count: .atLeast(1)
    ) { call in
        try await call.withRegistry { tools in
            await forEach(call.arguments, call) { name in
                try await body(tools, name)
                call.console.line(name)
            }
        }
    }
}

extension Command {
    static let registryUsers: [Command] = [
        Command(
            "user add", "NAME", "Add a user",
            details: "The first account ends the time in which everybody may do everything: make it an administrator.",
            flags: [RegistryFlags.root.spec, RegistryFlags.passwordStdin.spec, admin.spec], count: .exactly(1)
        ) { call in
            let password = try call.newPassword()
            try await call.withRegistry {
                try await $0.access.addUser(
                    call.arguments[0], password: password, isAdministrator: call[admin], by: $0.manager)
            }
            call.console.line(call.arguments[0])
            return 0
        },
        accounts("user ls", .user, "List users"),
        Command(
            "user passwd", "NAME", "Change a user's password; ends its sessions",
            flags: [RegistryFlags.root.spec, RegistryFlags.passwordStdin.spec], count: .exactly(1)
        ) { call in
            let password = try call.newPassword()
            try await call.withRegistry {
                try await $0.access.setPassword(call.arguments[0], to: password, by: $0.manager)
            }
            return 0
        },
        Command(
            "user set", "NAME", "Make a user an administrator, or disable it",
            flags: [RegistryFlags.root.spec, setAdmin.spec, setDisabled.spec], count: .exactly(1)
        ) { call in
            if call[setAdmin] == nil, call[setDisabled] == nil {
                throw UsageError("strata: 'strata registry user set' needs --admin or --disabled")
            }
            try await call.withRegistry {
                try await $0.access.setUser(
                    call.arguments[0], isAdministrator: call[setAdmin], isDisabled: call[setDisabled], by: $0.manager)
            }
            return 0
        },
        Command(
            "user import", "", "Add the users of an htpasswd file on standard input",
            details: "As docker's registry has it: a line `NAME:HASH` for each user, hashed with bcrypt (htpasswd -B).",
            flags: [RegistryFlags.root.spec]
        ) { call in
            let lines = try wholeInput().split(separator: "\n").filter { !$0.hasPrefix("#") }
            return try await call.withRegistry { tools in
                await forEach(lines.map(String.init), call) { line in
                    let parts = line.split(separator: ":", maxSplits: 1).map(String.init)
                    guard parts.count == 2 else { throw UsageWords(description: "a line is not NAME:HASH") }
                    try await tools.access.addUser(parts[0], hash: PasswordHash(encoded: parts[1]), by: tools.manager)
                    call.console.line(parts[0])
                }
            }
        },
        removal("user rm", "Remove users, with their rights and sessions") {
            try await $0.access.removeAccount($1, kind: .user, by: $0.manager)
        },
    ]

    static let registryRobots: [Command] = [
        Command(
            "robot add", "NAME", "Add an account for a program; prints its secret, once",
            flags: [RegistryFlags.root.spec, RegistryFlags.expires.spec], count: .exactly(1)
        ) { call in
            let secret = try await call.withRegistry {
                try await $0.access.addRobot(call.arguments[0], lifetime: call[RegistryFlags.expires], by: $0.manager)
            }
            call.console.line(secret)
            return 0
        },
        Command(
            "robot renew", "NAME", "Give a robot a new secret; the old one works no more",
            flags: [RegistryFlags.root.spec, RegistryFlags.expires.spec], count: .exactly(1)
        ) { call in
            let secret = try await call.withRegistry {
                try await $0.access.renewRobot(call.arguments[0], lifetime: call[RegistryFlags.expires], by: $0.manager)
            }
            call.console.line(secret)
            return 0
        },
        accounts("robot ls", .robot, "List robot accounts"),
        removal("robot rm", "Remove robot accounts") {
            try await $0.access.removeAccount($1, kind: .robot, by: $0.manager)
        },
    ]

    static let registryGroups: [Command] = [
        Command("group add", "NAME", "Add a group", flags: [RegistryFlags.root.spec], count: .exactly(1)) { call in
            try await call.withRegistry { try await $0.access.addGroup(call.arguments[0], by: $0.manager) }
            return 0
        },
        Command("group ls", "", "List groups and their members", flags: RegistryFlags.listing) { call in
            let groups = try await call.withRegistry { tools in
                try await tools.registry.database.read { try $0.groups() }
            }
            try call.show(
                [("Name", "NAME"), ("Members", "MEMBERS")], groups.map { [.string($0.name), call.list($0.members)] })
            return 0
        },
        membership("group join", "Put accounts into a group", isMember: true),
        membership("group leave", "Take accounts out of a group", isMember: false),
        removal("group rm", "Remove groups, with their rights") { try await $0.access.removeGroup($1, by: $0.manager) },
    ]

    private static func membership(_ name: String, _ summary: String, isMember: Bool) -> Command {
        Command(name, "GROUP ACCOUNT [ACCOUNT...]", summary, flags: [RegistryFlags.root.spec], count: .atLeast(2)) {
            call in
            try await call.withRegistry { tools in
                await forEach(Array(call.arguments.dropFirst()), call) {
                    try await tools.access.setMember($0, of: call.arguments[0], isMember: isMember, by: tools.manager)
                }
            }
        }
    }

    static let registryAccess: [Command] = [
        Command(
            "access grant", "SUBJECT PATTERN ACTION[,ACTION]", "Give a right",
            details: "SUBJECT: user:NAME, robot:NAME, group:NAME, authenticated, anonymous. PATTERN: `team/*` for the "
                + "repositories right below, `team/**` for all, `**` for every one. ACTION: pull, push (and pull), delete, "
                + "admin (all). Rights only add: what no right gives is refused.",
            flags: [RegistryFlags.root.spec], count: .exactly(3)
        ) { call in
            let actions = try call.arguments[2].split(separator: ",").map { word in
                guard let action = RepositoryAction(rawValue: String(word)) else {
                    throw UsageWords(description: "\(word) is no right: want pull, push, delete or admin")
                }
                return action
            }
            let rule = AccessRule(
                subject: try .init(parsing: call.arguments[0]), pattern: try RepositoryPattern(call.arguments[1]),
                actions: Set(actions))
            try await call.withRegistry { try await $0.access.grant(rule, by: $0.manager) }
            return 0
        },
        Command(
            "access revoke", "SUBJECT PATTERN", "Take a right away", flags: [RegistryFlags.root.spec],
            count: .exactly(2)
        ) { call in
            let subject = try AccessRule.Subject(parsing: call.arguments[0])
            let pattern = try RepositoryPattern(call.arguments[1])
            try await call.withRegistry { try await $0.access.revoke(subject, on: pattern, by: $0.manager) }
            return 0
        },
        Command("access ls", "", "List rights", flags: RegistryFlags.listing) { call in
            let rules = try await call.withRegistry { tools in
                try await tools.registry.database.read { try $0.rules() }
            }
            try call.show(
                [("Subject", "SUBJECT"), ("Pattern", "PATTERN"), ("Actions", "ACTIONS")],
                rules.map {
                    [
                        .string($0.subject.text), .string($0.pattern.text),
                        call.list($0.actions.sorted().map(\.rawValue)),
                    ]
                })
            return 0
        },
        Command(
            "audit", "", "Show who did what, newest first", flags: RegistryFlags.listing + [RegistryFlags.limit.spec]
        ) { call in
            let limit = call[RegistryFlags.limit] ?? 100
            let entries = try await call.withRegistry { tools in
                try await tools.registry.database.read { try $0.auditEntries(limit: limit) }
            }
            try call.show(
                [
                    ("Time", "TIME"), ("Actor", "ACTOR"), ("Address", "ADDRESS"), ("Action", "ACTION"),
                    ("Subject", "SUBJECT"), ("Detail", "DETAIL"),
                ],
                entries.map {
                    [
                        call.time($0.at), .string($0.actor), .string($0.address), .string($0.action),
                        .string($0.subject),
                        .string($0.detail),
                    ]
                })
            return 0
        },
    ]
}
