import NIOCore
import NIOHTTP1
import OCI
import Synchronization

/// Speaks to endpoints: chooses the scheme, adds authorization, answers challenges.
final class Requester: Sendable {
    struct Call: Sendable {
        enum Target: Sendable {
            /// Below `/v2/<repository>/`.
            case path(String, query: [(String, String)] = [])
            /// What a `Location` header named.
            case address(WebAddress)
        }

        var method: HTTPMethod
        var target: Target
        var headers: HTTPHeaders = [:]
        var body: Transport.Body = .none
        var action: Scope.Action = .pull
        /// Repositories of the same registry that are only read, for a cross-repository mount.
        var alsoPull: [String] = []
    }

    let configuration: RegistryConfiguration
    let rules: RegistryRules
    let transport: Transport
    let authenticator: Authenticator
    /// The scheme that an insecure registry turned out to speak.
    private let schemes = Mutex<[String: WebAddress.Scheme]>([:])

    init(configuration: RegistryConfiguration) {
        self.configuration = configuration
        rules = RegistryRules(configuration: configuration)
        transport = Transport(
            configuration: configuration, trust: TrustStore(directories: configuration.certsDirectories, rules: rules))
        authenticator = Authenticator(transport: transport, configuration: configuration)
    }

    /// Sends a call, answering challenges. Any final answer is returned, failures too.
    func send(_ call: Call, to endpoint: Endpoint) async throws -> Answer {
        let answer = try await sendAuthorized(call, to: endpoint)
        // The registry refuses what it might have allowed to the user whose credential could not be read.
        if answer.status == 401 || answer.status == 403,
            let failure = authenticator.credentialFailure(for: endpoint.registry)
        {
            throw failure
        }
        return answer
    }

    private func sendAuthorized(_ call: Call, to endpoint: Endpoint) async throws -> Answer {
        if case .address(let address) = call.target { return try await send(call, to: endpoint, address: address) }
        let scheme = try await scheme(of: endpoint)
        return try await send(call, to: endpoint, address: address(of: call, at: endpoint, scheme: scheme))
    }

    /// Sends a call with this authorization or none, whatever is known of the registry.
    func sendPlain(_ call: Call, to endpoint: Endpoint, authorization: Secret? = nil) async throws -> Answer {
        let address = try address(of: call, at: endpoint, scheme: try await scheme(of: endpoint))
        return try await transport.send(
            Transport.Request(
                method: call.method, address: address, headers: call.headers, authorization: authorization))
    }

    private func address(of call: Call, at endpoint: Endpoint, scheme: WebAddress.Scheme) throws -> WebAddress {
        guard case .path(let path, let query) = call.target,
            let origin = WebAddress.origin(scheme, authority: endpoint.authority)
        else { throw RegistryError(.configuration, "`\(endpoint.authority)` is no registry's host name") }
        let repository = endpoint.repository.isEmpty ? "" : "\(endpoint.repository)/"
        let base = WebAddress(origin: origin, path: "/v2/\(repository)\(path)")
        return query.isEmpty ? base : base.adding(query)
    }

    /// https, except where an insecure registry does not speak it: docker's rule is https first, then http. A port of this
    /// machine that answers http as a registry does is taken at its word: setting TLS up in vain is a tenth of a small pull.
    private func scheme(of endpoint: Endpoint) async throws -> WebAddress.Scheme {
        guard endpoint.isInsecure else { return .https }
        if let known = schemes.withLock({ $0[endpoint.authority] }) { return known }
        if endpoint.isLocalPort, let answer = try? await ping(endpoint, .http),
            answer.address.origin.scheme == .http, 200..<300 ~= answer.status || [401, 429].contains(answer.status)
        {
            schemes.withLock { $0[endpoint.authority] = .http }
            return .http
        }
        var refusal: any Error = CancellationError()
        for scheme in [WebAddress.Scheme.https, .http] {
            do {
                guard try await ping(endpoint, scheme) != nil else { break }
                schemes.withLock { $0[endpoint.authority] = scheme }
                return scheme
            } catch let error as RegistryError {
                if Self.isNobodyThere(error) { throw error }
                refusal = error
            }
        }
        throw refusal
    }

    /// Asks for the API's root.
    ///
    /// - Returns: nil where the endpoint's name is none.
    private func ping(_ endpoint: Endpoint, _ scheme: WebAddress.Scheme) async throws -> Answer? {
        guard let origin = WebAddress.origin(scheme, authority: endpoint.authority) else { return nil }
        let answer = try await transport.send(
            Transport.Request(method: .GET, address: WebAddress(origin: origin, path: "/v2/")))
        try await answer.drain()
        return answer
    }

    /// Then nobody is there with the other scheme either. The next try asks again.
    private static func isNobodyThere(_ error: RegistryError) -> Bool {
        error.code == .unreachable || error.code == .stalled
    }

    private func send(_ call: Call, to endpoint: Endpoint, address: WebAddress) async throws -> Answer {
        var scopes = [Scope(repository: endpoint.repository, action: call.action)]
        scopes += call.alsoPull.map { Scope(repository: $0, action: .pull) }
        // An upload location on another host is a store of the registry's with a signed URL: no credentials for it.
        let isOwn =
            address.origin.authority == endpoint.authority.lowercased()
            || WebAddress.origin(address.origin.scheme, authority: endpoint.authority) == address.origin
        var request = Transport.Request(method: call.method, address: address, headers: call.headers, body: call.body)
        guard isOwn else { return try await transport.send(request) }

        request.authorization = try await authenticator.authorization(
            at: address.origin, registry: endpoint.registry, scopes: scopes)
        var answer = try await transport.send(request)
        for _ in 0..<2 where answer.status == 401 && answer.address.origin == address.origin {
            answer = try await answer.buffered()
            let authorization = try await authenticator.answer(
                answer, origin: address.origin, registry: endpoint.registry, scopes: scopes,
                rejected: request.authorization)
            guard let authorization, authorization != request.authorization else { return answer }
            // An upload's body is read once: its sender tries again, with the new token.
            if case .stream = call.body { return answer }
            request.authorization = authorization
            answer = try await transport.send(request)
        }
        return answer
    }
}
