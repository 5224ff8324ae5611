import Hummingbird
import OCI

/// The registry's own API below `/api/v1`: what the distribution API has no words for. JSON in, JSON out; who asks is told by
/// the same credentials.
struct APIRoutes {
    let registry: Registry
    let access: AccessControl
    let challenge: Challenge

    func respond(to exchange: Exchange, _ path: [String]) async throws -> Reply {
        if exchange.caller.token != nil {
            // A token is limited to scopes of the distribution API, and has none for this.
            throw challenge.on(
                RegistryFailure(.unauthorized, status: 401, "this API takes Basic credentials, not bearer tokens"))
        }
        switch path.first {
        case "events": return try await events(exchange)
        case "repositories": return try await repositories(exchange)
        case "history": return try await history(exchange)
        case "space": return try await space(exchange)
        case "tags": return try await tags(exchange, path)
        default: return try await manage(exchange, path)
        }
    }

    // MARK: Rights

    /// Refuses who is nobody, in a registry that asks.
    func requireSomebody(_ exchange: Exchange) async throws {
        if exchange.caller.principal.kind == .anonymous, try await !access.isOpen() {
            throw challenge.on(RegistryFailure(.unauthorized, status: 401, "log in first"))
        }
    }

    func require(_ action: RepositoryAction, on name: RepositoryName, _ exchange: Exchange) async throws {
        if try await access.rights(of: exchange.caller.principal, on: name.description).contains(action) { return }
        try await requireSomebody(exchange)
        throw RegistryFailure(
            .denied, status: 403,
            "`\(exchange.actor)` may not \(action.rawValue) `\(name)`: ask whoever manages the registry")
    }

    func requireAdministrator(_ exchange: Exchange) async throws {
        if exchange.caller.principal.isAdministrator { return }
        if try await access.isOpen() { return }
        try await requireSomebody(exchange)
        throw RegistryFailure(.denied, status: 403, "only an administrator may do that")
    }

    func repository(_ exchange: Exchange) throws -> RepositoryName {
        guard let text = exchange.target["repository"] else {
            throw RegistryFailure.badQuery("the query needs a `repository`")
        }
        return try RepositoryName(parsing: text)
    }

    func number(_ exchange: Exchange, _ name: String, default standard: Int64, limit: Int64 = .max) throws -> Int64 {
        guard let text = exchange.target[name] else { return standard }
        guard let number = Int64(text), number >= 0 else {
            throw RegistryFailure.badQuery("`\(name)` is `\(text.prefix(40))`: want a number from 0")
        }
        return min(number, limit)
    }

    // MARK: Events

    private struct EventList: Encodable {
        var events: [Event]
        /// Where to go on: the last event that was looked at.
        var next: Int64
    }

    private struct Event: Encodable {
        var id: Int64
        var time: String
        var kind: String
        var repository: String
        var actor: String
        var tag: String?
        var digest: String?
        var previous: String?
        var mediaType: String?
        var size: Int64?

        init(_ event: RegistryEvent) {
            id = event.id
            time = utc(event.at / 1000)
            kind = event.kind.rawValue
            repository = event.repository
            actor = event.actor
            tag = event.tag
            digest = event.digest?.description
            previous = event.previous?.description
            mediaType = event.mediaType?.rawValue
            size = event.size
        }
    }

    /// Events after a cursor; with `wait`, an answer that comes as soon as there is one.
    private func events(_ exchange: Exchange) async throws -> Reply {
        try exchange.allow(.get)
        try await requireSomebody(exchange)
        let since = try number(exchange, "since", default: 0)
        let limit = Int(try number(exchange, "limit", default: 100, limit: 1000))
        let wait = try number(exchange, "wait", default: 0, limit: 60)
        let pattern = try exchange.target["repository"].map { try RepositoryPattern($0) }
        let kind = exchange.target["kind"]
        let deadline = ContinuousClock.now + .seconds(wait)
        var position = since
        while true {
            let maySee = try await access.reader(exchange.caller.principal)
            let start = position
            let (found, last) = try await registry.database.read { records in
                var found: [RegistryEvent] = []
                var last = start
                while found.count < limit {
                    let more = try records.events(after: last, limit: 1000)
                    for event in more where found.count < limit {
                        last = event.id
                        if pattern?.matches(event.repository) ?? true, kind.map({ $0 == event.kind.rawValue }) ?? true,
                            maySee(event.repository)
                        {
                            found.append(event)
                        }
                    }
                    if more.count < 1000 { break }
                }
                return (found, last)
            }
            position = last
            let left = ContinuousClock.now.duration(to: deadline)
            if !found.isEmpty || left <= .zero {
                return try Reply(200).with(json: EventList(events: found.map(Event.init), next: last))
            }
            // Other processes write too: looked at each second.
            await registry.changes.wait(atMost: min(left, .seconds(1)))
        }
    }

    // MARK: Repositories

    private struct RepositoryList: Encodable {
        var repositories: [String]
        var next: String?
    }

    private func repositories(_ exchange: Exchange) async throws -> Reply {
        try exchange.allow(.get)
        let (count, last) = try exchange.page(default: 100, limit: 1000)
        let maySee = try await access.reader(exchange.caller.principal)
        let search = exchange.target["q"] ?? ""
        let names = try await registry.database.read {
            try $0.repositories(after: last, limit: count + 1, containing: search, where: maySee)
        }
        return try Reply(200).with(
            json: RepositoryList(
                repositories: Array(names.prefix(count)), next: names.count > count ? names[count - 1] : nil))
    }

    private func history(_ exchange: Exchange) async throws -> Reply {
        try exchange.allow(.get)
        let name = try repository(exchange)
        try await require(.pull, on: name, exchange)
        let (entries, head) = try await registry.database.read {
            (try $0.history(of: name), try $0.historyHead(of: name))
        }
        return try Reply(200).with(
            json: HistoryDocument(of: name, entries, head: head, tag: exchange.target["tag"]))
    }

    private struct Space: Encodable {
        struct Tag: Encodable {
            var tag: String
            var digest: String
            var bytes: Int64
            var uniqueBytes: Int64
        }
        var repository: String
        var bytes: Int64
        var uniqueBytes: Int64
        var sharedBytes: Int64
        var untagged: Int
        var untaggedBytes: Int64
        var tags: [Tag]
    }

    private func space(_ exchange: Exchange) async throws -> Reply {
        try exchange.allow(.get)
        let name = try repository(exchange)
        try await require(.pull, on: name, exchange)
        let report = try await registry.database.read { try $0.space(of: name) }
        return try Reply(200).with(
            json: Space(
                repository: report.repository, bytes: report.bytes, uniqueBytes: report.uniqueBytes,
                sharedBytes: report.sharedBytes, untagged: report.untagged, untaggedBytes: report.untaggedBytes,
                tags: report.tags.map {
                    Space.Tag(
                        tag: $0.name, digest: $0.digest.description, bytes: $0.bytes, uniqueBytes: $0.uniqueBytes)
                }))
    }

    // MARK: Tags

    private struct Moves: Decodable {
        struct Move: Decodable {
            var tag: String
            /// Absent or null: the tag is removed.
            var digest: String?
            /// `absent`, `present` or a digest; absent: whatever it is.
            var expect: String?
        }
        var repository: String
        var moves: [Move]
    }

    private struct Restore: Decodable {
        var repository: String
        var tag: String
    }

    private struct Restored: Encodable { var digest: String }

    private static let mostMoves = 1000

    private func tags(_ exchange: Exchange, _ path: [String]) async throws -> Reply {
        try exchange.allow(.post)
        if path == ["tags", "restore"] {
            let restore = try await exchange.json(Restore.self)
            let name = try RepositoryName(parsing: restore.repository)
            try await require(.push, on: name, exchange)
            guard let tag = TagName(parsing: restore.tag) else { throw RegistryFailure.tagInvalid(restore.tag) }
            let digest = try await registry.restoreTag(tag, of: name, by: exchange.actor)
            return try Reply(200).with(json: Restored(digest: digest.description))
        }
        let request = try await exchange.json(Moves.self)
        let name = try RepositoryName(parsing: request.repository)
        try await require(.push, on: name, exchange)
        if request.moves.contains(where: { $0.digest == nil }) { try await require(.delete, on: name, exchange) }
        if request.moves.count > Self.mostMoves {
            throw RegistryFailure.badQuery("\(request.moves.count) moves are too many: at most \(Self.mostMoves)")
        }
        let moves = try request.moves.map { move in
            guard let tag = TagName(parsing: move.tag) else { throw RegistryFailure.tagInvalid(move.tag) }
            let condition: TagCondition? =
                switch move.expect {
                case nil: nil
                case "absent": .absent
                case "present": .present
                case let text?: .among([try Digest(fromRequest: text)])
                }
            return TagMove(tag: tag, digest: try move.digest.map { try Digest(fromRequest: $0) }, condition: condition)
        }
        try await registry.moveTags(moves, of: name, by: exchange.actor)
        return Reply(204)
    }
}
