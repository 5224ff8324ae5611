import Hummingbird
import OCI

/// Lets a request pass or refuses it: 401 with a challenge to whom a login may help, 403 to whom it cannot.
struct Gatekeeper {
    let access: AccessControl
    let tokens: TokenService
    let deletes: Bool

    /// Who asks.
    func caller(_ headers: HTTPFields, from address: String, challenge: Challenge) async throws -> Caller {
        if try await access.isOpen() { return .nobody }
        guard let header = headers[.authorization] else { return .nobody }
        do {
            if let (name, password) = BasicCredentials.parse(header) {
                let principal = try await access.authenticate(name: name, password: password, from: address)
                return Caller(principal: principal, token: nil, isKnown: true)
            }
            let parts = header.split(separator: " ", maxSplits: 1)
            if access.mode != .basic, parts.count == 2, parts[0].lowercased() == "bearer" {
                return try await tokens.caller(of: String(parts[1]))
            }
            throw RegistryFailure(
                .unauthorized, status: 401, "the `Authorization` is neither Basic nor a Bearer token of this registry")
        } catch let failure as RegistryFailure {
            throw failure.status == 401 ? challenge.on(failure, error: "invalid_token") : failure
        }
    }

    /// Refuses what the caller may not do.
    func check(_ route: RegistryRoute, _ exchange: Exchange, _ challenge: Challenge) async throws {
        let caller = exchange.caller
        guard let name = route.repository else {
            if case .support = route, !caller.isKnown, try await !access.isOpen() {
                // Clients ask here how to log in, also where some repositories need no login.
                throw challenge.on(RegistryFailure(.unauthorized, status: 401, "log in first"))
            }
            return
        }
        let action = route.action(exchange.method)
        if action == .delete, !deletes {
            throw RegistryFailure(.unsupported, status: 405, "this registry does not delete: it is configured so")
        }
        if try await access.actions(of: caller, on: name).contains(action) { return }
        // Given a moment ago by another process: nobody is refused for what is out of date.
        access.renew()
        if try await access.actions(of: caller, on: name).contains(action) { return }
        // Whoever has the right and not the token can get one.
        let rights = try await access.rights(of: caller.principal, on: name.description)
        if rights.contains(action) {
            throw challenge.on(
                RegistryFailure(.unauthorized, status: 401, "the token is not for `\(action.rawValue)` on `\(name)`"),
                error: "insufficient_scope")
        }
        if caller.principal.kind == .anonymous {
            throw challenge.on(
                RegistryFailure(.unauthorized, status: 401, "log in to \(action.rawValue) `\(name)`"),
                error: caller.isKnown ? "insufficient_scope" : nil)
        }
        throw RegistryFailure(
            .denied, status: 403,
            "`\(caller.principal.name)` may not \(action.rawValue) `\(name)`: ask whoever manages the registry")
    }
}

/// How a client is told to log in (RFC 9110 §11.6.1, RFC 6750 §3).
struct Challenge {
    /// `https://registry.example:5000`.
    var origin: String
    var isBasic: Bool
    private let route: RegistryRoute
    private let method: HTTPRequest.Method
    private let target: RequestTarget

    init(_ route: RegistryRoute, _ method: HTTPRequest.Method, _ target: RequestTarget, origin: String, isBasic: Bool) {
        self.origin = origin
        self.isBasic = isBasic
        self.route = route
        self.method = method
        self.target = target
    }

    /// What a token must be for: made only for those who are refused.
    private var scopes: [String] {
        guard let name = route.repository else {
            if case .catalog = route { return ["registry:catalog:*"] }
            return []
        }
        let action = route.action(method)
        var scopes = ["repository:\(name):\(action == .push ? "pull,push" : action.rawValue)"]
        if case .uploads = route, let from = target["from"] { scopes.append("repository:\(from):pull") }
        return scopes
    }

    func on(_ failure: RegistryFailure, error: String? = nil) -> RegistryFailure {
        if isBasic {
            return failure.with(
                header: "WWW-Authenticate", "Basic realm=\"\(Self.quotable(origin))\", charset=\"UTF-8\"")
        }
        var text = "Bearer realm=\"\(Self.quotable(origin))/token\",service=\"\(TokenService.service)\""
        let scopes = scopes
        if !scopes.isEmpty { text += ",scope=\"\(Self.quotable(scopes.joined(separator: " ")))\"" }
        if let error { text += ",error=\"\(error)\"" }
        return failure.with(header: "WWW-Authenticate", text)
    }

    /// The host and the query come from the client: nothing of them may end the quotes or the line.
    private static func quotable(_ text: String) -> String {
        String(text.unicodeScalars.filter { $0.value > 0x1f && $0.value < 0x7f && $0 != "\"" && $0 != "\\" })
    }
}

extension RegistryRoute {
    /// The right that a request needs.
    func action(_ method: HTTPRequest.Method) -> RepositoryAction {
        switch self {
        case .uploads, .upload: .push
        case _ where method == .delete: .delete
        case _ where method == .put || method == .post || method == .patch: .push
        default: .pull
        }
    }
}
