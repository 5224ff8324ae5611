import Hummingbird
import Logging
import OCI

/// A request with its target read, and who asks.
struct Exchange {
    var method: HTTPRequest.Method
    var target: RequestTarget
    var headers: HTTPFields
    var body: RequestBodyReader
    var caller: Caller
    /// Where the request came from.
    var address: String
    var logger: Logger

    /// Written into history, events and the log; empty for anonymous.
    var actor: String { caller.principal.name }

    /// Refuses methods that a path does not have.
    func allow(_ methods: HTTPRequest.Method...) throws {
        if !methods.contains(method) {
            throw RegistryFailure.notAllowed(methods.map(\.rawValue).joined(separator: ", "))
        }
    }

    /// A digest in the query; nil where there is none.
    func digest(_ name: String) throws -> Digest? { try target[name].map { try Digest(fromRequest: $0) } }

    /// `n` and `last` of a listing.
    func page(default standard: Int, limit: Int) throws -> (count: Int, last: String) {
        guard let text = target["n"] else { return (standard, target["last"] ?? "") }
        guard let number = Int(text), number >= 0 else {
            throw RegistryFailure.badQuery("`n` is `\(text.prefix(40))`: want a number from 0")
        }
        return (min(number, limit), target["last"] ?? "")
    }

    /// The digests of an `If-Match` or `If-None-Match`; nil where the header is not there, empty for `*`.
    func entityTags(_ name: HeaderName) -> [String]? {
        guard let value = headers[name] else { return nil }
        if value == "*" { return [] }
        return value.split(separator: ",").map { tag in
            var tag = tag.drop { $0 == " " }
            if tag.hasPrefix("W/") { tag = tag.dropFirst(2) }
            return String(tag.prefix { $0 != " " }.filter { $0 != "\"" })
        }
    }

    /// Whether a GET or HEAD finds its condition not met (412) or its copy still good (304).
    func conditional(_ digest: Digest) -> Reply? {
        if let tags = entityTags(.ifMatch), !tags.isEmpty, !tags.contains(digest.description) {
            return Reply(RegistryFailure(.denied, status: 412, "the content is \(digest), not what `If-Match` wants"))
        }
        if let tags = entityTags(.ifNoneMatch), tags.isEmpty || tags.contains(digest.description) {
            return Reply(304).with(digest: digest).with(.eTag, "\"\(digest)\"")
        }
        return nil
    }
}
