import OCI
import RegistryServer

private let since = Flag.int("since", nil, "Only what came after this event")
private let follow = Flag.bool("follow", "f", "Go on with what happens")
private let repositories = Flag.string(
    "repository", nil, "Only of repositories that fit (default: **)", valueName: "pattern")
private let kinds = Flag.list("kind", nil, "Only events of this kind: tag.moved, manifest.pushed, …", valueName: "kind")

extension Command {
    static let registryEvents: [Command] = [
        Command(
            "events", "", "Show what happened",
            flags: RegistryFlags.listing + [since.spec, follow.spec, repositories.spec, RegistryFlags.limit.spec]
        ) { call in
            let pattern = try RegistryWords.pattern(call[repositories] ?? "**")
            let limit = call[RegistryFlags.limit] ?? Int.max
            return try await call.withRegistry { tools in
                var position = Int64(call[since] ?? 0)
                var shown = 0
                while shown < limit {
                    let start = position
                    let events = try await tools.registry.database.read { try $0.events(after: start, limit: 500) }
                    position = events.last?.id ?? position
                    let fitting = events.filter { pattern.matches($0.repository) }.prefix(limit - shown)
                    shown += fitting.count
                    if !fitting.isEmpty { try call.show(eventHeaders, fitting.map { row($0, call) }) }
                    if !events.isEmpty { continue }
                    if !call[follow] { break }
                    await tools.registry.changes.wait(atMost: .seconds(1))
                }
                return 0
            }
        }
    ]

    static let registryWebhooks: [Command] = [
        Command(
            "webhook add", "NAME URL", "Send events to an address; prints the secret that signs them, once",
            details:
                "Deliveries are CloudEvents 1.0 in JSON with the header Strata-Signature: `t=SECONDS,v1=HEX`, HEX being "
                + "the HMAC-SHA-256 of `SECONDS.BODY` under the secret. What cannot be delivered is tried again for 3 days.",
            flags: [RegistryFlags.root.spec, repositories.spec, kinds.spec], count: .exactly(2)
        ) { call in
            let hook = Webhook(
                name: call.arguments[0], url: call.arguments[1],
                pattern: try RegistryWords.pattern(call[repositories] ?? "**"), kinds: call[kinds])
            try hook.check()
            try await change(call, "webhook.add", hook.name) { records, _ in try records.addWebhook(hook) }
            call.console.line(hook.secret)
            return 0
        },
        Command("webhook ls", "", "List webhooks", flags: RegistryFlags.listing) { call in
            let hooks = try await call.withRegistry { tools in
                try await tools.registry.database.read { try $0.webhooks() }
            }
            try call.show(
                [
                    ("Name", "NAME"), ("URL", "URL"), ("Pattern", "REPOSITORIES"), ("Kinds", "EVENTS"),
                    ("Disabled", "DISABLED"),
                ],
                hooks.map {
                    [
                        .string($0.name), .string($0.url), .string($0.pattern.text), call.list($0.kinds),
                        call.mark($0.isDisabled),
                    ]
                })
            return 0
        },
        named("webhook rm", "Remove a webhook with its deliveries", "webhook.remove") { try $0.removeWebhook($1) },
        named("webhook enable", "Deliver again, and what waits for its next attempt at once", "webhook.enable") {
            try $0.setWebhook($1, isDisabled: false)
        },
        named("webhook disable", "Keep events until it is enabled", "webhook.disable") {
            try $0.setWebhook($1, isDisabled: true)
        },
        Command(
            "webhook deliveries", "NAME", "Show the deliveries of a webhook, newest first",
            flags: RegistryFlags.listing + [RegistryFlags.limit.spec], count: .exactly(1)
        ) { call in
            let limit = call[RegistryFlags.limit] ?? 100
            let name = call.arguments[0]
            let deliveries = try await call.withRegistry { tools in
                try await tools.registry.database.read { try $0.deliveries(of: name, limit: limit) }
            }
            try call.show(
                [
                    ("ID", "ID"), ("Event", "EVENT"), ("Repository", "REPOSITORY"), ("State", "STATE"),
                    ("Attempts", "ATTEMPTS"), ("Attempted", "LAST ATTEMPT"), ("Next", "NEXT"), ("Status", "STATUS"),
                    ("Answer", "ANSWER"),
                ],
                deliveries.map {
                    [
                        .int($0.id), .int($0.event), .string($0.repository), .string($0.state.rawValue),
                        .int(Int64($0.attempts)), call.time($0.attempted),
                        call.time($0.state == .waiting ? $0.next : nil), .string($0.status.map { "\($0)" } ?? ""),
                        .string(
                            String(($0.answer ?? "").prefix(call.format == nil ? 60 : 500)).replacing("\n", with: " ")),
                    ]
                })
            return 0
        },
        Command(
            "webhook replay", "DELIVERY", "Send a delivery's event again", flags: [RegistryFlags.root.spec],
            count: .exactly(1)
        ) { call in
            guard let id = Int64(call.arguments[0]) else {
                throw UsageWords(description: "\(call.arguments[0]) is no delivery: want its number")
            }
            try await change(call, "webhook.replay", "\(id)") { try $0.replay(id, at: $1) }
            return 0
        },
    ]

    private static func named(
        _ name: String, _ summary: String, _ action: String,
        _ body: @escaping @Sendable (RegistryRecords, String) throws -> Void
    ) -> Command {
        Command(name, "NAME", summary, flags: [RegistryFlags.root.spec], count: .exactly(1)) { call in
            try await change(call, action, call.arguments[0]) { records, _ in try body(records, call.arguments[0]) }
            return 0
        }
    }
}

private let eventHeaders: [Listing.Header] = [
    ("ID", "ID"), ("Time", "TIME"), ("Kind", "KIND"), ("Repository", "REPOSITORY"), ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("Actor", "BY"),
]

private func row(_ event: RegistryEvent, _ call: Call) -> [Value] {
    [
        .int(event.id), call.time(event.at), .string(event.kind.rawValue), .string(event.repository),
        .string(event.tag ?? ""), .string(event.digest?.description ?? ""), .string(event.actor),
    ]
}

extension CommandGroup {
    static let registry = CommandGroup(
        "registry", "Serve and manage a registry",
        [.registryServe, .registryCheck, .registryCollect] + Command.registryUsers + Command.registryRobots
            + Command.registryGroups + Command.registryAccess + Command.registryVersions + Command.registryPolicies
            + Command.registryEvents + Command.registryWebhooks)
}
