import NIOHTTP1
import OCI

/// What a login brought.
public struct LoginOutcome: Sendable {
    /// What to keep for the registry: the given credential, or the identity token that its token server gave for it.
    public var credential: Credential
    /// Whether the registry asked for a credential at all.
    public var wasChecked: Bool
}

extension RegistryClient {
    /// Verifies a user's credential at a registry's `/v2/`. Nothing is stored: `CredentialStore.save` does that.
    ///
    /// - Parameters:
    ///   - host: `docker.io`, `host`, `host:port`.
    ///   - user: the user's name; `<token>` where the secret is an identity token.
    ///   - secret: the password or token.
    /// - Throws: `RegistryError` with the code `unauthorized` where the registry refuses it.
    public func login(host: String, user: String, secret: Secret) async throws -> LoginOutcome {
        let credential: Credential = user == "<token>" ? .identityToken(secret) : .basic(user: user, secret: secret)
        let endpoint = try requester.rules.endpoint(ofRegistry: host)
        authenticator.forget(registry: host)
        return try await Retry.run(configuration) {
            do { return try await self.check(credential, at: endpoint) } catch let error as RegistryError {
                throw Self.told(error)
            }
        }
    }

    private func check(_ credential: Credential, at endpoint: Endpoint) async throws -> LoginOutcome {
        let ping = Requester.Call(method: .GET, target: .path(""))
        let answer = try await requester.sendPlain(ping, to: endpoint).buffered()
        switch answer.status {
        case 200: return LoginOutcome(credential: credential, wasChecked: false)
        case 401: break
        default: throw try await answer.failure(.registry)
        }
        let reply = try await authenticator.login(answer, credential: credential)
        let verified = try await requester.sendPlain(ping, to: endpoint, authorization: reply.authorization)
        guard verified.status == 200 else { throw try await verified.failure(.token) }
        try await verified.drain()
        return LoginOutcome(
            credential: reply.refreshToken.map { .identityToken($0) } ?? credential, wasChecked: true)
    }

    /// What a person who is logging in can do about a failure is not to log in.
    private static func told(_ failure: RegistryError) -> RegistryError {
        var error = failure
        switch error.code {
        case .unauthorized, .denied: error.hint = "check the user name, and the password or token"
        case .tooManyRequests:
            // Who waits for a password to be taken does not want to wait in silence, and each guess makes it longer.
            error.isTransient = false
            error.hint = "try again " + (error.retryAfter.map { "in \($0) second\($0 == 1 ? "" : "s")" } ?? "later")
        default: break
        }
        return error
    }
}
