import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Makes a `RegistryError` of whatever the network stack throws.
enum TransportFailure {
    static func classify(_ error: any Error, method: HTTPMethod, address: WebAddress) -> any Error {
        if error is CancellationError || error is RegistryError { return error }
        if Task.isCancelled || error as? HTTPClientError == .cancelled { return CancellationError() }
        var result = RegistryError(
            .unreachable, "\(error)", method: method.rawValue, url: address.redacted, isTransient: true)
        switch error {
        case let failure as ConnectionWatch.Failure:
            switch failure {
            case .stalled(let seconds):
                result.code = .stalled
                result.message = "no byte came for \(seconds) s"
            case .headTooLarge:
                result.code = .invalidAnswer
                result.message = "the answer's header is too large"
                result.isTransient = false
            }
        case let failure as HTTPClientError:
            result.message = words(for: failure)
            result.code =
                failure == .connectTimeout || failure == .getConnectionFromPoolTimeout ? .unreachable : .unavailable
            if failure == .alreadyShutdown { result.isTransient = false }
            if failure == .tlsHandshakeTimeout { result.code = .tlsFailure }
            if failure == .proxyAuthenticationRequired {
                result.code = .configuration
                result.isTransient = false
                result.hint = "set HTTPS_PROXY to http://USER:PASSWORD@HOST:PORT"
            }
        case let failure as NIOSSLError:
            tls(failure, address: address, into: &result)
        case let failure as BoringSSLError:
            result.code = .tlsFailure
            result.isTransient = false
            result.message = "TLS failed: \(RegistryError.clean("\(failure)", limit: 300))"
        case is NIOSSLExtraError:
            result.code = .tlsFailure
            result.isTransient = false
            result.message = "tls: failed to verify certificate: it is not for `\(address.origin.host)`"
            result.hint = certificateHint(address)
        case let failure as NIOConnectionError:
            connection(failure, host: address.origin.host, into: &result)
        case let failure as IOError:
            result.message = "\(failure)"
            result.code = .unavailable
            if failure.errnoCode == connectionRefused {
                result.code = .unreachable
                result.message = refusal(address.origin.host, address.origin.port)
            }
        case let failure as HTTPParserError:
            if case .invalidEOFState = failure {
                result.code = .unavailable
                result.message = "the server closed the connection"
            } else {
                result.code = .invalidAnswer
                result.message = "the answer is not HTTP, or its header is too large"
                result.isTransient = false
            }
        case is ChannelError:
            result.code = .unavailable
            result.message = "the connection was closed"
        default: break
        }
        return result
    }

    private static let connectionRefused: Int32 = 111

    private static func refusal(_ host: String, _ port: Int) -> String {
        "dial tcp \(host):\(port): connect: connection refused"
    }

    private static func words(for error: HTTPClientError) -> String {
        if error == .remoteConnectionClosed { return "the server closed the connection" }
        if error == .connectTimeout { return "no connection within the time limit" }
        if error == .proxyAuthenticationRequired { return "it wants a user's name and password" }
        if error == .invalidProxyResponse { return "it does not let the connection through" }
        if error == .bodyLengthMismatch { return "the body had another length than announced" }
        return error.shortDescription
    }

    private static func tls(_ error: NIOSSLError, address: WebAddress, into result: inout RegistryError) {
        switch error {
        case .handshakeFailed(let cause):
            result.code = .tlsFailure
            result.isTransient = false
            let text = RegistryError.clean("\(cause)", limit: 300)
            if text.contains("CERTIFICATE_VERIFY_FAILED") {
                result.message = "tls: failed to verify certificate: it is expired, or signed by an unknown authority"
                result.hint = certificateHint(address)
            } else if text.contains("WRONG_VERSION_NUMBER") || text.contains("HTTP_REQUEST") {
                result.message = "http: server gave HTTP response to HTTPS client"
            } else {
                result.message = "TLS handshake failed: \(text)"
            }
        case .uncleanShutdown:
            result.code = .unavailable
            result.message = "the server closed the connection"
        default:
            result.code = .tlsFailure
            result.isTransient = false
            result.message = "TLS failed: \(RegistryError.clean("\(error)", limit: 300))"
        }
    }

    static func certificateHint(_ address: WebAddress) -> String {
        "put the authority's certificate into /etc/docker/certs.d/\(address.origin.authority)/ca.crt"
    }

    private static func connection(_ error: NIOConnectionError, host: String, into result: inout RegistryError) {
        if error.connectionErrors.isEmpty, error.dnsAError != nil || error.dnsAAAAError != nil {
            result.message = "lookup \(host): no such host"
            return
        }
        let causes = error.connectionErrors.map { failure -> String in
            if let io = failure.error as? IOError {
                return io.errnoCode == connectionRefused ? "connection refused" : io.description
            }
            return "\(failure.error)"
        }
        result.message = "dial tcp \(host):\(error.port): connect: \(causes.first ?? "no address")"
    }
}
