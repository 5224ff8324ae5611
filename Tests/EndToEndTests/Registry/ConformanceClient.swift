import OCI
import Synchronization
import TestSupport
import Testing

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A client of the distribution API, written from its specification: it knows nothing of the registry behind it.
///
/// Each check has one with a repository of its own, so that none sees what another did.
struct ConformanceClient: Sendable {
    /// How it shows who it is.
    enum Login: Sendable {
        case none
        case basic(name: String, password: String)
        /// The token flow: asked for a token, it gets one with its password.
        case bearer(name: String, password: String)
    }

    private final class Tokens: Sendable {
        private let state = Mutex<[String: String]>([:])
        subscript(scope: String) -> String? {
            get { state.withLock { $0[scope] } }
            set { state.withLock { $0[scope] = newValue } }
        }
    }

    let wire: WireClient
    let login: Login
    let algorithm: Digest.Algorithm
    let repository: String
    private let tokens = Tokens()

    init(_ wire: WireClient, _ login: Login, _ algorithm: Digest.Algorithm, _ repository: String) {
        self.wire = wire
        self.login = login
        self.algorithm = algorithm
        self.repository = repository
    }

    // MARK: Requests

    /// Sends a request; where the registry asks who it is, it says so.
    ///
    /// - Parameter path: below the repository, from its slash; or whole, from `/v2/`.
    func send(
        _ method: String, _ path: String, headers: [String: String] = [:], body: [UInt8]? = nil, cut: Int? = nil
    ) async throws -> WireClient.Answer {
        let target = path.hasPrefix("/v2/") || path == "/v2" ? path : "/v2/\(repository)\(path)"
        var headers = headers
        // One token for reading and one for each other way to use a repository.
        let key =
            "\(method == "HEAD" ? "GET" : method) \(target.prefix { $0 != "?" }.split(separator: "/").dropLast(2))"
        switch login {
        case .none: return try await wire.send(method, target, headers: headers, body: body, cut: cut)
        case .basic(let name, let password):
            headers["Authorization"] = TestSupport.basic(name, password)
            return try await wire.send(method, target, headers: headers, body: body, cut: cut)
        case .bearer(let name, let password):
            headers["Authorization"] = tokens[key].map { "Bearer \($0)" }
            let answer = try await wire.send(method, target, headers: headers, body: body, cut: cut)
            guard answer.status == 401 else { return answer }
            let challenge = try #require(Challenge(answer["WWW-Authenticate"]), "\(answer)")
            let token = try await token(for: challenge, name, password)
            tokens[key] = token
            headers["Authorization"] = "Bearer \(token)"
            return try await wire.send(method, target, headers: headers, body: body, cut: cut)
        }
    }

    private struct TokenAnswer: Decodable { var token: String }

    private func token(for challenge: Challenge, _ name: String, _ password: String) async throws -> String {
        let start = "http://127.0.0.1:\(wire.port)"
        try #require(challenge.realm.hasPrefix(start))
        var query = "service=\(challenge.service)"
        for scope in challenge.scope.split(separator: " ") { query += "&scope=\(scope)" }
        let answer = try await wire.send(
            "GET", "\(challenge.realm.dropFirst(start.count))?\(query)",
            headers: ["Authorization": TestSupport.basic(name, password)])
        try #require(answer.status == 200, "\(answer)")
        return try JSONDecoder().decode(TokenAnswer.self, from: Data(answer.body)).token
    }

    private struct Challenge {
        var realm = ""
        var service = ""
        var scope = ""

        init?(_ header: String?) {
            guard let header, header.hasPrefix("Bearer ") else { return nil }
            // Every value stands in quotes and holds none.
            let parts = header.dropFirst(7).split(separator: "\"", omittingEmptySubsequences: false)
            for place in stride(from: 0, to: parts.count - 1, by: 2) {
                let value = String(parts[place + 1])
                switch parts[place].drop(while: { $0 == "," || $0 == " " }) {
                case "realm=": realm = value
                case "service=": service = value
                case "scope=": scope = value
                default: break
                }
            }
            if realm.isEmpty { return nil }
        }
    }

    // MARK: Content

    /// Bytes that no other check has: their repository is in them.
    func content(_ label: String, _ count: Int = 200) -> [UInt8] {
        let seed = Array("\(repository) \(algorithm) \(label) ".utf8)
        return (0..<count).map { seed[$0 % seed.count] }
    }

    func digest(_ bytes: [UInt8]) -> Digest {
        var hasher = DigestHasher(algorithm)
        hasher.update(bytes)
        return hasher.finalize()
    }

    /// Content that was never pushed.
    var nothing: Digest { digest(Array("nothing of \(repository)".utf8)) }

    /// The path of a `Location`, absolute or relative.
    func location(_ answer: WireClient.Answer) throws -> String {
        let location = try #require(answer["Location"], "no Location: \(answer)")
        let start = "http://127.0.0.1:\(wire.port)"
        return location.hasPrefix(start) ? String(location.dropFirst(start.count)) : location
    }

    /// A URL with one more parameter: a location may have a query of its own.
    func adding(_ parameter: String, to location: String) -> String {
        location + (location.contains("?") ? "&" : "?") + parameter
    }

    /// Opens an upload.
    func upload() async throws -> String {
        // What is not sha256 is said beforehand, as the next version asks.
        let query = algorithm == .sha256 ? "" : "?digest-algorithm=\(algorithm.rawValue)"
        let answer = try await send("POST", "/blobs/uploads/\(query)", body: [])
        try #require(answer.status == 202, "\(answer)")
        return try location(answer)
    }

    /// Sends a chunk with its range.
    func patch(_ location: String, _ bytes: [UInt8], at offset: Int) async throws -> WireClient.Answer {
        try await send(
            "PATCH", location, headers: ["Content-Range": "\(offset)-\(offset + bytes.count - 1)"], body: bytes)
    }

    /// Pushes a blob the way that needs the least.
    @discardableResult
    func push(_ bytes: [UInt8], to repository: String? = nil) async throws -> Digest {
        let digest = digest(bytes)
        let answer = try await send(
            "POST", "/v2/\(repository ?? self.repository)/blobs/uploads/?digest=\(digest)", body: bytes)
        try #require(answer.status == 201, "\(answer)")
        return digest
    }

    func descriptor(_ type: String, _ bytes: [UInt8], _ more: String = "") -> String {
        #"{"mediaType":"\#(type)","digest":"\#(digest(bytes))","size":\#(bytes.count)\#(more)}"#
    }

    static let image = "application/vnd.oci.image.manifest.v1+json"
    static let index = "application/vnd.oci.image.index.v1+json"
    static let config = "application/vnd.oci.image.config.v1+json"
    static let layer = "application/vnd.oci.image.layer.v1.tar"
    static let dockerImage = "application/vnd.docker.distribution.manifest.v2+json"
    static let dockerIndex = "application/vnd.docker.distribution.manifest.list.v2+json"

    /// A manifest whose blobs are pushed.
    ///
    /// - Parameters:
    ///   - more: further fields, each with a comma before it.
    ///   - config: the config's media type.
    func manifest(
        _ label: String, layers: Int = 1, more: String = "", type: String = ConformanceClient.image,
        config: String = ConformanceClient.config
    ) async throws -> [UInt8] {
        let configuration = content("config \(label)")
        try await push(configuration)
        var list: [String] = []
        for number in 0..<layers {
            let layer = content("layer \(number) \(label)", 300)
            try await push(layer)
            list.append(descriptor(Self.layer, layer))
        }
        return Array(
            """
            {"schemaVersion":2,"mediaType":"\(type)","config":\(descriptor(config, configuration)),\
            "layers":[\(list.joined(separator: ","))]\(more)}
            """.utf8)
    }

    func index(_ entries: [String], more: String = "", type: String = ConformanceClient.index) -> [UInt8] {
        Array(
            #"{"schemaVersion":2,"mediaType":"\#(type)","manifests":[\#(entries.joined(separator: ","))]\#(more)}"#.utf8
        )
    }

    /// Puts a manifest, by its digest or a tag.
    func put(
        _ manifest: [UInt8], as reference: String? = nil, type: String = ConformanceClient.image,
        headers: [String: String] = [:]
    ) async throws -> WireClient.Answer {
        try await send(
            "PUT", "/manifests/\(reference ?? digest(manifest).description)",
            headers: headers.merging(["Content-Type": type]) { first, _ in first }, body: manifest)
    }

    /// Pushes an image and gives its manifest, known by its digest and the tags.
    func pushImage(_ label: String, tags: [String] = [], more: String = "") async throws -> [UInt8] {
        let bytes = try await manifest(label, more: more)
        let query = tags.map { "tag=\($0)" }.joined(separator: "&")
        let answer = try await put(bytes, as: "\(digest(bytes))\(query.isEmpty ? "" : "?")\(query)")
        try #require(answer.status == 201, "\(answer)")
        return bytes
    }

    /// A body in the chunked transfer coding (RFC 9112 §7.1), piece by piece.
    func chunked(_ pieces: [ArraySlice<UInt8>]) -> [UInt8] {
        var body: [UInt8] = []
        for piece in pieces {
            body += Array("\(String(piece.count, radix: 16))\r\n".utf8)
            body += piece
            body += Array("\r\n".utf8)
        }
        return body + Array("0\r\n\r\n".utf8)
    }

    // MARK: Answers

    struct TagList: Decodable, Equatable {
        var name: String
        var tags: [String]
    }

    func decode<Value: Decodable>(_ type: Value.Type, _ answer: WireClient.Answer) throws -> Value {
        try JSONDecoder().decode(type, from: Data(answer.body))
    }

    func tags(_ query: String = "") async throws -> (tags: [String], answer: WireClient.Answer) {
        let answer = try await send("GET", "/tags/list\(query)")
        try #require(answer.status == 200, "\(answer)")
        let list = try decode(TagList.self, answer)
        #expect(list.name == repository)
        return (list.tags, answer)
    }

    /// The target of a `Link` to the next page (RFC 8288); nil where there is none.
    func next(_ answer: WireClient.Answer) throws -> String? {
        guard let link = answer["Link"] else { return nil }
        try #require(link.hasPrefix("<") && link.hasSuffix(#">; rel="next""#), "\(link)")
        return String(link.dropFirst().prefix { $0 != ">" })
    }

    private struct Errors: Decodable {
        struct Item: Decodable {
            var code: String
            var message: String?
        }
        var errors: [Item]
    }

    /// distribution-spec "Error Codes".
    static let codes: Set<String> = [
        "BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN",
        "MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID", "NAME_UNKNOWN", "SIZE_INVALID", "UNAUTHORIZED",
        "DENIED",
        "UNSUPPORTED", "TOOMANYREQUESTS",
    ]

    /// Demands a status and a body in the form of "Error Codes".
    ///
    /// - Parameter code: the identifier that one of the errors must have; nil for any of the specification's.
    func expect(
        _ answer: WireClient.Answer, _ statuses: Int..., code: String? = nil,
        _ location: SourceLocation = #_sourceLocation
    ) {
        #expect(statuses.contains(answer.status), "\(answer)", sourceLocation: location)
        #expect(answer["Content-Type"] == "application/json", "\(answer)", sourceLocation: location)
        guard let errors = try? decode(Errors.self, answer).errors, !errors.isEmpty else {
            Issue.record("no errors in JSON: \(answer)", sourceLocation: location)
            return
        }
        #expect(errors.allSatisfy { Self.codes.contains($0.code) }, "\(answer)", sourceLocation: location)
        #expect(errors.allSatisfy { $0.message?.isEmpty == false }, "\(answer)", sourceLocation: location)
        if let code { #expect(errors.contains { $0.code == code }, "\(answer)", sourceLocation: location) }
    }
}
