import Crypto

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Signs and verifies the registry's bearer tokens: JSON Web Tokens under ES256 (RFC 7515, RFC 7518 §3.4, RFC 7519), with the
/// claims of distribution's token specification.
package struct TokenSigner: Sendable {
    /// One repository and what may be done to it.
    package struct Access: Sendable, Hashable, Codable {
        package var type: String
        package var name: String
        package var actions: [String]

        package init(type: String = "repository", name: String, actions: [String]) {
            self.type = type
            self.name = name
            self.actions = actions
        }
    }

    /// What a token says. Times are seconds since 1970.
    package struct Claims: Sendable, Hashable, Codable {
        package var iss: String
        package var sub: String
        package var aud: String
        package var exp: Int64
        package var nbf: Int64
        package var iat: Int64
        package var jti: String
        package var access: [Access]

        package init(
            issuer: String, subject: String, audience: String, issuedAt: Int64, lifetime: Int64, identifier: String,
            access: [Access]
        ) {
            iss = issuer
            sub = subject
            aud = audience
            iat = issuedAt
            // A little slack for clocks that differ, as every verifier needs it.
            nbf = issuedAt - 5
            exp = issuedAt + lifetime
            jti = identifier
            self.access = access
        }
    }

    private struct Header: Codable {
        var alg: String
        var typ: String?
        var kid: String?
    }

    private let key: P256.Signing.PrivateKey
    /// Names the key: the first digits of the SHA-256 of its public half.
    package let keyIdentifier: String

    /// Makes a new key.
    package init() { self.init(P256.Signing.PrivateKey()) }

    /// Takes a key that was stored by `storedKey`.
    ///
    /// - Throws: `TokenError.malformed` where the bytes are no P-256 key.
    package init(storedKey: [UInt8]) throws(TokenError) {
        do { self.init(try P256.Signing.PrivateKey(rawRepresentation: storedKey)) } catch { throw .malformed("key") }
    }

    private init(_ key: P256.Signing.PrivateKey) {
        self.key = key
        let hash = SHA256.hash(data: key.publicKey.x963Representation)
        keyIdentifier = hash.prefix(8).map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }

    /// The secret half, to be kept in a file that only the server reads.
    package var storedKey: [UInt8] { Array(key.rawRepresentation) }

    /// Signs claims.
    package func sign(_ claims: Claims) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let header = try encoder.encode(Header(alg: "ES256", typ: "JWT", kid: keyIdentifier))
        let body = "\(Base64URL.encode(Array(header))).\(Base64URL.encode(Array(try encoder.encode(claims))))"
        let signature = try key.signature(for: Array(body.utf8))
        return "\(body).\(Base64URL.encode(Array(signature.rawRepresentation)))"
    }

    /// Verifies a token of this signer.
    ///
    /// - Parameters:
    ///   - token: as it came.
    ///   - audience: the service it must be for.
    ///   - now: seconds since 1970.
    package func verify(_ token: String, audience: String, now: Int64) throws(TokenError) -> Claims {
        let claims = try claims(of: token)
        try claims.check(audience: audience, now: now)
        return claims
    }

    /// What a token of this signer says, whether or not it is still good.
    func claims(of token: String) throws(TokenError) -> Claims {
        guard token.utf8.count <= 16 << 10 else { throw .malformed("more than 16 KiB") }
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let header = Base64URL.decode(parts[0]), let payload = Base64URL.decode(parts[1]),
            let raw = Base64URL.decode(parts[2])
        else { throw .malformed("not three base64url parts") }
        // The algorithm is ours, whatever the token says: `none` and HMAC under a public key are old tricks.
        guard let head = try? JSONDecoder().decode(Header.self, from: Data(header)), head.alg == "ES256" else {
            throw .malformed("algorithm is not ES256")
        }
        guard let signature = try? P256.Signing.ECDSASignature(rawRepresentation: raw),
            key.publicKey.isValidSignature(signature, for: Array("\(parts[0]).\(parts[1])".utf8))
        else { throw .signature }
        guard let claims = try? JSONDecoder().decode(Claims.self, from: Data(payload)) else {
            throw .malformed("claims")
        }
        return claims
    }
}

extension TokenSigner.Claims {
    /// Refuses what is for another service or another time.
    func check(audience: String, now: Int64) throws(TokenError) {
        if aud != audience { throw .audience(aud) }
        if now >= exp { throw .expired }
        if now < nbf { throw .notYetValid }
    }
}

/// Why a token is refused.
package enum TokenError: Error, Sendable, Equatable, CustomStringConvertible {
    case malformed(String)
    case signature
    case audience(String)
    case expired
    case notYetValid

    package var description: String {
        switch self {
        case .malformed(let what): "malformed token: \(what)"
        case .signature: "the token's signature is not this registry's"
        case .audience(let name): "the token is for `\(name.prefix(100))`"
        case .expired: "the token has expired"
        case .notYetValid: "the token is not valid yet"
        }
    }
}

/// Base64 with the alphabet of URLs and without padding (RFC 4648 §5).
package enum Base64URL {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    package static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count * 4 + 2) / 3)
        var buffer: UInt32 = 0
        var bits = 0
        for byte in bytes {
            buffer = buffer << 8 | UInt32(byte)
            bits += 8
            while bits >= 6 {
                bits -= 6
                text.append(alphabet[Int(buffer >> UInt32(bits) & 63)])
            }
        }
        if bits > 0 { text.append(alphabet[Int(buffer << UInt32(6 - bits) & 63)]) }
        return String(decoding: text, as: UTF8.self)
    }

    /// The bytes; nil where a character is none of the alphabet, or the last one carries bits that belong to nothing.
    package static func decode(_ text: some StringProtocol) -> [UInt8]? {
        var bytes: [UInt8] = []
        var buffer: UInt32 = 0
        var bits = 0
        for character in text.utf8 {
            guard let value = alphabet.firstIndex(of: character) else { return nil }
            buffer = buffer << 6 | UInt32(value)
            bits += 6
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: buffer >> UInt32(bits)))
            }
        }
        guard bits < 6, buffer & (1 << UInt32(bits) - 1) == 0 else { return nil }
        return bytes
    }
}
