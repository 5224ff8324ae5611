import Linux
import TestSupport
import Testing

/// `strata registry …` as a person uses it, with the real clients.
struct RegistryCommandTests {
    /// A served registry, ended with SIGTERM.
    private func serve(
        _ strata: StrataProcess, _ flags: [String] = [], _ body: (_ authority: String) async throws -> Void
    ) async throws {
        let served = try await ServedRegistry.start(strata, flags)
        try await body(served.authority)
        try served.stop()
    }

    private func shell(_ script: String, _ strata: StrataProcess) async throws -> String {
        let path = strata.directory.path
        return try await onThread(named: "shell") {
            try runShell("export HOME='\(path)/home' REGISTRY_AUTH_FILE='\(path)/auth.json'; \(script)", in: path)
        }
    }

    private let image = """
        umoci init --layout image >/dev/null 2>&1 && umoci new --image image:v1 >/dev/null 2>&1 && mkdir -p files &&
        echo hello > files/file && umoci insert --rootless --image image:v1 files / >/dev/null 2>&1
        """

    @Test func fromNothingToAPrivateRegistry() async throws {
        let strata = try StrataProcess()
        _ = try await shell(image, strata)
        try await serve(strata) { authority in
            _ = try await shell(
                "skopeo copy -q --dest-tls-verify=false oci:image:v1 docker://\(authority)/team/app:v1", strata)
            // An account made while it serves closes it for everybody else.
            try strata.succeed(
                "registry", "user", "add", "ann", "--admin", "--password-stdin", input: Array("secret\n".utf8))
            let refused = try await shell(
                """
                for attempt in $(seq 100); do
                    skopeo copy -q --dest-tls-verify=false oci:image:v1 docker://\(authority)/team/app:v2 >/dev/null 2>&1 || break
                done
                skopeo copy -q --dest-tls-verify=false oci:image:v1 docker://\(authority)/team/app:v2 2>&1 && exit 1
                skopeo login --tls-verify=false -u ann -p secret \(authority) 2>&1 || exit 2
                skopeo copy -q --dest-tls-verify=false oci:image:v1 docker://\(authority)/team/app:v2 2>&1
                """, strata)
            #expect(refused.contains("Login Succeeded"))
            let secret = try strata.succeed("registry", "robot", "add", "ci", "--expires", "1d").dropLast()
            try strata.succeed("registry", "access", "grant", "robot:ci", "team/*", "push,delete")
            _ = try await shell(
                "skopeo login --tls-verify=false -u ci -p '\(secret)' \(authority) && skopeo delete --tls-verify=false docker://\(authority)/team/app:v2",
                strata)
            // `skopeo delete` deletes the manifest, with every tag that names it; both come back.
            let restored = try strata.succeed("registry", "tag", "restore", "team/app", "v2")
            #expect(restored.hasPrefix("sha256:"))
            let history = try strata.succeed("registry", "history", "--json", "team/app")
            #expect(history.split(separator: "\n").count == 5 && history.contains(#""By":"ci""#), "\(history)")
            let rules = try strata.succeed("registry", "access", "ls")
            #expect(rules.contains("robot:ci") && rules.contains("push,delete"))
            let space = try strata.succeed("registry", "space", "team/app")
            #expect(space.contains("v2") && space.contains("FREED BY REMOVAL"))
            let events = try strata.succeed("registry", "events", "--format", "{{.Kind}} {{.Tag}}")
            #expect(events.contains("tag.created v1\n") && events.contains("manifest.deleted"))
            let audit = try strata.succeed("registry", "audit", "--format", "{{.Action}}")
            #expect(audit.contains("user.add") && audit.contains("robot.add") && audit.contains("login"))
            #expect(try strata.succeed("registry", "check").contains("Everything is as it must be"))
        }
    }

    @Test func policiesAndTheirPreviews() async throws {
        let strata = try StrataProcess()
        _ = try await shell(image, strata)
        try await serve(strata) { authority in
            for tag in ["n1", "n2", "v1"] {
                _ = try await shell(
                    "skopeo copy -q --dest-tls-verify=false oci:image:v1 docker://\(authority)/a:\(tag)", strata)
            }
            try strata.succeed("registry", "immutable", "add", "**", "v*")
            try strata.succeed("registry", "retention", "set", "**", "n*: newest 0", "v*: newest 0")
            let preview = try strata.succeed(
                "registry", "retention", "preview", "--format", "{{.Tag}} {{.Keeps}} {{.Reason}}")
            #expect(
                preview.contains("v1 true immutable") && preview.contains("n1 false") && preview.contains("n2 false"),
                "\(preview)")
            let run = try strata.succeed("registry", "retention", "run", "--format", "{{.Tag}}")
            #expect(Set(run.split(separator: "\n")) == ["n1", "n2"])
            try strata.succeed("registry", "quota", "set", "**", "1GB")
            #expect(try strata.succeed("registry", "quota", "ls").contains("1GB"))
            let plan = try strata.succeed("registry", "gc", "--plan", "--grace", "1s")
            #expect(plan.contains("Would free"))
            let secret = try strata.succeed(
                "registry", "webhook", "add", "deploy", "http://127.0.0.1:1/", "--kind", "tag.moved")
            let hooks = try strata.succeed("registry", "webhook", "ls")
            #expect(secret.count > 40 && hooks.contains("deploy") && !hooks.contains(secret))
            try strata.succeed("registry", "webhook", "rm", "deploy")
        }
    }

    /// Several tags change together where all is as expected, and their history is verified far from the registry.
    @Test func tagsMoveTogetherAndTheirHistoryIsVerifiedElsewhere() async throws {
        let strata = try StrataProcess()
        _ = try await shell(image, strata)
        try await serve(strata) { authority in
            _ = try await shell(
                """
                skopeo copy -q --dest-tls-verify=false oci:image:v1 docker://\(authority)/app:blue
                umoci config --image image:v1 --config.label next=yes
                skopeo copy -q --dest-tls-verify=false oci:image:v1 docker://\(authority)/app:green
                """, strata)
            let lines = try strata.succeed("registry", "history", "app", "--format", "{{.Tag}} {{.Digest}}")
                .split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
            let (blue, green) = (lines[0][1], lines[1][1])
            try strata.succeed(
                "registry", "tag", "move", "app", "live=\(green)", "previous=\(blue)", "blue=", "--expect",
                "live=absent",
                "--expect", "blue=\(blue)", "--expect", "blue=present")
            // One expectation that fails keeps all of them from moving.
            let refused = try strata.run(
                "registry", "tag", "move", "app", "live=\(blue)", "green=", "--expect", "live=\(blue)")
            #expect(refused.status == 1 && refused.errorOutput.contains("names \(green)"), "\(refused)")
            let stray = try strata.run("registry", "tag", "move", "app", "live=\(blue)", "--expect", "x=absent")
            #expect(stray.status == 1 && stray.errorOutput.contains("not among the tags to move"), "\(stray)")
            #expect(
                try await shell("curl -fsS http://\(authority)/v2/app/tags/list", strata)
                    == #"{"name":"app","tags":["green","live","previous"]}"#)
            let table = try strata.succeed("registry", "history", "app", "--format", "{{.Sequence}} {{.Hash}}")
            let hashes = table.split(separator: "\n").map { String($0.split(separator: " ")[1]) }
            #expect(hashes.count == 5)

            // The export, and the same from the API, verify on a machine that has no registry.
            let document = try strata.succeed("registry", "history", "app", "--export")
            #expect(
                try await shell("curl -fsS 'http://\(authority)/api/v1/history?repository=app'", strata) + "\n"
                    == document)
            let elsewhere = try StrataProcess()
            func verify(_ text: String, _ flags: String...) throws -> StrataProcess.Result {
                try writeFile(text, "\(elsewhere.directory.path)/cwd/history.json")
                return try elsewhere.run(["registry", "history", "--verify", "history.json"] + flags)
            }
            #expect(try verify(document).status == 0)
            #expect(try verify(document, "--head", hashes[2]).output.contains("previous"))
            let short = try verify(document, "--head", "sha256:\(String(repeating: "0", count: 64))")
            #expect(short.status == 1 && short.errorOutput.contains("no entry has the hash"), "\(short)")
            for (old, new) in [
                (#""by":"""#, #""by":"mallory""#), (#""tag":"blue""#, #""tag":"b1ue""#), (blue, green),
                (#""sequence":2"#, #""sequence":3"#), (hashes[4], hashes[3]),
            ] {
                let changed = try verify(document.replacing(old, with: new))
                #expect(changed.status == 1 && changed.errorOutput.contains("was changed"), "\(old): \(changed)")
            }
            #expect(try verify("{}").errorOutput.contains("no tag history"))
        }
    }

    private func writeFile(_ text: String, _ path: String) throws {
        _ = try runShell("cat > '\(path)' <<'END'\n\(text)\nEND")
    }

    @Test(arguments: [
        (["registry", "user", "add", "Ann", "--password-stdin"], "`Ann` is no name"),
        (["registry", "user", "rm", "nobody"], "there is no user `nobody`"),
        (["registry", "access", "grant", "ann", "**", "pull"], "want user:NAME"),
        (["registry", "access", "grant", "user:ann", "A//B", "pull"], "no repository pattern"),
        (["registry", "retention", "set", "**", "v*: some"], "is no retention rule"),
        (["registry", "quota", "set", "**", "lots"], "is no size"),
        (["registry", "serve", "--listen", "0.0.0.0:0"], "make an account first"),
        (["registry", "serve", "--tls-cert", "x"], "go together"),
        (["registry", "serve", "--config", "/nonexistent"], "/nonexistent"),
        (["registry", "history", "none"], "repository `none` not found"),
        (["registry", "user", "frob"], "Commands:"),
    ])
    func whatCannotBeIsSaid(_ words: [String], _ expected: String) throws {
        let result = try StrataProcess().run(words, input: Array("secret".utf8))
        #expect(result.status != 0 && (result.output + result.errorOutput).contains(expected), "\(result)")
    }

    @Test func helpTellsEveryCommand() throws {
        let strata = try StrataProcess()
        let help = try strata.succeed("registry", "--help")
        for name in ["serve", "check", "gc", "user add", "robot renew", "access grant", "webhook replay", "tag move"] {
            #expect(help.contains("  \(name) "), "\(name)")
        }
        #expect(try strata.succeed("registry", "user").contains("passwd"))
        #expect(
            try strata.succeed("registry", "user", "add", "--help").contains("strata registry user add [OPTIONS] NAME"))
    }

    /// Killed without a word and started again: nothing acknowledged is lost, and another server is kept out meanwhile.
    @Test func aSecondServerIsKeptOutAndAKilledOneComesBack() async throws {
        let strata = try StrataProcess()
        _ = try await shell(image, strata)
        let first = try await ServedRegistry.start(strata)
        _ = try await shell(
            "skopeo copy -q --dest-tls-verify=false oci:image:v1 docker://\(first.authority)/a:v1", strata)
        let second = try strata.run("registry", "serve", "--listen", "127.0.0.1:0")
        #expect(second.status == 1 && second.errorOutput.contains("another server uses"), "\(second)")
        first.process.signal(9)
        _ = try first.process.finish()
        try await serve(strata) { authority in
            let digest = try await shell(
                "skopeo inspect --tls-verify=false --format '{{.Digest}}' docker://\(authority)/a:v1", strata)
            #expect(digest.hasPrefix("sha256:"))
        }
    }
}
