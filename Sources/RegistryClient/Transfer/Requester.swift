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
    let transport: Transport
    let authenticator: Authenticator
    /// The scheme that an insecure registry turned out to speak.
    private let schemes = Mutex<[String: WebAddress.Scheme]>([:])

    init(configuration: RegistryConfiguration) {
        self.configuration = configuration
        transport = Transport(configuration: configuration)
        authenticator = Authenticator(transport: transport, configuration: configuration)
    }

    /// Sends a call, answering challenges. Any final answer is returned, failures too.
    func send(_ call: Call, to endpoint: Endpoint) async throws -> Answer {
        if case .address(let address) = call.target { return try await send(call, to: endpoint, address: address) }
        guard endpoint.isInsecure else { return try await send(call, to: endpoint, scheme: .https) }
        if let known = schemes.withLock({ $0[endpoint.authority] }) {
            do { return try await send(call, to: endpoint, scheme: known) } catch let error as RegistryError
                where error.code == .unreachable || error.code == .tlsFailure
            {
                // The registry may have come back with the other scheme.
                schemes.withLock { $0[endpoint.authority] = nil }
                throw error
            }
        }
        // docker's rule for insecure registries: https first, then http.
        do {
            return try await settle(.https, call, endpoint)
        } catch let error as RegistryError where [.unreachable, .tlsFailure, .unavailable].contains(error.code) {
            if error.status != nil { throw error }
            return try await settle(.http, call, endpoint)
        }
    }

    private func settle(_ scheme: WebAddress.Scheme, _ call: Call, _ endpoint: Endpoint) async throws -> Answer {
        // A body that is read once cannot be sent twice: the probe goes ahead of it.
        var probe = call
        if case .stream = call.body { probe = Call(method: .GET, target: .path("")) }
        let answer = try await send(probe, to: endpoint, scheme: scheme)
        schemes.withLock { $0[endpoint.authority] = scheme }
        guard case .stream = call.body else { return answer }
        return try await send(call, to: endpoint, scheme: scheme)
    }

    private func send(_ call: Call, to endpoint: Endpoint, scheme: WebAddress.Scheme) async throws -> Answer {
        guard case .path(let path, let query) = call.target,
            let origin = WebAddress.origin(scheme, authority: endpoint.authority)
        else { throw RegistryError(.configuration, "`\(endpoint.authority)` is no registry host") }
        let base = WebAddress(origin: origin, path: "/v2/\(endpoint.repository)/\(path)")
        return try await send(call, to: endpoint, address: query.isEmpty ? base : base.adding(query))
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
            if case .stream = call.body { return answer }
            let authorization = try await authenticator.answer(
                answer, origin: address.origin, registry: endpoint.registry, scopes: scopes, rejected: request.authorization)
            guard let authorization, authorization != request.authorization else { return answer }
            request.authorization = authorization
            answer = try await transport.send(request)
        }
        return answer
    }
}
