import NIOCore
import NIOHTTP1
import OCI

/// A bearer token and when it ends.
struct Token: Sendable, Hashable {
    /// The whole `Authorization` header.
    var header: Secret
    /// On `RegistryClock.now`'s scale.
    var expires: Duration
    /// What the server gave to get further tokens with, where it was asked for.
    var refreshToken: Secret?
}

/// Asks a token server for a token: by GET with or without Basic credentials, or by an OAuth2 POST where the credential
/// is an identity token (distribution's token and oauth2 documents).
struct TokenRequest: Sendable {
    var server: Authenticator.TokenServer
    var scopes: Set<String>
    var credential: Credential?
    /// Whether a login asks for an identity token.
    var wantsRefreshToken: Bool

    private static let clientID = "strata"
    private static let tokenBytes = 48 << 10

    private struct Reply: Decodable, Sendable {
        var token: String?
        var access_token: String?
        var refresh_token: String?
        var expires_in: Double?
    }

    func send(over transport: Transport, clock: RegistryClock) async throws -> Token {
        if case .registryToken(let token)? = credential {
            return Token(header: Secret("Bearer \(token.reveal())"), expires: clock.now() + .seconds(60))
        }
        let asked = clock.now()
        let answer = try await transport.send(request)
        guard answer.status == 200 else { throw try await answer.failure(.token) }
        let bytes = try await answer.bytes(limit: Answer.jsonLimit)
        let reply: Reply
        do {
            reply = try Document<Reply>(parsing: bytes, kind: "token answer", limit: Answer.jsonLimit).value
        } catch { throw answer.invalid("the token server's answer: \(error)") }
        let text = [reply.token, reply.access_token].compactMap { $0 }.first { !$0.isEmpty }
        guard let text, text.utf8.count <= Self.tokenBytes, text.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw answer.invalid("the token server gave no usable token")
        }
        // The specification's default is 60 s. A tenth is kept back, so that a token does not end on its way.
        let seconds = min(max(reply.expires_in ?? 60, 60), 86_400)
        return Token(
            header: Secret("Bearer \(text)"), expires: asked + .seconds(seconds * 0.9),
            refreshToken: reply.refresh_token.flatMap {
                $0.isEmpty || $0.utf8.count > Self.tokenBytes ? nil : Secret($0)
            })
    }

    private var request: Transport.Request {
        let scopes = scopes.sorted()
        var items: [(String, String)] = server.service.map { [("service", $0)] } ?? []
        if case .identityToken(let token)? = credential {
            items += [("client_id", Self.clientID), ("grant_type", "refresh_token"), ("refresh_token", token.reveal())]
            if !scopes.isEmpty { items.append(("scope", scopes.joined(separator: " "))) }
            let form = items.map { "\($0.0.percentEncoded)=\($0.1.percentEncoded)" }.joined(separator: "&")
            return Transport.Request(
                method: .POST, address: server.realm, headers: ["Content-Type": "application/x-www-form-urlencoded"],
                body: .bytes(ByteBuffer(string: form)))
        }
        items += scopes.map { ("scope", $0) }
        if let user = credential?.user { items.append(("account", user)) }
        if wantsRefreshToken { items += [("offline_token", "true"), ("client_id", Self.clientID)] }
        return Transport.Request(
            method: .GET, address: server.realm.adding(items), authorization: credential.flatMap(Authenticator.basic))
    }
}
