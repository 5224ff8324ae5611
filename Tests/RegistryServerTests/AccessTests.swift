import RegistryServer
import Testing

struct PasswordHashTests {
    @Test func aPasswordMatchesItsOwnHashOnly() throws {
        let hash = try PasswordHash(of: "correct horse")
        #expect(hash.encoded.hasPrefix("$y$"))
        #expect(hash.matches("correct horse"))
        #expect(!hash.matches("correct horsf"))
        #expect(!hash.matches(""))
        #expect(try PasswordHash(of: "correct horse") != hash)
        #expect(!"\(hash)".contains(hash.encoded))
    }

    @Test func htpasswdsBcryptVerifies() throws {
        let hash = try PasswordHash(encoded: "$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a")
        #expect(hash.matches("secret"))
        #expect(!hash.matches("wrong"))
    }

    @Test(arguments: [("", PasswordError.empty), (String(repeating: "x", count: 501), .tooLong), ("a\0b", .holdsZero)])
    func refuses(_ password: String, _ expected: PasswordError) {
        #expect(throws: expected) { _ = try PasswordHash(of: password) }
    }

    @Test(arguments: ["$1$salt$abc", "abJnggxhB/yWI", "plain", ""])
    func weakHashesAreRefused(_ text: String) {
        #expect(throws: PasswordError.weakHash) { _ = try PasswordHash(encoded: text) }
    }
}

struct AccessPolicyTests {
    @Test(arguments: [
        ("team-a/*", "team-a/app", true), ("team-a/*", "team-a/x/app", false), ("team-a/**", "team-a/x/app", true),
        ("team-a/*", "team-a", false), ("**", "a/b/c", true), ("*", "a", true), ("*", "a/b", false),
        ("team-*/app", "team-b/app", true), ("team-*/app", "team-b/c/app", false), ("a*b*c", "abbc", true),
        ("a*b*c", "abb", false), ("exact", "exact", true), ("exact", "exactly", false), ("**/app", "x/y/app", true),
        ("*a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaab", false),
    ])
    func patterns(_ pattern: String, _ name: String, _ expected: Bool) throws {
        #expect(try RepositoryPattern(pattern).matches(name) == expected)
    }

    @Test(arguments: ["", "/a", "a/", "a//b", "A", "a b", "a***", String(repeating: "a", count: 256)])
    func badPatterns(_ text: String) {
        #expect(throws: AccessRuleError.self) { _ = try RepositoryPattern(text) }
    }

    @Test func rulesAdd() throws {
        let policy = AccessPolicy(rules: [
            AccessRule(subject: .anonymous, pattern: try RepositoryPattern("public/*"), actions: [.pull]),
            AccessRule(subject: .group("dev"), pattern: try RepositoryPattern("team/**"), actions: [.push]),
            AccessRule(subject: .user("ann"), pattern: try RepositoryPattern("team/app"), actions: [.delete]),
            AccessRule(subject: .robot("ann"), pattern: try RepositoryPattern("robots/*"), actions: [.admin]),
        ])
        let ann = Principal(kind: .user, name: "ann", groups: ["dev"])
        #expect(policy.actions(of: .anonymous, on: "public/x") == [.pull])
        #expect(policy.actions(of: .anonymous, on: "team/app") == [])
        #expect(policy.actions(of: ann, on: "team/app") == [.pull, .push, .delete])
        #expect(policy.actions(of: ann, on: "team/other") == [.pull, .push])
        // A robot of a user's name is somebody else.
        #expect(policy.actions(of: ann, on: "robots/x") == [])
        #expect(
            policy.actions(of: Principal(kind: .robot, name: "ann"), on: "robots/x") == Set(RepositoryAction.allCases))
        let root = Principal(kind: .user, name: "root", isAdministrator: true)
        #expect(policy.actions(of: root, on: "anything") == Set(RepositoryAction.allCases))
    }
}

struct TokenSignerTests {
    private let signer = TokenSigner()
    private let claims = TokenSigner.Claims(
        issuer: "registry", subject: "ann", audience: "registry:5000", issuedAt: 1000, lifetime: 300, identifier: "1",
        access: [.init(name: "team/app", actions: ["pull", "push"])])

    @Test func aTokenComesBack() throws {
        let token = try signer.sign(claims)
        #expect(try signer.verify(token, audience: "registry:5000", now: 1100) == claims)
        let kept = try TokenSigner(storedKey: signer.storedKey)
        #expect(try kept.verify(token, audience: "registry:5000", now: 1100) == claims)
        #expect(kept.keyIdentifier == signer.keyIdentifier)
    }

    @Test func aTokenIsForOneServiceAndATime() throws {
        let token = try signer.sign(claims)
        #expect(throws: TokenError.audience("registry:5000")) { try signer.verify(token, audience: "other", now: 1100) }
        #expect(throws: TokenError.expired) { try signer.verify(token, audience: "registry:5000", now: 1300) }
        #expect(throws: TokenError.notYetValid) { try signer.verify(token, audience: "registry:5000", now: 900) }
    }

    @Test func forgeriesAreRefused() throws {
        let token = try signer.sign(claims)
        let parts = token.split(separator: ".").map(String.init)
        let other = try TokenSigner().sign(claims)
        #expect(throws: TokenError.signature) { try signer.verify(other, audience: "registry:5000", now: 1100) }
        let none = Base64URL.encode(Array(#"{"alg":"none"}"#.utf8))
        for forged in ["\(none).\(parts[1]).", "\(none).\(parts[1]).\(parts[2])", parts[0], "", "a.b.c", "\(token).x"] {
            #expect(throws: TokenError.self) { try signer.verify(forged, audience: "registry:5000", now: 1100) }
        }
        // Every byte of the token counts.
        for index in token.utf8.indices where index < token.utf8.endIndex {
            var changed = Array(token.utf8)
            let position = token.utf8.distance(from: token.utf8.startIndex, to: index)
            changed[position] = changed[position] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
            let text = String(decoding: changed, as: UTF8.self)
            #expect(throws: TokenError.self) { try signer.verify(text, audience: "registry:5000", now: 1100) }
        }
    }

    @Test(arguments: [([], ""), ([0], "AA"), ([255, 254], "__4"), ([1, 2, 3], "AQID")])
    func base64(_ bytes: [UInt8], _ text: String) {
        #expect(Base64URL.encode(bytes) == text)
        #expect(Base64URL.decode(text) == bytes)
    }

    @Test(arguments: ["A", "AB", "A=", "A+", "AAAAA"])
    func badBase64(_ text: String) { #expect(Base64URL.decode(text) == nil) }
}
