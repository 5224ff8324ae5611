import Linux

/// Gives out bearer tokens and refresh tokens: distribution's "Docker Registry v2 authentication" and its OAuth2 form.
package final class TokenService: Sendable {
    /// Seconds that a token works. Rights are checked when it is used, so it may outlive a change of them.
    static let lifetime: Int64 = 300
    static let refreshLifetime: Int64 = 90 * 86_400
    /// The name of the service in tokens and challenges.
    static let service = "strata"
    private static let mostScopes = 100

    package let access: AccessControl
    private let signer: TokenSigner
    private let verified = VerifiedTokens()

    /// Reads the key of the directory, making it where it is missing.
    package convenience init(_ access: AccessControl, keyFile path: String) throws {
        let signer: TokenSigner
        if try FileStatus.ifExists(path) != nil {
            do { signer = try TokenSigner(storedKey: readFile(path, limit: 1024)) } catch is TokenError {
                throw RegistryConfigurationError(
                    "the file `\(path)` is no signing key: remove it, and a new one is made (who is logged in stays so)"
                )
            }
        } else {
            signer = TokenSigner()
            try writeAtomically(signer.storedKey, to: path, permissions: 0o600)
        }
        self.init(access, signer)
    }

    package init(_ access: AccessControl, _ signer: TokenSigner) {
        self.access = access
        self.signer = signer
    }

    /// A scope of a request: `repository:team/app:pull,push`.
    struct Scope: Sendable, Hashable {
        var type: String
        var name: String
        var actions: [String]

        init?(parsing text: Substring) {
            guard let first = text.firstIndex(of: ":"), let last = text.lastIndex(of: ":"), first < last else {
                return nil
            }
            // `repository(plugin)`: the class is of no use here.
            type = String(text[..<first].prefix { $0 != "(" })
            name = String(text[text.index(after: first)..<last])
            actions = text[text.index(after: last)...].split(separator: ",").map(String.init)
        }
    }

    /// The scopes of a request, each parameter with one or, between spaces, several.
    static func scopes(_ texts: [String]) throws -> [Scope] {
        let parts = texts.flatMap { $0.split(separator: " ") }
        if parts.count > mostScopes {
            throw RegistryFailure.badQuery("\(parts.count) scopes are too many: at most \(mostScopes)")
        }
        return try parts.map { part in
            guard let scope = Scope(parsing: part) else {
                throw RegistryFailure.badQuery(
                    "the scope `\(part.prefix(200))` is not of the form `repository:NAME:ACTIONS`")
            }
            return scope
        }
    }

    /// Signs what of the scopes somebody has a right to. What he has no right to is left out, as the specification asks.
    func token(for principal: Principal, scopes: [Scope]) async throws -> String {
        var granted: [TokenSigner.Access] = []
        for scope in scopes {
            switch scope.type {
            case "repository":
                let rights = try await access.rights(of: principal, on: scope.name)
                var actions = scope.actions.filter { RepositoryAction(rawValue: $0).map(rights.contains) ?? false }
                if scope.actions.contains("*") { actions = rights.sorted().map(\.rawValue) }
                if !actions.isEmpty { granted.append(.init(name: scope.name, actions: actions)) }
            case "registry" where scope.name == "catalog":
                granted.append(.init(type: "registry", name: "catalog", actions: ["*"]))
            default: break
            }
        }
        return try signer.sign(
            TokenSigner.Claims(
                issuer: Self.service, subject: principal.name, audience: Self.service, issuedAt: access.now() / 1000,
                lifetime: Self.lifetime, identifier: randomText(), access: granted))
    }

    /// Whom a token was given to, and what for.
    func caller(of token: String) async throws -> Caller {
        let claims: TokenSigner.Claims
        do {
            claims = try verified.claims(of: token) { [signer] token throws(TokenError) in
                try signer.claims(of: token)
            }
            try claims.check(audience: Self.service, now: access.now() / 1000)
        } catch {
            throw RegistryFailure(.unauthorized, status: 401, "\(error): get a new one")
        }
        if claims.sub.isEmpty { return Caller(principal: .anonymous, token: claims.access, isKnown: true) }
        guard let principal = try await access.principal(named: claims.sub) else {
            throw RegistryFailure(.unauthorized, status: 401, "the token's account `\(claims.sub)` is gone or disabled")
        }
        return Caller(principal: principal, token: claims.access, isKnown: true)
    }

    // MARK: Refresh tokens

    func makeRefreshToken(for principal: Principal, client: String) async throws -> String {
        let token = "strata_refresh_" + randomText()
        let hash = SecretHash.of(token)
        let now = access.now()
        try await access.database.write {
            try $0.addRefreshToken(
                hash: hash, of: principal.name, client: client, at: now, expires: now + Self.refreshLifetime * 1000)
        }
        return token
    }

    func principal(ofRefreshToken token: String) async throws -> Principal {
        let hash = SecretHash.of(token)
        let now = access.now()
        guard let name = try await access.database.read({ try $0.refreshTokenOwner(hash: hash, at: now) }),
            let principal = try await access.principal(named: name)
        else {
            throw RegistryFailure(
                .unauthorized, status: 401, "the login has ended or its account is gone: log in again")
        }
        return principal
    }
}
