import Linux
import OCI
import RegistryServer

private let tag = Flag.string("tag", nil, "Only this tag's", valueName: "tag")
private let export = Flag.bool("export", nil, "Print the history as a document that `--verify` takes")
private let verify = Flag.string("verify", nil, "Verify an exported history, without a registry", valueName: "file")
private let head = Flag.parsed(
    "head", nil, "With --verify: the hash of an entry, as it was once written down", valueName: "hash"
) { try Digest(parsing: $0) }
private let expected = Flag.parsedList(
    "expect", nil, "What a tag must be now: TAG=DIGEST, TAG=absent or TAG=present", valueName: "tag=what"
) { text in
    let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
    guard parts.count == 2, let tag = TagName(parsing: parts[0]) else {
        throw FlagProblem("want TAG=DIGEST, TAG=absent or TAG=present")
    }
    switch parts[1] {
    case "absent": return (tag, TagCondition.absent)
    case "present": return (tag, TagCondition.present)
    default: return (tag, TagCondition.among([try Digest(parsing: parts[1])]))
    }
}
private let absent = Flag.bool("new", nil, "Only where none of the tags is there yet")

extension Command {
    static let registryVersions: [Command] = [
        history,
        Command(
            "tag move", "REPOSITORY TAG=DIGEST|TAG= [TAG=DIGEST...]", "Move and remove several tags, all or none",
            details:
                "`TAG=` removes a tag. With `--expect` nothing happens unless every tag is what is expected of it.",
            flags: [RegistryFlags.root.spec, absent.spec, expected.spec], count: .atLeast(2)
        ) { call in
            let name = try RegistryWords.repository(call.arguments[0])
            var expectations = Dictionary(call[expected]) { $1 }
            let moves = try call.arguments.dropFirst().map { word in
                let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
                guard parts.count == 2, let tag = TagName(parsing: parts[0]) else {
                    throw UsageWords(description: "\(word) is not of the form TAG=DIGEST")
                }
                return TagMove(
                    tag: tag, digest: parts[1].isEmpty ? nil : try Digest(parsing: parts[1]),
                    condition: expectations.removeValue(forKey: tag) ?? (call[absent] ? .absent : nil))
            }
            if let tag = expectations.keys.map(\.description).min() {
                throw UsageWords(description: "--expect is about \(tag), which is not among the tags to move")
            }
            try await call.withRegistry { try await $0.registry.moveTags(Array(moves), of: name, by: $0.manager.name) }
            return 0
        },
        Command(
            "tag restore", "REPOSITORY TAG", "Bring back a removed tag with what it named",
            flags: [RegistryFlags.root.spec], count: .exactly(2)
        ) { call in
            let name = try RegistryWords.repository(call.arguments[0])
            guard let tag = TagName(parsing: call.arguments[1]) else {
                throw UsageWords(description: "\(call.arguments[1]) is no tag")
            }
            let digest = try await call.withRegistry {
                try await $0.registry.restoreTag(tag, of: name, by: $0.manager.name)
            }
            call.console.line(digest.description)
            return 0
        },
        Command(
            "space", "REPOSITORY", "Show what each tag takes, and what removing it would free",
            flags: RegistryFlags.listing, count: .exactly(1)
        ) { call in
            let name = try RegistryWords.repository(call.arguments[0])
            let report = try await call.withRegistry { tools in
                try await tools.registry.database.read { try $0.space(of: name) }
            }
            try call.show(
                [("Tag", "TAG"), ("Digest", "DIGEST"), ("Bytes", "SIZE"), ("UniqueBytes", "FREED BY REMOVAL")],
                report.tags.map {
                    [.string($0.name), .string($0.digest.description), call.size($0.bytes), call.size($0.uniqueBytes)]
                })
            if call.format == nil {
                call.console.line(
                    "\(Units.size(report.bytes)), of which \(Units.size(report.sharedBytes)) are shared with other "
                        + "repositories; \(report.untagged) manifests without a tag hold \(Units.size(report.untaggedBytes))"
                )
            }
            return 0
        },
    ]

    private static let history = Command(
        "history", "REPOSITORY", "Show which digest a tag was when, and verify the chain of entries",
        details:
            "Each entry holds the hash of the one before. Keep the last hash elsewhere, or the whole `--export`: then "
            + "`--verify FILE --head HASH` shows on any machine whether anything before it was changed. Ends with 1 if so.",
        flags: RegistryFlags.listing + [tag.spec, export.spec, verify.spec, head.spec], count: .atMost(1)
    ) { call in
        let document: HistoryDocument
        if let path = call[verify] {
            if !call.arguments.isEmpty { throw UsageWords(description: "--verify reads a file, not a repository") }
            document = try HistoryDocument(parsing: readFile(path, limit: 1 << 30))
        } else {
            guard let word = call.arguments.first else {
                throw UsageWords(description: "name a REPOSITORY, or a file with --verify")
            }
            let name = try RegistryWords.repository(word)
            document = try await call.withRegistry { tools in
                try await tools.registry.database.read {
                    HistoryDocument(of: name, try $0.history(of: name), head: try $0.historyHead(of: name))
                }
            }
        }
        if call[export] {
            call.console.line(try document.text())
        } else {
            try call.show(
                [
                    ("Sequence", "NO"), ("Time", "TIME"), ("Tag", "TAG"), ("Digest", "DIGEST"), ("By", "BY"),
                    ("Hash", "HASH"),
                ],
                document.entries.filter { entry in call[tag].map { entry.tag == $0 } ?? true }.map {
                    [
                        .int($0.sequence), .string(Times.rfc3339($0.at)), .string($0.tag),
                        .string($0.digest?.description ?? (call.format == nil ? "removed" : "")), .string($0.by),
                        .string(call.format == nil ? String($0.hash.description.prefix(19)) : $0.hash.description),
                    ]
                })
        }
        if let problem = document.changed(since: call[head]) {
            throw UsageWords(description: "the history of \(document.repository) was changed: \(problem)")
        }
        return 0
    }

    static let registryPolicies: [Command] = [
        Command(
            "retention set", "PATTERN RULE [RULE...]", "Say which tags of some repositories stay",
            details: "RULE: `TAGS: KEEP, …` with `newest N`, `moved 90d`, `pulled 30d` or `always`, as in "
                + "'nightly-*: newest 10, pulled 30d'. A tag stays where one rule that fits keeps it, and where none fits.",
            flags: [RegistryFlags.root.spec], count: .atLeast(2)
        ) { call in
            let pattern = try RegistryWords.pattern(call.arguments[0])
            let policy = RetentionPolicy(rules: try call.arguments.dropFirst().map { try .init(parsing: $0) })
            try await change(call, "retention.set", pattern.text) { try $0.setRetention(policy, for: pattern, at: $1) }
            return 0
        },
        Command("retention ls", "", "List the retention policies", flags: RegistryFlags.listing) { call in
            let policies = try await call.withRegistry { tools in
                try await tools.registry.database.read { records in
                    try records.retentionPolicies().flatMap { pattern, policy in policy.rules.map { (pattern, $0) } }
                }
            }
            try call.show(
                [("Pattern", "PATTERN"), ("Rule", "RULE")],
                policies.map { [.string($0.0.text), .string($0.1.text)] })
            return 0
        },
        Command(
            "retention rm", "PATTERN", "Remove a retention policy", flags: [RegistryFlags.root.spec], count: .exactly(1)
        ) { call in
            let pattern = try RegistryWords.pattern(call.arguments[0])
            try await change(call, "retention.remove", pattern.text) { records, _ in
                try records.removeRetention(for: pattern)
            }
            return 0
        },
        retention("retention preview", "Show what would stay and go, and why", isPreview: true),
        retention("retention run", "Remove the tags that no rule keeps", isPreview: false),
        immutable("immutable add", "Make tags that can neither move nor go", isRemoval: false),
        immutable("immutable rm", "Let tags move and go again", isRemoval: true),
        Command("immutable ls", "", "List which tags are immutable", flags: RegistryFlags.listing) { call in
            let rules = try await call.withRegistry { tools in
                try await tools.registry.database.read { try $0.immutableTags() }
            }
            try call.show(
                [("Pattern", "PATTERN"), ("Tags", "TAGS")],
                rules.map { [.string($0.repositories.text), .string($0.tags.text)] })
            return 0
        },
        Command(
            "quota set", "PATTERN SIZE", "Limit what some repositories may hold together",
            flags: [RegistryFlags.root.spec], count: .exactly(2)
        ) { call in
            let quota = Quota(
                pattern: try RegistryWords.pattern(call.arguments[0]), bytes: try RegistryWords.bytes(call.arguments[1])
            )
            try await change(call, "quota.set", quota.pattern.text) { records, _ in try records.setQuota(quota) }
            return 0
        },
        Command("quota rm", "PATTERN", "Remove a quota", flags: [RegistryFlags.root.spec], count: .exactly(1)) { call in
            let pattern = try RegistryWords.pattern(call.arguments[0])
            try await change(call, "quota.remove", pattern.text) { records, _ in try records.removeQuota(pattern) }
            return 0
        },
        Command("quota ls", "", "List quotas and what is used of them", flags: RegistryFlags.listing) { call in
            let quotas = try await call.withRegistry { tools in
                try await tools.registry.database.read { records in
                    try records.quotas().map { ($0, try records.usage(of: $0.pattern)) }
                }
            }
            try call.show(
                [("Pattern", "PATTERN"), ("Used", "USED"), ("Bytes", "QUOTA")],
                quotas.map { [.string($0.0.pattern.text), call.size($0.1), call.size($0.0.bytes)] })
            return 0
        },
    ]

    private static func retention(_ name: String, _ summary: String, isPreview: Bool) -> Command {
        Command(name, "[PATTERN]", summary, flags: RegistryFlags.listing, count: .atMost(1)) { call in
            let pattern = try call.arguments.first.map { try RegistryWords.pattern($0) }
            let rows = try await call.withRegistry { tools -> [(String, RetentionPolicy.Decision)] in
                if isPreview {
                    return try await tools.registry.retentionPreview(pattern).flatMap { repository, decisions in
                        decisions.map { (repository, $0) }
                    }
                }
                return try await tools.registry.applyRetention(pattern).map { ($0.repository, $0.decision) }
            }
            try call.show(
                [("Repository", "REPOSITORY"), ("Tag", "TAG"), ("Keeps", "STAYS"), ("Reason", "REASON")],
                rows.map { [.string($0.0), .string($0.1.tag.name), call.mark($0.1.keeps), .string($0.1.reason)] })
            return 0
        }
    }

    private static func immutable(_ name: String, _ summary: String, isRemoval: Bool) -> Command {
        Command(name, "PATTERN TAGS", summary, flags: [RegistryFlags.root.spec], count: .exactly(2)) { call in
            let rule = ImmutableTags(
                repositories: try RegistryWords.pattern(call.arguments[0]), tags: try TagPattern(call.arguments[1]))
            try await change(
                call, isRemoval ? "immutable.remove" : "immutable.add", "\(rule.repositories) \(rule.tags)"
            ) { records, _ in
                try isRemoval ? records.removeImmutableTags(rule) : records.addImmutableTags(rule)
            }
            return 0
        }
    }

    /// Changes a policy, with its line in the audit log.
    static func change(
        _ call: Call, _ action: String, _ subject: String,
        _ body: @escaping @Sendable (RegistryRecords, Int64) throws -> Void
    ) async throws {
        try await call.withRegistry { tools in
            let now = tools.registry.now()
            let entry = AuditEntry(at: now, actor: tools.manager.name, address: "", action: action, subject: subject)
            try await tools.access.change(entry) { try body($0, now) }
        }
    }
}
