import NIOHTTP1
import OCI

/// What a URL of a registry names, which decides what a bare 404 means.
enum RequestSubject: Sendable {
    case manifest, blob, repository, registry, token
}

extension RegistryError {
    /// The error that an answer with a failure status is.
    ///
    /// - Parameters:
    ///   - body: at most `Answer.errorBodyLimit` bytes of the answer's body.
    static func from(
        status: Int, headers: HTTPHeaders, body: [UInt8], method: String, address: WebAddress, subject: RequestSubject
    ) -> RegistryError {
        let errors = serverErrors(in: body, status: status, headers: headers)
        let code = code(status: status, serverCode: errors.first?.code, subject: subject)
        let message = errors.first?.sentence ?? fallbackMessage(code: code, status: status, subject: subject)
        var error = RegistryError(
            code, message, method: method, url: address.redacted, status: status, serverErrors: errors)
        error.retryAfter = headers.first(name: "Retry-After").flatMap(RetryAfter.seconds)
        error.isTransient = code == .tooManyRequests || code == .unavailable
        error.hint = hint(for: code, status: status, host: address.origin.authority)
        return error
    }

    private static func code(status: Int, serverCode: String?, subject: RequestSubject) -> Code {
        if status == 429 { return .tooManyRequests }
        switch serverCode {
        case "UNAUTHORIZED": return .unauthorized
        case "DENIED": return .denied
        case "MANIFEST_UNKNOWN": return .manifestUnknown
        case "NAME_UNKNOWN": return .nameUnknown
        case "BLOB_UNKNOWN": return .blobUnknown
        case "TOOMANYREQUESTS": return .tooManyRequests
        case "UNSUPPORTED": return .unsupported
        default: break
        }
        switch status {
        case 401: return .unauthorized
        case 403: return .denied
        case 404:
            switch subject {
            case .manifest: return .manifestUnknown
            case .blob: return .blobUnknown
            case .repository, .registry, .token: return .nameUnknown
            }
        case 405, 501: return .unsupported
        case 408, 500...599: return .unavailable
        case 400...499: return .rejected
        default: return .invalidAnswer
        }
    }

    private static func fallbackMessage(code: Code, status: Int, subject: RequestSubject) -> String {
        switch code {
        case .unauthorized where subject == .token: "unauthorized: incorrect username or password"
        case .unauthorized: "unauthorized: authentication required"
        case .denied: "denied: requested access to the resource is denied"
        case .manifestUnknown: "manifest unknown: manifest unknown"
        case .nameUnknown where subject == .registry: "the host answered \(status): it does not look like a registry"
        case .nameUnknown where subject == .token: "the token server answered \(status)"
        case .nameUnknown: "name unknown: repository name not known to registry"
        case .blobUnknown: "blob unknown: blob unknown to registry"
        case .tooManyRequests: "toomanyrequests: too many requests"
        default: "received unexpected HTTP status: \(HTTPResponseStatus(statusCode: status))"
        }
    }

    private static func hint(for code: Code, status: Int, host: String) -> String? {
        switch code {
        case .tooManyRequests:
            "the registry limits how often it may be asked; log in with `strata login \(loginHost(host))` for a higher"
                + " limit, or wait"
        case .unauthorized, .denied: "log in with `strata login \(loginHost(host))`"
        case .rejected where status == 413: "a proxy before the registry limits the size of an upload"
        default: nil
        }
    }

    static func loginHost(_ host: String) -> String { host == DockerHub.host ? Reference.defaultDomain : host }

    /// Parses `{"errors":[{"code":…,"message":…}]}`; an answer of another shape gives none.
    private static func serverErrors(in body: [UInt8], status: Int, headers: HTTPHeaders) -> [ServerError] {
        struct Entry: Decodable, Sendable {
            var code: String?
            var message: String?
        }
        struct Shape: Decodable, Sendable {
            var errors: [Entry]?
            var details: String?  // some token servers
        }
        var found: [ServerError] = []
        // A Bearer challenge that names an error says it best: public registries answer 401 with it for what does not exist.
        for challenge in headers["WWW-Authenticate"].flatMap({ (try? Challenge.parse($0)) ?? [] })
        where status == 401 && challenge.scheme == "bearer" && challenge.parameters["error"] == "insufficient_scope" {
            found.append(ServerError(code: "DENIED", message: "requested access to the resource is denied"))
        }
        guard !body.isEmpty,
            let document = try? Document<Shape>(parsing: body, kind: "error answer", limit: Answer.errorBodyLimit)
        else { return found }
        for entry in (document.value.errors ?? []).prefix(16) {
            let code = clean(entry.code ?? "UNKNOWN", limit: 64)
            found.append(ServerError(code: code, message: clean(entry.message ?? "", limit: 500)))
        }
        if found.isEmpty, let details = document.value.details {
            found.append(
                ServerError(code: status == 401 ? "UNAUTHORIZED" : "DENIED", message: clean(details, limit: 500)))
        }
        return found
    }

    /// Bounds a server's text and drops what could steer a terminal.
    static func clean(_ text: String, limit: Int) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars.prefix(limit) {
            switch scalar.properties.generalCategory {
            case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator:
                result.append(" ")
            default: result.append(scalar)
            }
        }
        return String(result)
    }
}
