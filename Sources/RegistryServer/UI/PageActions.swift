import Hummingbird
import OCI

/// What the pages' forms do.
extension PageRoutes {
    func post(_ exchange: Exchange, _ path: [String], _ form: RequestTarget, _ visitor: inout Visitor) async throws
        -> Reply
    {
        switch path.first ?? "" {
        case "login": return try await logIn(exchange, form, visitor)
        case "logout":
            if let session = visitor.session {
                let hash = SecretHash.of(session)
                try await registry.database.write { try $0.endSession(hash: hash) }
            }
            return redirect("/").with(.setCookie, cookie(Self.sessionCookie, "", seconds: 0))
        case "tag": return try await changeTag(path.dropFirst().first ?? "", form, visitor)
        case "admin":
            guard visitor.mayManage else {
                throw RegistryFailure(.denied, status: 403, "only an administrator may do that")
            }
            let manager = AccessControl.Manager(name: visitor.caller.principal.name, address: exchange.address)
            let section = path.dropFirst().first ?? ""
            do {
                let note = try await AdminData(registry, access).change(Array(path.dropFirst()), form, by: manager)
                if let note {
                    let shown = try await AdminData(registry, access).page(section, exchange.target)
                    return page(visitor, 200, visitor.context.administration(shown, note: note))
                }
            } catch {
                guard let failure = APIRoutes.explained(error) as? RegistryFailure, failure.status < 500 else {
                    throw error
                }
                let shown = try await AdminData(registry, access).page(section, exchange.target)
                return page(visitor, failure.status, visitor.context.administration(shown, problem: failure.message))
            }
            return redirect(HTML.address(["-", "admin", section]))
        default: throw RegistryFailure(.unsupported, status: 404, "there is nothing at this path")
        }
    }

    private func logIn(_ exchange: Exchange, _ form: RequestTarget, _ visitor: Visitor) async throws -> Reply {
        let back = form["return"] ?? "/"
        let principal: Principal
        do {
            principal = try await access.authenticate(
                name: form["user"] ?? "", password: form["password"] ?? "", from: exchange.address, isLogin: true)
        } catch let failure as RegistryFailure where failure.status == 401 || failure.status == 429 {
            let problem: Phrase = failure.status == 429 ? .tooManyAttempts : .wrongCredentials
            return page(
                visitor, failure.status == 429 ? 429 : 403, visitor.context.login(problem: problem, returnTo: back))
        }
        let session = randomText()
        let hash = SecretHash.of(session)
        let now = registry.now()
        try await registry.database.write {
            try $0.addSession(hash: hash, of: principal.name, at: now, expires: now + Self.sessionSeconds * 1000)
        }
        return redirect(Self.local(back))
            .with(.setCookie, cookie(Self.sessionCookie, session, seconds: Self.sessionSeconds))
    }

    private func changeTag(_ action: String, _ form: RequestTarget, _ visitor: Visitor) async throws -> Reply {
        let name = try RepositoryName(parsing: form["name"] ?? "")
        guard let tag = TagName(parsing: form["tag"] ?? "") else { throw RegistryFailure.tagInvalid("") }
        let right: RepositoryAction = action == "delete" ? .delete : .push
        guard try await may(right, name, visitor) else {
            throw RegistryFailure(.denied, status: 403, "you may not \(right.rawValue) `\(name)`")
        }
        let actor = visitor.caller.principal.name
        switch action {
        case "delete":
            guard registry.policy.deletes else {
                throw RegistryFailure(.denied, status: 403, "this registry does not delete: it is configured so")
            }
            try await registry.deleteManifest(.tag(tag), from: name, by: actor)
        case "restore": try await registry.restoreTag(tag, of: name, by: actor)
        default: throw RegistryFailure(.unsupported, status: 404, "there is nothing at this path")
        }
        return redirect(HTML.address(["-", "repository"], [("name", name.description)]))
    }
}
