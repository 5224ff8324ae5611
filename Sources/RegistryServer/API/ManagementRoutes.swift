import Hummingbird
import OCI

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension Exchange {
    /// The body, as JSON.
    func json<Value: Decodable>(_ type: Value.Type) async throws -> Value {
        let bytes = try await body.collect(
            limit: 1 << 20, tooLarge: RegistryFailure(.sizeInvalid, status: 413, "the request is larger than 1 MiB"))
        do { return try JSONDecoder().decode(type, from: Data(bytes)) } catch {
            throw RegistryFailure.badQuery("the body is not the JSON that is wanted here: \(JSONProblem.words(error))")
        }
    }

    var manager: AccessControl.Manager { AccessControl.Manager(name: actor, address: address) }
}

enum JSONProblem {
    static func words(_ error: any Error) -> String {
        switch error {
        case DecodingError.keyNotFound(let key, _): "`\(key.stringValue)` is missing"
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            "`\(context.codingPath.map(\.stringValue).joined(separator: "."))` has the wrong type"
        default: "it cannot be read"
        }
    }
}

/// What only administrators do: accounts, rights, policies, webhooks, garbage, the audit log.
extension APIRoutes {
    private struct AccountView: Encodable {
        var name: String
        var kind: String
        var administrator: Bool
        var disabled: Bool
        var created: String
        var expires: String?
        var groups: [String]

        init(_ account: Account) {
            name = account.name
            kind = account.kind.rawValue
            administrator = account.isAdministrator
            disabled = account.isDisabled
            created = utc(account.created / 1000)
            expires = account.expires.map { utc($0 / 1000) }
            groups = account.groups
        }
    }

    private struct AccountRequest: Decodable {
        var name: String
        var password: String?
        var administrator: Bool?
        var disabled: Bool?
        /// Seconds that a robot's secret works.
        var lifetime: Int64?
    }

    private struct SecretView: Encodable {
        var name: String
        var secret: String
    }

    private struct GroupView: Codable {
        var name: String
        var members: [String]?
    }

    private struct RuleView: Codable {
        var subject: String
        var pattern: String
        var actions: [String]?
    }

    private struct AuditView: Encodable {
        var id: Int64
        var time: String
        var actor: String
        var address: String
        var action: String
        var subject: String
        var detail: String
    }

    func manage(_ exchange: Exchange, _ path: [String]) async throws -> Reply {
        try await requireAdministrator(exchange)
        let manager = exchange.manager
        do {
            switch (path.first ?? "", path.count, exchange.method) {
            case ("users", 1, .get), ("robots", 1, .get):
                let kind: Account.Kind = path[0] == "users" ? .user : .robot
                let accounts = try await registry.database.read { try $0.accounts(kind) }
                return try Reply(200).with(json: accounts.map(AccountView.init))
            case ("users", 1, .post):
                let request = try await exchange.json(AccountRequest.self)
                try await access.addUser(
                    request.name, password: request.password ?? "", isAdministrator: request.administrator ?? false,
                    by: manager)
                return Reply(201)
            case ("users", 2, .patch):
                let request = try await exchange.json(Changes.self)
                if let password = request.password {
                    try await access.setPassword(path[1], to: password, by: manager)
                }
                if request.administrator != nil || request.disabled != nil {
                    try await access.setUser(
                        path[1], isAdministrator: request.administrator, isDisabled: request.disabled, by: manager)
                }
                return Reply(204)
            case ("users", 2, .delete), ("robots", 2, .delete):
                try await access.removeAccount(path[1], kind: path[0] == "users" ? .user : .robot, by: manager)
                return Reply(204)
            case ("robots", 1, .post):
                let request = try await exchange.json(AccountRequest.self)
                let secret = try await access.addRobot(
                    request.name, lifetime: request.lifetime.map { .seconds($0) }, by: manager)
                return try Reply(201).with(json: SecretView(name: request.name, secret: secret))
            case ("robots", 2, .post):
                let request = try await exchange.json(Changes.self)
                let secret = try await access.renewRobot(
                    path[1], lifetime: request.lifetime.map { .seconds($0) }, by: manager)
                return try Reply(200).with(json: SecretView(name: path[1], secret: secret))
            case ("groups", 1, .get):
                let groups = try await registry.database.read {
                    try $0.groups().map { GroupView(name: $0.name, members: $0.members) }
                }
                return try Reply(200).with(json: groups)
            case ("groups", 1, .post):
                try await access.addGroup(try await exchange.json(GroupView.self).name, by: manager)
                return Reply(201)
            case ("groups", 2, .delete):
                try await access.removeGroup(path[1], by: manager)
                return Reply(204)
            case ("groups", 3, .put), ("groups", 3, .delete):
                try await access.setMember(path[2], of: path[1], isMember: exchange.method == .put, by: manager)
                return Reply(204)
            case ("access", 1, .get):
                let rules = try await registry.database.read { try $0.rules() }.map { rule in
                    RuleView(
                        subject: rule.subject.text, pattern: rule.pattern.text,
                        actions: rule.actions.sorted().map(\.rawValue))
                }
                return try Reply(200).with(json: rules)
            case ("access", 1, .put), ("access", 1, .delete):
                let request = try await exchange.json(RuleView.self)
                let subject = try AccessRule.Subject(parsing: request.subject)
                let pattern = try RepositoryPattern(request.pattern)
                if exchange.method == .delete {
                    try await access.revoke(subject, on: pattern, by: manager)
                } else {
                    let actions = try (request.actions ?? []).map { text in
                        guard let action = RepositoryAction(rawValue: text) else {
                            throw AccountError(
                                .invalid, "`\(text.prefix(40))` is no right: want pull, push, delete, admin")
                        }
                        return action
                    }
                    try await access.grant(
                        AccessRule(subject: subject, pattern: pattern, actions: Set(actions)), by: manager)
                }
                return Reply(204)
            case ("audit", 1, .get):
                let before = try number(exchange, "before", default: .max)
                let limit = Int(try number(exchange, "limit", default: 100, limit: 1000))
                let entries = try await registry.database.read { try $0.auditEntries(before: before, limit: limit) }
                return try Reply(200).with(
                    json: entries.map {
                        AuditView(
                            id: $0.id, time: utc($0.at / 1000), actor: $0.actor, address: $0.address,
                            action: $0.action, subject: $0.subject, detail: $0.detail)
                    })
            default: return try await policies(exchange, path)
            }
        } catch { throw Self.explained(error) }
    }

    private struct Changes: Decodable {
        var password: String?
        var administrator: Bool?
        var disabled: Bool?
        var lifetime: Int64?
    }

    /// What a manager did wrong, with its status.
    static func explained(_ error: any Error) -> any Error {
        switch error {
        case let error as AccountError:
            switch error.code {
            case .invalid: RegistryFailure(.unsupported, status: 400, error.description)
            case .exists: RegistryFailure(.denied, status: 409, error.description)
            case .unknown: RegistryFailure(.nameUnknown, status: 404, error.description)
            case .refused: RegistryFailure(.denied, status: 409, error.description)
            }
        case let error as PasswordError: RegistryFailure(.unsupported, status: 400, "\(error)")
        case let error as AccessRuleError: RegistryFailure(.unsupported, status: 400, "\(error)")
        default: error
        }
    }
}
