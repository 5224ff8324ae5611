import Linux
import TestSupport
import Testing

/// `strata registry …` as a person uses it, with the real clients.
struct RegistryCommandTests {
    /// A served registry, ended with SIGTERM.
    private func serve<Result>(
        _ strata: StrataProcess, _ flags: [String] = [], _ body: (_ authority: String) async throws -> Result
    ) async throws -> Result {
        let (server, authority) = try await start(strata, flags)
        let result = try await body(authority)
        server.signal(15)
        let end = try server.finish()
        #expect(end.status == 0 && end.errorOutput.contains("stopped"), "\(end)")
        return result
    }

    private func start(_ strata: StrataProcess, _ flags: [String] = []) async throws -> (RunningProcess, String) {
        let port = try freePort()
        let server = try strata.start(["registry", "serve", "--listen", "127.0.0.1:\(port)"] + flags)
        let deadline = ContinuousClock.now + .seconds(60)
        while !server.output.contains("http") {
            if ContinuousClock.now > deadline {
                throw StrataProcess.Failure(description: "the registry does not serve: \(server.errorOutput)")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        return (server, "127.0.0.1:\(port)")
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
        let (server, first) = try await start(strata)
        _ = try await shell("skopeo copy -q --dest-tls-verify=false oci:image:v1 docker://\(first)/a:v1", strata)
        let second = try strata.run("registry", "serve", "--listen", "127.0.0.1:0")
        #expect(second.status == 1 && second.errorOutput.contains("another server uses"), "\(second)")
        server.signal(9)
        _ = try server.finish()
        try await serve(strata) { authority in
            let digest = try await shell(
                "skopeo inspect --tls-verify=false --format '{{.Digest}}' docker://\(authority)/a:v1", strata)
            #expect(digest.hasPrefix("sha256:"))
        }
    }
}
