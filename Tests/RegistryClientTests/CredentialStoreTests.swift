import Glibc
import RegistryClient
import TestSupport
import Testing

/// docker's config.json and credential helpers.
@Suite struct CredentialStoreTests {
    private func store(_ config: String?) throws -> (CredentialStore, TemporaryDirectory) {
        let directory = try TemporaryDirectory()
        if let config { try directory.write("config.json", Array(config.utf8)) }
        var store = CredentialStore(directory: directory.path)
        store.helperSearchPath = "/nowhere:\(directory.path)/bin"
        return (store, directory)
    }

    private static let password = Credential.basic(user: "me", secret: Secret("word"))

    struct Kept: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var registry: String
        var credential: Credential?

        init(_ config: String, _ registry: String, _ credential: Credential?) {
            (testDescription, self.registry, self.credential) = (config, registry, credential)
        }
    }

    @Test(arguments: [
        Kept(#"{"auths":{"a.test":{"auth":"bWU6d29yZA=="}}}"#, "a.test", password),
        Kept(#"{"auths":{"a.test":{"auth":"bWU6d29yZA=="}}}"#, "b.test", nil),
        Kept(#"{"auths":{"a.test:5000":{"auth":"bWU6d29yZA=="}}}"#, "a.test", nil),
        Kept(#"{"auths":{"https://a.test/v2/":{"auth":"bWU6d29yZA=="}}}"#, "a.test", password),
        Kept(#"{"auths":{"https://a.test/v1/anything":{"auth":"bWU6d29yZA=="}}}"#, "a.test", password),
        Kept(#"{"auths":{"https://index.docker.io/v1/":{"auth":"bWU6d29yZA=="}}}"#, "docker.io", password),
        Kept(#"{"auths":{"registry-1.docker.io":{"auth":"bWU6d29yZA=="}}}"#, "docker.io", password),
        // NULs behind, as docker once wrote.
        Kept(#"{"auths":{"a.test":{"auth":"bWU6d29yZAAA"}}}"#, "a.test", password),
        Kept(#"{"auths":{"a.test":{"auth":"bWU6OmE="}}}"#, "a.test", .basic(user: "me", secret: Secret(":a"))),
        Kept(#"{"auths":{"a.test":{"username":"me","password":"word"}}}"#, "a.test", password),
        Kept(
            #"{"auths":{"a.test":{"auth":"bWU6d29yZA==","identitytoken":"i"}}}"#, "a.test", .identityToken(Secret("i"))),
        Kept(#"{"auths":{"a.test":{"registrytoken":"r"}}}"#, "a.test", .registryToken(Secret("r"))),
        Kept(#"{"auths":{"a.test":{}}}"#, "a.test", nil), Kept(#"{"auths":{"a.test":null}}"#, "a.test", nil),
        Kept("{}", "a.test", nil), Kept("", "a.test", nil),
    ])
    func readsWhatDockerWrote(_ row: Kept) async throws {
        let (store, directory) = try store(row.testDescription)
        defer { directory.remove() }
        #expect(try await store.credential(for: row.registry) == row.credential)
    }

    @Test(arguments: [
        "[]", "{", "null", #"{"auths":{"a.test":{"auth":"%%%%"}}}"#, #"{"auths":{"a.test":{"auth":"bWU="}}}"#,
        #"{"credsStore":"../../bin/sh"}"#, #"{"credHelpers":{"a.test":"a/b"}}"#, #"{"credsStore":"not-installed"}"#,
        String(repeating: "[", count: 10_000),
    ])
    func saysWhatIsBroken(_ config: String) async throws {
        let (store, directory) = try store(config)
        defer { directory.remove() }
        let (outcome, error) = try await Outcome.of { _ = try await store.credential(for: "a.test") }
        #expect(outcome == .registry(.configuration))
        #expect(error?.hint != nil)
    }

    @Test func whatItDoesNotKnowStays() async throws {
        let (store, directory) = try store(#"{"psFormat":"table","auths":{"b.test":{"auth":"YTpi"}},"n":[1,2.5,null]}"#)
        defer { directory.remove() }
        #expect(try await store.save(Self.password, for: "docker.io") == .file("\(directory.path)/config.json"))
        let text = try runShell("cat config.json; stat -c %a config.json", in: directory.path)
        #expect(text.contains(#""https://index.docker.io/v1/" : {"#) && text.contains("bWU6d29yZA=="))
        #expect(text.contains(#""psFormat" : "table""#) && text.contains("2.5") && text.contains("null"))
        #expect(text.hasSuffix("600\n"))
        #expect(try await store.registries() == ["https://index.docker.io/v1/": "me", "b.test": "a"])
        #expect(try await store.erase("docker.io"))
        #expect(try await store.erase("docker.io") == false)
        #expect(try await store.registries() == ["b.test": "a"])
    }

    /// Keeps what it is given in files beside it, as docker's helpers' protocol has it.
    private static let helper = """
        #!/usr/bin/env python3
        import json, os, sys
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kept.json")
        kept = json.load(open(path)) if os.path.exists(path) else {}
        text = sys.stdin.read()
        if sys.argv[1] == "get":
            if text.strip() not in kept:
                sys.exit("credentials not found in native keychain")
            print(json.dumps(kept[text.strip()]))
        elif sys.argv[1] == "store":
            entry = json.loads(text)
            kept[entry["ServerURL"]] = entry
        elif sys.argv[1] == "erase":
            kept.pop(text.strip(), None)
        elif sys.argv[1] == "list":
            print(json.dumps({key: entry["Username"] for key, entry in kept.items()}))
        json.dump(kept, open(path, "w"))
        """

    @Test(arguments: [#"{"credsStore":"test"}"#, #"{"credHelpers":{"a.test":"test"},"credsStore":"not-installed"}"#])
    func aHelperKeepsThem(_ config: String) async throws {
        let (store, directory) = try store(config)
        defer { directory.remove() }
        try directory.write("bin/docker-credential-test", Array(Self.helper.utf8), mode: 0o755)
        #expect(try await store.credential(for: "a.test") == nil)
        #expect(try await store.save(Self.password, for: "a.test") == .helper("test"))
        #expect(try await store.credential(for: "a.test") == Self.password)
        // The file only notes that there is one.
        let text = try runShell("cat config.json", in: directory.path)
        #expect(text.contains(#""a.test""#) && !text.contains("bWU6d29yZA") && !text.contains("word"))
        _ = try await store.save(.identityToken(Secret("i")), for: "a.test")
        #expect(try await store.credential(for: "a.test") == .identityToken(Secret("i")))
        if !config.contains("not-installed") {
            let users = try await store.registries()
            #expect(users["a.test"] == "<token>")
        }
        #expect(try await store.erase("a.test"))
        #expect(try await store.credential(for: "a.test") == nil)
    }

    @Test(arguments: [
        "echo no; exit 1", "echo '{'", "echo '[]'", "head -c 3000000 /dev/zero", "kill -9 $$", "exit 3",
    ])
    func aBrokenHelperIsNamed(_ script: String) async throws {
        let (store, directory) = try store(#"{"credsStore":"bad"}"#)
        defer { directory.remove() }
        try directory.write("bin/docker-credential-bad", Array("#!/bin/sh\n\(script)\n".utf8), mode: 0o755)
        let (outcome, error) = try await Outcome.of { _ = try await store.credential(for: "a.test") }
        #expect(outcome == .registry(.configuration))
        #expect(error?.message.contains("docker-credential-bad") == true)
        #expect(error?.hint?.contains("credsStore") == true)
    }
}
