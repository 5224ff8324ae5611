import Crypto
import Synchronization

/// Remembers whose signature was right, so that a client that sends one token with hundreds of requests costs one check of
/// it. Times and rights are looked at each time. Kept are hashes: nothing here can be used as a token.
final class VerifiedTokens: Sendable {
    private static let limit = 4096

    private let claims = Mutex<[SHA256Digest: TokenSigner.Claims]>([:])

    /// - Parameter verify: checks a token that is not known yet.
    func claims(
        of token: String, verify: (String) throws(TokenError) -> TokenSigner.Claims
    ) throws(TokenError) -> TokenSigner.Claims {
        var text = token
        let key = text.withUTF8 { bytes in
            var hasher = SHA256()
            unsafe hasher.update(bufferPointer: UnsafeRawBufferPointer(bytes))
            return hasher.finalize()
        }
        if let known = claims.withLock({ $0[key] }) { return known }
        let new = try verify(token)
        claims.withLock { claims in
            if claims.count >= Self.limit { claims.removeAll() }
            claims[key] = new
        }
        return new
    }
}
