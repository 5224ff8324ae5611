import CCrypt

/// A password as it is stored: hashed with yescrypt (libxcrypt's default) under a random salt.
///
/// Hashes of the older kinds that libxcrypt knows (bcrypt, as `htpasswd -B` writes) verify too, so that users of another
/// registry can be brought along. Hashing takes tens of milliseconds by design: never call it on the cooperative pool.
package struct PasswordHash: Sendable, Hashable, CustomStringConvertible {
    /// The longest password, in bytes; libxcrypt takes 512 with the final zero.
    package static let longestPassword = 500

    /// The hash in crypt(5) form.
    package let encoded: String

    /// Takes a stored hash.
    ///
    /// - Throws: `PasswordError.weakHash` for the kinds that can be searched through (DES, MD5, NTLM).
    package init(encoded: String) throws(PasswordError) {
        let strong = ["$y$", "$gy$", "$7$", "$2b$", "$2y$", "$2a$", "$6$", "$5$"]
        guard encoded.utf8.count < 384, strong.contains(where: encoded.hasPrefix) else { throw .weakHash }
        self.encoded = encoded
    }

    /// Hashes a password.
    package init(of password: String) throws(PasswordError) {
        try Self.check(password)
        // Null asks for libxcrypt's best kind, and for salt from the kernel.
        var setting = [CChar](repeating: 0, count: 192)
        let made = unsafe crypt_gensalt_rn("$y$", 0, nil, 0, &setting, Int32(setting.count))
        guard unsafe made != nil, let hash = Self.crypt(password, setting) else { throw .failed }
        encoded = hash
    }

    /// Whether a password has this hash; compared in constant time.
    package func matches(_ password: String) -> Bool {
        guard (try? Self.check(password)) != nil else { return false }
        let setting = encoded.utf8CString
        guard let hash = Self.crypt(password, Array(setting)) else { return false }
        let left = Array(hash.utf8)
        let right = Array(encoded.utf8)
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }

    /// Never the hash: what is logged by mistake must not help anybody.
    package var description: String { "PasswordHash(…)" }

    private static func check(_ password: String) throws(PasswordError) {
        let bytes = password.utf8
        if bytes.isEmpty { throw .empty }
        if bytes.count > longestPassword { throw .tooLong }
        // crypt(3) would stop there and take every password that begins alike.
        if bytes.contains(0) { throw .holdsZero }
    }

    private static func crypt(_ password: String, _ setting: [CChar]) -> String? {
        // 32 KiB of working state: on the heap, and gone with the call.
        let state = UnsafeMutablePointer<crypt_data>.allocate(capacity: 1)
        defer { unsafe state.deallocate() }
        unsafe state.initialize(to: crypt_data())
        guard let result = unsafe crypt_r(password, setting, state) else { return nil }
        let hash = unsafe String(cString: result)
        // A failure is told by a text that begins with `*`.
        return hash.hasPrefix("*") ? nil : hash
    }
}

/// Why a password or a stored hash is refused.
package enum PasswordError: Error, Sendable, Equatable, CustomStringConvertible {
    case empty
    case tooLong
    case holdsZero
    case weakHash
    case failed

    package var description: String {
        switch self {
        case .empty: "the password is empty"
        case .tooLong: "the password is longer than \(PasswordHash.longestPassword) bytes"
        case .holdsZero: "the password holds a zero byte"
        case .weakHash:
            "the stored password hash is of a weak or unknown kind: want yescrypt, scrypt, bcrypt or SHA-crypt"
        case .failed: "the password could not be hashed"
        }
    }
}
