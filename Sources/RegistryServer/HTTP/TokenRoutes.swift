import Hummingbird

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The token endpoint: `GET` with Basic credentials or none, `POST` with a form (OAuth2).
struct TokenRoutes {
    let tokens: TokenService

    private struct Answer: Encodable {
        var token: String
        var access_token: String
        var expires_in: Int64
        var issued_at: String
        var refresh_token: String?
    }

    func respond(to exchange: Exchange) async throws -> Reply {
        switch exchange.method {
        case .get: return try await get(exchange)
        case .post: return try await post(exchange)
        default: throw RegistryFailure.notAllowed("GET, POST")
        }
    }

    private func get(_ exchange: Exchange) async throws -> Reply {
        let scopes = try TokenService.scopes(exchange.target.all("scope"))
        try check(service: exchange.target["service"])
        var principal = Principal.anonymous
        if let header = exchange.headers[.authorization] {
            guard let (name, password) = BasicCredentials.parse(header) else {
                throw RegistryFailure(.unauthorized, status: 401, "the token endpoint takes Basic credentials")
            }
            principal = try await tokens.access.authenticate(
                name: name, password: password, from: exchange.address, isLogin: true)
        }
        let isOffline = exchange.target["offline_token"] == "true" && principal.kind != .anonymous
        return try await answer(
            principal, scopes,
            refresh: isOffline
                ? try await tokens.makeRefreshToken(for: principal, client: exchange.target["client_id"] ?? "") : nil)
    }

    private func post(_ exchange: Exchange) async throws -> Reply {
        let form = try await exchange.form()
        let scopes = try TokenService.scopes(form.all("scope"))
        try check(service: form["service"])
        switch form["grant_type"] {
        case "password":
            let principal = try await tokens.access.authenticate(
                name: form["username"] ?? "", password: form["password"] ?? "", from: exchange.address, isLogin: true)
            let isOffline = form["access_type"] == "offline"
            return try await answer(
                principal, scopes,
                refresh: isOffline
                    ? try await tokens.makeRefreshToken(for: principal, client: form["client_id"] ?? "") : nil)
        case "refresh_token":
            let token = form["refresh_token"] ?? ""
            let principal = try await tokens.principal(ofRefreshToken: token)
            return try await answer(principal, scopes, refresh: token)
        default:
            throw RegistryFailure.badQuery("`grant_type` must be `password` or `refresh_token`")
        }
    }

    private func check(service: String?) throws {
        if let service, service != TokenService.service {
            throw RegistryFailure.badQuery(
                "the service `\(service.prefix(100))` is not this one: want `\(TokenService.service)`")
        }
    }

    private func answer(_ principal: Principal, _ scopes: [TokenService.Scope], refresh: String?) async throws -> Reply
    {
        let token = try await tokens.token(for: principal, scopes: scopes)
        return try Reply(200).with(
            json: Answer(
                token: token, access_token: token, expires_in: TokenService.lifetime,
                issued_at: utc(tokens.access.now() / 1000), refresh_token: refresh)
        ).with(.cacheControl, "no-store")
    }
}

/// `Basic` credentials of a request (RFC 7617).
enum BasicCredentials {
    static func parse(_ header: String) -> (name: String, password: String)? {
        let parts = header.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "basic", parts[1].utf8.count <= 4096,
            let bytes = Data(base64Encoded: String(parts[1])), let text = String(validating: bytes, as: UTF8.self),
            let colon = text.firstIndex(of: ":")
        else { return nil }
        return (String(text[..<colon]), String(text[text.index(after: colon)...]))
    }
}

extension Exchange {
    /// The fields of a form in the body (`application/x-www-form-urlencoded`).
    func form() async throws -> RequestTarget {
        let bytes = try await body.collect(
            limit: 64 << 10, tooLarge: RegistryFailure(.sizeInvalid, status: 413, "the form is larger than 64 KiB"))
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw RegistryFailure.badQuery("the form is not UTF-8")
        }
        return try RequestTarget(form: text)
    }
}
