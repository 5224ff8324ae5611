import Crypto
import Synchronization

/// The SHA-256 of a random secret, as it is stored: who reads the database cannot use it.
enum SecretHash {
    static func of(_ secret: String) -> String { Base64URL.encode(Array(SHA256.hash(data: Array(secret.utf8)))) }
}

/// Remembers which passwords were right, so that a client with Basic credentials does not cost a password hash each request.
///
/// Kept are HMACs under a key of this process, beside the stored hash that was matched: where that changes, nothing is left.
final class CredentialCache: Sendable {
    private struct Entry {
        var stored: String
        var until: ContinuousClock.Instant
    }

    private static let lifetime = Duration.seconds(300)
    private static let limit = 4096

    private let key = SymmetricKey(size: .bits256)
    private let entries = Mutex<[String: Entry]>([:])

    private func code(_ name: String, _ password: String) -> String {
        Base64URL.encode(
            Array(HMAC<SHA256>.authenticationCode(for: Array("\(name.utf8.count):\(name)\(password)".utf8), using: key))
        )
    }

    func contains(_ name: String, _ password: String, stored: String) -> Bool {
        let code = code(name, password)
        return entries.withLock { entries in
            guard let entry = entries[code] else { return false }
            if entry.stored == stored, entry.until > .now { return true }
            entries[code] = nil
            return false
        }
    }

    func insert(_ name: String, _ password: String, stored: String) {
        let code = code(name, password)
        entries.withLock { entries in
            if entries.count >= Self.limit { entries.removeAll() }
            entries[code] = Entry(stored: stored, until: .now + Self.lifetime)
        }
    }
}
