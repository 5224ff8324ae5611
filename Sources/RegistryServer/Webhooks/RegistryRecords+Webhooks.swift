import SQL

/// Where events are sent.
package struct Webhook: Sendable, Hashable {
    package var id: Int64 = 0
    package var name: String
    package var url: String
    package var pattern: RepositoryPattern
    /// The kinds of events; empty for all.
    package var kinds: [String]
    package var isDisabled = false
    /// Milliseconds since 1970.
    package var created: Int64
    /// Signs deliveries.
    package var secret: String

    /// - Parameters:
    ///   - secret: a random one where none is given.
    ///   - created: milliseconds since 1970.
    package init(
        name: String, url: String, pattern: RepositoryPattern, kinds: [String], secret: String? = nil,
        created: Int64 = 0
    ) {
        self.name = name
        self.url = url
        self.pattern = pattern
        self.kinds = kinds
        self.secret = secret ?? randomText()
        self.created = created
    }

    /// Refuses what could never be delivered.
    package func check() throws {
        try Account.check(name: name)
        let rest = ["https://", "http://"].lazy.compactMap { url.hasPrefix($0) ? url.dropFirst($0.count) : nil }.first
        let host = rest?.prefix { $0 != "/" && $0 != "?" && $0 != "#" } ?? ""
        let isPlain = url.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }
        if host.isEmpty || host.contains("@") || !isPlain || url.utf8.count > 2000 {
            throw AccountError(
                .invalid,
                "`\(url.prefix(200))` is no address for a webhook: want http:// or https:// with a host and "
                    + "without a user name; who sends it proves itself by the signature")
        }
        for kind in kinds where kind.isEmpty || !kind.utf8.allSatisfy({ (97...122).contains($0) || $0 == 46 }) {
            throw AccountError(.invalid, "`\(kind.prefix(100))` is no kind of event: want tag.moved and its like")
        }
    }

    func wants(_ event: RegistryEvent) -> Bool {
        pattern.matches(event.repository) && (kinds.isEmpty || kinds.contains(event.kind.rawValue))
    }
}

/// An event on its way to a webhook.
package struct Delivery: Sendable, Hashable {
    package enum State: String, Sendable { case waiting, delivered, failed }

    package var id: Int64
    package var webhook: Int64
    package var event: Int64
    package var repository: String
    package var state: State
    package var attempts: Int
    /// Milliseconds since 1970, as all times here.
    package var created: Int64
    package var first: Int64?
    package var attempted: Int64?
    package var next: Int64
    /// The status of the last answer; nil where there was none.
    package var status: Int64?
    /// What the receiver said, or why it could not be reached.
    package var answer: String?
}

extension RegistryRecords {
    package func webhooks() throws -> [Webhook] {
        try connection.rows(
            "SELECT id, name, url, secret, pattern, kinds, created, disabled FROM webhooks ORDER BY name"
        ).map { row in
            var hook = Webhook(
                name: row.text(1), url: row.text(2), pattern: try RepositoryPattern(row.text(4)),
                kinds: row.text(5).split(separator: ",").map(String.init), secret: row.text(3), created: row.integer(6))
            hook.id = row.integer(0)
            hook.isDisabled = row.integer(7) != 0
            return hook
        }
    }

    package func webhook(_ name: String) throws -> Webhook {
        guard let hook = try webhooks().first(where: { $0.name == name }) else {
            throw AccountError(.unknown, "there is no webhook `\(name)`")
        }
        return hook
    }

    /// Adds a webhook; it is told what happens from now on.
    package func addWebhook(_ hook: Webhook) throws {
        if try webhooks().contains(where: { $0.name == hook.name }) {
            throw AccountError(.exists, "there is a webhook `\(hook.name)` already")
        }
        try connection.execute(
            """
            INSERT INTO webhooks (name, url, secret, pattern, kinds, created, position)
            VALUES ($1, $2, $3, $4, $5, $6, (SELECT coalesce(max(id), 0) FROM events))
            """,
            [
                .text(hook.name), .text(hook.url), .text(hook.secret), .text(hook.pattern.text),
                .text(hook.kinds.joined(separator: ",")), .integer(hook.created),
            ])
    }

    package func removeWebhook(_ name: String) throws {
        try connection.execute("DELETE FROM webhooks WHERE id = $1", [.integer(try webhook(name).id)])
    }

    /// Stops a webhook, or lets it deliver; then what waits for its next attempt is due at once: whoever enables it knows
    /// that the receiver is there.
    package func setWebhook(_ name: String, isDisabled: Bool) throws {
        let hook = SQLValue.integer(try webhook(name).id)
        try connection.execute(
            "UPDATE webhooks SET disabled = $2 WHERE id = $1", [hook, .integer(isDisabled ? 1 : 0)])
        if !isDisabled {
            try connection.execute(
                "UPDATE deliveries SET next = created WHERE webhook = $1 AND state = 'waiting'", [hook])
        }
    }

    /// The last event that a webhook looked at.
    func position(of hook: Webhook) throws -> Int64 {
        try connection.row("SELECT position FROM webhooks WHERE id = $1", [.integer(hook.id)])?.integer(0) ?? .max
    }

    // MARK: Deliveries

    /// Makes deliveries of the events that a webhook has not looked at, some at a time.
    ///
    /// - Returns: whether there may be more.
    func planDeliveries(for hook: Webhook, at now: Int64, limit: Int) throws -> Bool {
        let events = try events(after: position(of: hook), limit: limit)
        guard let last = events.last else { return false }
        for event in events where hook.wants(event) {
            try addDelivery(of: event.id, event.repository, to: hook, at: now)
        }
        try connection.execute(
            "UPDATE webhooks SET position = $2 WHERE id = $1", [.integer(hook.id), .integer(last.id)])
        return events.count == limit
    }

    private func addDelivery(of event: Int64, _ repository: String, to hook: Webhook, at now: Int64) throws {
        try connection.execute(
            """
            INSERT INTO deliveries (webhook, event, repository, state, attempts, created, next)
            VALUES ($1, $2, $3, 'waiting', 0, $4, $4)
            """, [.integer(hook.id), .integer(event), .text(repository), .integer(now)])
    }

    /// The next delivery of every webhook and repository: those behind it wait, so that a repository's events come in order.
    func nextDeliveries(limit: Int) throws -> [Delivery] {
        try deliveryRows(
            """
            WHERE id IN (
                SELECT min(d.id) FROM deliveries d JOIN webhooks w ON w.id = d.webhook
                WHERE d.state = 'waiting' AND w.disabled = 0 GROUP BY d.webhook, d.repository)
            ORDER BY next LIMIT $1
            """, [.integer(Int64(limit))])
    }

    /// The deliveries of a webhook, newest first.
    package func deliveries(of name: String, before id: Int64 = .max, limit: Int) throws -> [Delivery] {
        try deliveryRows(
            "WHERE webhook = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
            [.integer(try webhook(name).id), .integer(id), .integer(Int64(limit))])
    }

    package func delivery(_ id: Int64) throws -> Delivery? {
        try deliveryRows("WHERE id = $1", [.integer(id)]).first
    }

    private func deliveryRows(_ condition: String, _ parameters: [SQLValue]) throws -> [Delivery] {
        try connection.rows(
            """
            SELECT id, webhook, event, repository, state, attempts, created, first, attempted, next, status, answer
            FROM deliveries \(condition)
            """, parameters
        ).map { row in
            Delivery(
                id: row.integer(0), webhook: row.integer(1), event: row.integer(2), repository: row.text(3),
                state: Delivery.State(rawValue: row.text(4)) ?? .failed, attempts: Int(row.integer(5)),
                created: row.integer(6), first: row.optionalInteger(7), attempted: row.optionalInteger(8),
                next: row.integer(9), status: row.optionalInteger(10), answer: row.optionalText(11))
        }
    }

    /// Writes how an attempt ended.
    func settle(_ delivery: Delivery) throws {
        try connection.execute(
            """
            UPDATE deliveries SET state = $2, attempts = $3, first = $4, attempted = $5, next = $6, status = $7, answer = $8
            WHERE id = $1
            """,
            [
                .integer(delivery.id), .text(delivery.state.rawValue), .integer(Int64(delivery.attempts)),
                .optional(delivery.first), .optional(delivery.attempted), .integer(delivery.next),
                .optional(delivery.status), .optional(delivery.answer),
            ])
    }

    /// Sends an event again, whatever became of it: a delivery of its own, behind those that wait.
    package func replay(_ id: Int64, at now: Int64) throws {
        guard let delivery = try delivery(id), let hook = try webhooks().first(where: { $0.id == delivery.webhook })
        else {
            throw AccountError(.unknown, "there is no delivery \(id)")
        }
        if try event(delivery.event) == nil {
            throw AccountError(.refused, "the event of delivery \(id) is no longer in the log")
        }
        try addDelivery(of: delivery.event, delivery.repository, to: hook, at: now)
    }

    /// Forgets old events and deliveries. What is still to be sent stays.
    func forgetEvents(before time: Int64) throws {
        try connection.execute(
            "DELETE FROM deliveries WHERE state <> 'waiting' AND created < $1", [.integer(time)])
        try connection.execute(
            """
            DELETE FROM events WHERE at < $1 AND id <= coalesce((SELECT min(position) FROM webhooks), id)
            AND id NOT IN (SELECT event FROM deliveries)
            """, [.integer(time)])
    }
}
