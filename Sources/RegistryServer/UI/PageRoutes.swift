import Hummingbird
import NIOCore
import OCI

/// The pages people look at: `/` and what is below `/-/`. Whoever logs in gets a session of the browser's.
struct PageRoutes {
    let registry: Registry
    let access: AccessControl
    /// `https://registry.example:5000`.
    let origin: String

    static let sessionCookie = "strata_session"
    static let formCookie = "strata_form"
    static let languageCookie = "strata_language"
    static let sessionSeconds: Int64 = 12 * 3600

    /// Who looks, and what his forms carry.
    struct Visitor: Sendable {
        var caller: Caller
        /// The secret of the session cookie; nil where there is none.
        var session: String?
        var context: PageContext
        /// Set where the visitor has no cookie for the forms yet.
        var newFormToken: String?
        var isOpen: Bool

        var mayManage: Bool { isOpen || caller.principal.isAdministrator }
    }

    func respond(to exchange: Exchange, _ path: [String]) async throws -> Reply {
        var visitor = try await visitor(exchange)
        do {
            if exchange.method == .post {
                let form = try await exchange.form()
                // A form of another site cannot know the cookie's token (double submit), and its origin is told.
                guard let token = form["csrf"], constantTimeEqual(token, visitor.context.token), isOurs(exchange) else {
                    return page(visitor, 403, visitor.context.message(.staleForm))
                }
                return try await post(exchange, path, form, &visitor)
            }
            try exchange.allow(.get, .head, .post)
            return try await get(exchange, path, visitor)
        } catch let failure as RegistryFailure where failure.status < 500 {
            let phrase: Phrase = failure.status == 404 ? .notFound : failure.status == 403 ? .forbidden : .notFound
            return page(
                visitor, failure.status,
                visitor.context.message(phrase, detail: failure.status == 404 ? nil : failure.message))
        }
    }

    private func isOurs(_ exchange: Exchange) -> Bool {
        guard let told = exchange.headers[.origin] else { return true }
        return told == origin
    }

    // MARK: Who looks

    private func visitor(_ exchange: Exchange) async throws -> Visitor {
        var caller = exchange.caller
        var session: String?
        let cookies = Self.cookies(exchange.headers)
        if let secret = cookies[Self.sessionCookie], caller.principal.kind == .anonymous {
            let hash = SecretHash.of(secret)
            let now = registry.now()
            if let name = try await registry.database.read({ try $0.sessionOwner(hash: hash, at: now) }),
                let principal = try await access.principal(named: name)
            {
                caller = Caller(principal: principal, token: nil, isKnown: true)
                session = secret
            }
        }
        let isOpen = try await access.isOpen()
        // Tied to the session where there is one, so that a token of one visitor is of no use in another's.
        let known = cookies[Self.formCookie].flatMap { $0.utf8.count == 43 ? $0 : nil }
        let token = known ?? randomText()
        let context = PageContext(
            language: cookies[Self.languageCookie].flatMap { Language(rawValue: $0) }
                ?? Language(accepting: exchange.headers[.acceptLanguage]),
            userName: caller.principal.kind == .anonymous ? nil : caller.principal.name,
            isAdministrator: isOpen || caller.principal.isAdministrator,
            token: SecretHash.of("form \(token) \(session ?? "")"),
            authority: String(origin.drop { $0 != "/" }.dropFirst(2)), now: registry.now() / 1000,
            location: exchange.method == .post ? "/" : Self.local(exchange.target.text))
        return Visitor(
            caller: caller, session: session, context: context, newFormToken: known == nil ? token : nil, isOpen: isOpen
        )
    }

    private static func cookies(_ headers: HTTPFields) -> [String: String] {
        var cookies: [String: String] = [:]
        for item in (headers[.cookie] ?? "").prefix(8192).split(separator: ";") {
            let pair = item.drop { $0 == " " }.split(separator: "=", maxSplits: 1)
            if pair.count == 2 { cookies[String(pair[0])] = String(pair[1]) }
        }
        return cookies
    }

    // MARK: Answers

    func page(_ visitor: Visitor, _ status: Int, _ text: String) -> Reply {
        var reply = Reply(status).with(body: Array(text.utf8), type: "text/html; charset=utf-8")
            .with(.cacheControl, "no-store").with(.contentSecurityPolicy, PageAssets.contentSecurityPolicy)
            .with(.xContentTypeOptions, "nosniff").with(HeaderName.named("Referrer-Policy"), "same-origin")
        if let token = visitor.newFormToken {
            reply = reply.with(.setCookie, cookie(Self.formCookie, token, seconds: Self.sessionSeconds))
        }
        return reply
    }

    func cookie(_ name: String, _ value: String, seconds: Int64) -> String {
        "\(name)=\(value); Path=/; HttpOnly; SameSite=Strict; Max-Age=\(seconds)"
            + (origin.hasPrefix("https://") ? "; Secure" : "")
    }

    /// An address of our own to go back to, whatever a link says: `//host` and `/\host` are other sites to a browser.
    static func local(_ address: String?) -> String {
        guard let address, address.hasPrefix("/"), !address.hasPrefix("//"), !address.contains("\\"),
            address.utf8.count <= 4096, address.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
        else { return "/" }
        return address
    }

    func redirect(_ path: String) -> Reply { Reply(303).with(.location, path).with(.cacheControl, "no-store") }

    // MARK: Reading

    private func get(_ exchange: Exchange, _ path: [String], _ visitor: Visitor) async throws -> Reply {
        let context = visitor.context
        let query = exchange.target
        switch path.first ?? "" {
        case "style.css": return asset(PageAssets.style, "text/css")
        case "script.js": return asset(PageAssets.script, "text/javascript")
        case "icon.svg": return asset(PageAssets.icon, "image/svg+xml")
        case "language":
            guard let language = Language(rawValue: query["to"] ?? "") else {
                throw RegistryFailure(.unsupported, status: 404, "there is nothing at this path")
            }
            return redirect(Self.local(query["return"]))
                .with(.setCookie, cookie(Self.languageCookie, language.rawValue, seconds: 365 * 86_400))
        case "", "repositories", "search":
            // Names are of small letters only.
            let search = query["q"].flatMap { $0.isEmpty ? nil : String($0.prefix(255)).lowercased() }
            let rows = try await PageData(registry).repositories(
                after: query["after"] ?? "", search: search ?? "", try await access.reader(visitor.caller.principal))
            return page(visitor, 200, context.repositories(rows.rows, search: search, next: rows.next))
        case "repository":
            let name = try await readable(query["name"], visitor)
            var shown = try await PageData(registry).repository(
                name, after: query["after"] ?? "", filter: String((query["tags"] ?? "").prefix(128)))
            if try await !may(.push, name, visitor) { shown.restorable = [] }
            return page(visitor, 200, context.repository(name.description, shown))
        case "tag":
            let name = try await readable(query["name"], visitor)
            guard let tag = TagName(parsing: query["tag"] ?? "") else { throw RegistryFailure.tagInvalid("") }
            let shown = try await PageData(registry).tag(tag, of: name)
            return page(
                visitor, 200,
                context.tag(
                    name.description, shown.row, images: shown.images, referrers: shown.referrers,
                    mayDelete: try await may(.delete, name, visitor) && registry.policy.deletes))
        case "login": return page(visitor, 200, context.login(problem: nil, returnTo: query["return"] ?? "/"))
        case "admin":
            guard visitor.mayManage else {
                if visitor.context.userName == nil {
                    return redirect(HTML.address(["-", "login"], [("return", "/-/admin")]))
                }
                throw RegistryFailure(.denied, status: 403, "only an administrator may do that")
            }
            let shown = try await AdminData(registry, access).page(path.dropFirst().first ?? "", query)
            return page(visitor, 200, context.administration(shown))
        default: throw RegistryFailure(.unsupported, status: 404, "there is nothing at this path")
        }
    }

    private func asset(_ text: String, _ type: String) -> Reply {
        Reply(200).with(body: Array(text.utf8), type: "\(type); charset=utf-8")
            .with(.cacheControl, "public, max-age=31536000, immutable").with(.xContentTypeOptions, "nosniff")
    }

    /// A repository that the visitor may see. One that he may not is told like one that is not there.
    private func readable(_ text: String?, _ visitor: Visitor) async throws -> RepositoryName {
        let name = try RepositoryName(parsing: text ?? "")
        guard try await may(.pull, name, visitor) else { throw RegistryFailure.nameUnknown(name) }
        return name
    }

    func may(_ action: RepositoryAction, _ name: RepositoryName, _ visitor: Visitor) async throws -> Bool {
        try await access.rights(of: visitor.caller.principal, on: name.description).contains(action)
    }
}

extension HTTPFields.Element.Name {
    static var xContentTypeOptions: HeaderName { named("X-Content-Type-Options") }
    static var contentSecurityPolicy: HeaderName { named("Content-Security-Policy") }
}
