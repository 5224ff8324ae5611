import NIOCore
import NIOHTTP1
import OCI
import Synchronization

/// Answers challenges: Basic, and Bearer with tokens that are kept until they expire.
final class Authenticator: Sendable {
    /// How a registry's last challenge wants to be answered.
    private enum Method: Hashable, Sendable {
        case basic
        case bearer(TokenServer)
    }

    struct TokenServer: Hashable, Sendable {
        var realm: WebAddress
        var service: String?
    }

    private struct TokenKey: Hashable, Sendable {
        var server: TokenServer
        var registry: String
        var scopes: Set<String>
    }

    private struct State: Sendable {
        var methods: [WebAddress.Origin: Method] = [:]
        var tokens: [TokenKey: Token] = [:]
        var pending: [TokenKey: Task<Token, any Error>] = [:]
        var credentials: [String: Credential?] = [:]
        /// Why a registry's stored credential could not be read: told where the registry then refuses.
        var failures: [String: RegistryError] = [:]
    }

    private static let tokenLimit = 256

    private let transport: Transport
    private let clock: RegistryClock
    private let given: [String: Credential]
    private let store: CredentialStore?
    private let state = Mutex(State())

    init(transport: Transport, configuration: RegistryConfiguration) {
        self.transport = transport
        clock = configuration.clock
        given = configuration.credentials
        store = configuration.dockerConfigDirectory.map { CredentialStore(directory: $0) }
    }

    /// Forgets what is known of a registry: its credentials changed.
    func forget(registry: String) {
        state.withLock { state in
            state.credentials[registry] = nil
            state.failures[registry] = nil
            state.tokens = state.tokens.filter { $0.key.registry != registry }
        }
    }

    /// The `Authorization` header for a request, from what an earlier challenge taught; nil: try without.
    func authorization(at origin: WebAddress.Origin, registry: String, scopes: [Scope]) async throws -> Secret? {
        guard let method = state.withLock({ $0.methods[origin] }) else {
            // A registry token needs no challenge.
            if case .registryToken(let token)? = given[registry] { return Secret("Bearer \(token.reveal())") }
            return nil
        }
        switch method {
        case .basic: return try await credential(for: registry).flatMap(Self.basic)
        case .bearer(let server):
            return try await token(server, registry: registry, origin: origin, scopes: Set(scopes.map(\.description)))
                .header
        }
    }

    /// The `Authorization` header that answers a 401.
    ///
    /// - Parameter rejected: what the refused request carried.
    /// - Returns: nil where there is nothing new to say.
    func answer(
        _ answer: Answer, origin: WebAddress.Origin, registry: String, scopes: [Scope], rejected: Secret?
    ) async throws -> Secret? {
        let challenges = Self.challenges(of: answer)
        if let bearer = challenges.first(where: { $0.scheme == "bearer" }), let realm = bearer.parameters["realm"] {
            let server = TokenServer(
                realm: try realmAddress(realm, answer: answer), service: bearer.parameters["service"])
            state.withLock { $0.methods[origin] = .bearer(server) }
            let wanted = Set(scopes.map(\.description))
            let asked = (bearer.parameters["scope"] ?? "").split(separator: " ").prefix(32).map(String.init)
            let all = wanted.union(asked)
            if let rejected {
                // The token may have expired early, or lacked a scope: once with a fresh one.
                state.withLock { state in state.tokens = state.tokens.filter { $0.value.header != rejected } }
            }
            let token = try await token(server, registry: registry, origin: origin, scopes: all)
            if all != wanted { remember(token, TokenKey(server: server, registry: registry, scopes: wanted)) }
            return token.header
        }
        if challenges.contains(where: { $0.scheme == "basic" }) {
            state.withLock { $0.methods[origin] = .basic }
            guard let header = try await credential(for: registry).flatMap(Self.basic) else {
                throw credentialFailure(for: registry) ?? noCredentials(answer, registry: registry)
            }
            return header == rejected ? nil : header
        }
        return nil
    }

    private func noCredentials(_ answer: Answer, registry: String) -> RegistryError {
        RegistryError(
            .unauthorized, "no basic auth credentials", method: answer.method.rawValue, url: answer.address.redacted,
            status: 401, hint: "log in with `strata login \(registry)`")
    }

    private func realmAddress(_ text: String, answer: Answer) throws -> WebAddress {
        guard let realm = WebAddress(parsing: text) else {
            throw answer.invalid("the challenge's realm is no http or https URL")
        }
        if answer.address.origin.scheme == .https, realm.origin.scheme == .http {
            throw answer.invalid("refused to ask for a token over http for a registry that is served over https")
        }
        return realm
    }

    /// `Basic base64(user:password)`.
    static func basic(_ credential: Credential) -> Secret? {
        guard case .basic(let user, let secret) = credential else { return nil }
        return Secret("Basic \(Base64.encode(Array("\(user):\(secret.reveal())".utf8)))")
    }

    private func credential(for registry: String) async throws -> Credential? {
        if let credential = given[registry] { return credential }
        if let known = state.withLock({ $0.credentials[registry] }) { return known }
        var found: Credential?
        do {
            found = try await store?.credential(for: registry)
        } catch let error as RegistryError {
            // What is public can be pulled without: a broken helper must not stand in the way.
            state.withLock { $0.failures[registry] = error }
        }
        let credential = found
        state.withLock { $0.credentials[registry] = .some(credential) }
        return credential
    }

    /// Why no stored credential was used for a registry.
    func credentialFailure(for registry: String) -> RegistryError? { state.withLock { $0.failures[registry] } }

    /// Answers a 401 with a credential that is being tried out, past everything that is kept.
    func login(_ answer: Answer, credential: Credential) async throws -> (authorization: Secret, refreshToken: Secret?)
    {
        let challenges = Self.challenges(of: answer)
        if let bearer = challenges.first(where: { $0.scheme == "bearer" }), let realm = bearer.parameters["realm"] {
            let server = TokenServer(
                realm: try realmAddress(realm, answer: answer), service: bearer.parameters["service"])
            let token = try await TokenRequest(
                server: server, scopes: [], credential: credential, wantsRefreshToken: true
            ).send(over: transport, clock: clock)
            return (token.header, token.refreshToken)
        }
        if challenges.contains(where: { $0.scheme == "basic" }), let header = Self.basic(credential) {
            return (header, nil)
        }
        throw answer.invalid("the registry asks for a kind of login that is not known here")
    }

    private static func challenges(of answer: Answer) -> [Challenge] {
        answer.headers["WWW-Authenticate"].prefix(Challenge.challengeLimit).flatMap { (try? Challenge.parse($0)) ?? [] }
    }

    private func token(
        _ server: TokenServer, registry: String, origin: WebAddress.Origin, scopes: Set<String>
    ) async throws -> Token {
        let key = TokenKey(server: server, registry: registry, scopes: scopes)
        let now = clock.now()
        // Layers are asked for at the same moment: they share one token request.
        let (kept, task) = state.withLock { state -> (Token?, Task<Token, any Error>?) in
            if let token = state.tokens[key], token.expires > now { return (token, nil) }
            if let task = state.pending[key] { return (nil, task) }
            let task = Task { [self] in
                defer { self.state.withLock { $0.pending[key] = nil } }
                let token = try await fetch(server, registry: registry, scopes: scopes)
                remember(token, key)
                return token
            }
            state.pending[key] = task
            return (nil, task)
        }
        if let kept { return kept }
        guard let task else { return try await fetch(server, registry: registry, scopes: scopes) }
        return try await task.value
    }

    private func remember(_ token: Token, _ key: TokenKey) {
        let now = clock.now()
        state.withLock { state in
            if state.tokens.count >= Self.tokenLimit {
                state.tokens = state.tokens.filter { $0.value.expires > now }
                if state.tokens.count >= Self.tokenLimit { state.tokens = [:] }
            }
            state.tokens[key] = token
        }
    }

    private func fetch(_ server: TokenServer, registry: String, scopes: Set<String>) async throws -> Token {
        let credential = try await credential(for: registry)
        return try await TokenRequest(server: server, scopes: scopes, credential: credential, wantsRefreshToken: false)
            .send(over: transport, clock: clock)
    }
}
