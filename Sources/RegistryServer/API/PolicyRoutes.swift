import Hummingbird
import OCI

/// Policies over content, webhooks and garbage, for administrators.
extension APIRoutes {
    private struct ImmutableView: Codable {
        var pattern: String
        var tags: String
    }

    private struct RetentionView: Codable {
        var pattern: String
        var rules: [String]?
    }

    private struct QuotaView: Codable {
        var pattern: String
        var bytes: Int64?
        var used: Int64?
    }

    private struct DecisionView: Encodable {
        var repository: String
        var tag: String
        var keeps: Bool
        var reason: String
    }

    private struct GarbageView: Encodable {
        var kind: String
        var repository: String
        var digest: String
        var bytes: Int64
        var reason: String

        init(_ item: GarbageItem) {
            kind = item.kind.rawValue
            repository = item.repository
            digest = item.digest.description
            bytes = item.bytes
            reason = item.reason
        }
    }

    func policies(_ exchange: Exchange, _ path: [String]) async throws -> Reply {
        let now = registry.now()
        let isRemoval = exchange.method == .delete
        switch (path[0], path.count, exchange.method) {
        case ("immutable", 1, .get):
            let rules = try await registry.database.read { try $0.immutableTags() }
            return try Reply(200).with(
                json: rules.map { ImmutableView(pattern: $0.repositories.text, tags: $0.tags.text) })
        case ("immutable", 1, .put), ("immutable", 1, .delete):
            let request = try await exchange.json(ImmutableView.self)
            let rule = ImmutableTags(
                repositories: try RepositoryPattern(request.pattern), tags: try TagPattern(request.tags))
            try await change(
                exchange, isRemoval ? "immutable.remove" : "immutable.add", "\(rule.repositories) \(rule.tags)"
            ) {
                try isRemoval ? $0.removeImmutableTags(rule) : $0.addImmutableTags(rule)
            }
            return Reply(204)
        case ("retention", 1, .get):
            let views = try await registry.database.read {
                try $0.retentionPolicies().map {
                    RetentionView(pattern: $0.pattern.text, rules: $0.policy.rules.map(\.text))
                }
            }
            return try Reply(200).with(json: views)
        case ("retention", 1, .put), ("retention", 1, .delete):
            let request = try await exchange.json(RetentionView.self)
            let pattern = try RepositoryPattern(request.pattern)
            let policy = RetentionPolicy(rules: try (request.rules ?? []).map { try .init(parsing: $0) })
            try await change(exchange, isRemoval ? "retention.remove" : "retention.set", pattern.text) {
                try isRemoval ? $0.removeRetention(for: pattern) : $0.setRetention(policy, for: pattern, at: now)
            }
            return Reply(204)
        case ("retention", 2, .get) where path[1] == "preview":
            let pattern = try exchange.target["repository"].map { try RepositoryPattern($0) }
            let preview = try await registry.retentionPreview(pattern)
            return try Reply(200).with(
                json: preview.flatMap { repository, decisions in
                    decisions.map {
                        DecisionView(repository: repository, tag: $0.tag.name, keeps: $0.keeps, reason: $0.reason)
                    }
                })
        case ("retention", 2, .post) where path[1] == "run":
            try await access.audit(
                "retention.run", actor: exchange.actor, address: exchange.address, subject: "", detail: "")
            let removed = try await registry.applyRetention()
            return try Reply(200).with(
                json: removed.map {
                    DecisionView(
                        repository: $0.repository, tag: $0.decision.tag.name, keeps: false, reason: $0.decision.reason)
                })
        case ("quotas", 1, .get):
            let views = try await registry.database.read { records in
                try records.quotas().map {
                    QuotaView(pattern: $0.pattern.text, bytes: $0.bytes, used: try records.usage(of: $0.pattern))
                }
            }
            return try Reply(200).with(json: views)
        case ("quotas", 1, .put), ("quotas", 1, .delete):
            let request = try await exchange.json(QuotaView.self)
            let quota = Quota(pattern: try RepositoryPattern(request.pattern), bytes: request.bytes ?? 0)
            if !isRemoval, quota.bytes <= 0 { throw AccountError(.invalid, "a quota needs `bytes` above 0") }
            try await change(exchange, isRemoval ? "quota.remove" : "quota.set", quota.pattern.text) {
                try isRemoval ? $0.removeQuota(quota.pattern) : $0.setQuota(quota)
            }
            return Reply(204)
        case ("garbage", 1, .get):
            return try Reply(200).with(json: try await registry.garbage().map(GarbageView.init))
        case ("garbage", 1, .post):
            try await access.audit(
                "garbage.collect", actor: exchange.actor, address: exchange.address, subject: "", detail: "")
            return try Reply(200).with(json: try await registry.collectGarbage().map(GarbageView.init))
        case ("webhooks", _, _): return try await webhooks(exchange, path)
        default: throw RegistryFailure(.unsupported, status: 404, "there is nothing at this path")
        }
    }

    private func change(
        _ exchange: Exchange, _ action: String, _ subject: String,
        _ body: @escaping @Sendable (RegistryRecords) throws -> Void
    ) async throws {
        let entry = AuditEntry(
            at: registry.now(), actor: exchange.actor, address: exchange.address, action: action, subject: subject)
        try await access.change(entry, body)
    }

    // MARK: Webhooks

    private struct WebhookView: Codable {
        var name: String
        var url: String
        var pattern: String?
        var kinds: [String]?
        /// Only told when a webhook is made; a random one where none is given.
        var secret: String?
        var disabled: Bool?
    }

    private struct Toggle: Decodable { var disabled: Bool }

    private struct DeliveryView: Encodable {
        var id: Int64
        var event: Int64
        var repository: String
        var state: String
        var attempts: Int
        var created: String
        var attempted: String?
        var next: String?
        var status: Int64?
        var answer: String?

        init(_ delivery: Delivery) {
            id = delivery.id
            event = delivery.event
            repository = delivery.repository
            state = delivery.state.rawValue
            attempts = delivery.attempts
            created = utc(delivery.created / 1000)
            attempted = delivery.attempted.map { utc($0 / 1000) }
            next = delivery.state == .waiting ? utc(delivery.next / 1000) : nil
            status = delivery.status
            answer = delivery.answer
        }
    }

    private func webhooks(_ exchange: Exchange, _ path: [String]) async throws -> Reply {
        let now = registry.now()
        switch (path.count, exchange.method) {
        case (1, .get):
            let hooks = try await registry.database.read { try $0.webhooks() }
            return try Reply(200).with(
                json: hooks.map {
                    WebhookView(
                        name: $0.name, url: $0.url, pattern: $0.pattern.text, kinds: $0.kinds, disabled: $0.isDisabled)
                })
        case (1, .post):
            let request = try await exchange.json(WebhookView.self)
            let hook = Webhook(
                name: request.name, url: request.url, pattern: try RepositoryPattern(request.pattern ?? "**"),
                kinds: request.kinds ?? [], secret: request.secret ?? randomText(), created: now)
            try hook.check()
            try await change(exchange, "webhook.add", hook.name) { try $0.addWebhook(hook) }
            return try Reply(201).with(
                json: WebhookView(
                    name: hook.name, url: hook.url, pattern: hook.pattern.text, kinds: hook.kinds, secret: hook.secret))
        case (2, .patch):
            let request = try await exchange.json(Toggle.self)
            let name = path[1]
            try await change(exchange, request.disabled ? "webhook.disable" : "webhook.enable", name) {
                try $0.setWebhook(name, isDisabled: request.disabled)
            }
            return Reply(204)
        case (2, .delete):
            let name = path[1]
            try await change(exchange, "webhook.remove", name) { try $0.removeWebhook(name) }
            return Reply(204)
        case (3, .get) where path[2] == "deliveries":
            let before = try number(exchange, "before", default: .max)
            let limit = Int(try number(exchange, "limit", default: 100, limit: 1000))
            let name = path[1]
            let deliveries = try await registry.database.read {
                try $0.deliveries(of: name, before: before, limit: limit)
            }
            return try Reply(200).with(json: deliveries.map(DeliveryView.init))
        case (4, .post) where path[2] == "deliveries":
            guard let id = Int64(path[3]) else { throw RegistryFailure.badQuery("a delivery has a number") }
            try await change(exchange, "webhook.replay", path[1], { try $0.replay(id, at: now) })
            return Reply(202)
        default: throw RegistryFailure(.unsupported, status: 404, "there is nothing at this path")
        }
    }
}
