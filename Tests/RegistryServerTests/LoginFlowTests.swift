import Linux
import RegistryServer
import TestSupport
import Testing

/// What people see who log in with docker, podman and skopeo, and push and pull then: the right status and message, whether
/// it works or not, over the token flow and over Basic alone. No daemon runs: docker's CLI logs in by itself then.
struct LoginFlowTests {
    private let root = AccessControl.Manager(name: "root")

    enum Client: String, Sendable, CaseIterable {
        case docker, podman, skopeo

        /// The command with the flags that every use needs.
        var command: String {
            switch self {
            // A socket that nobody listens on: a daemon of this machine must not answer in our place.
            case .docker: "DOCKER_HOST=unix://$HOME/none.sock docker"
            case .podman: "podman --root $HOME/storage --runroot $HOME/runroot --storage-driver vfs"
            case .skopeo: "skopeo"
            }
        }

        /// 127.0.0.1 is insecure for docker by itself.
        var insecure: String { self == .docker ? "" : "--tls-verify=false" }

        /// The status of a command that failed.
        var failure: Int { self == .podman ? 125 : 1 }
    }

    enum Case: String, Sendable, CaseIterable {
        case right, robot, wrong, unknown, disabled, expired, throttled
    }

    /// What a client says, by the way the registry asks.
    private static func message(_ client: Client, _ login: Case, basic: Bool) -> String {
        switch (client, login) {
        case (.docker, .right), (.docker, .robot): "Login Succeeded"
        case (_, .right), (_, .robot): "Login Succeeded!"
        // docker shows no body of /v2/; podman and skopeo none of a refused login.
        case (.docker, .throttled) where basic: "failed with status: 429 Too Many Requests"
        case (.docker, _) where basic: "failed with status: 401 Unauthorized"
        case (.docker, .wrong), (.docker, .unknown): "unauthorized: wrong user name or password"
        case (.docker, .expired): "unauthorized: the secret of `old` has expired: make a new one"
        case (.docker, .disabled): "unauthorized: the account `eve` is disabled"
        case (.docker, .throttled): "toomanyrequests: too many wrong passwords: try again in 1 second"
        case (_, .throttled): "too many requests to registry"
        default: "invalid username/password"
        }
    }

    /// A registry with accounts of every kind, and a clock that stands still.
    private func run(_ basic: Bool, _ body: (TestRegistry, _ robot: String, _ old: String) async throws -> Void)
        async throws
    {
        let clock = TestClock()
        try await TestRegistry.run(clock: clock) {
            $0.authentication = basic ? .basic : .token
        } _: { registry in
            let access = registry.access
            try await access.addUser("ann", password: "ann's secret", isAdministrator: true, by: root)
            for name in ["bob", "eve"] {
                try await access.addUser(name, password: name, isAdministrator: false, by: root)
            }
            try await access.setUser("eve", isAdministrator: nil, isDisabled: true, by: root)
            let robot = try await access.addRobot("ci", lifetime: .seconds(3600), by: root)
            let old = try await access.addRobot("old", lifetime: .seconds(1), by: root)
            clock.advance(2000)
            try await access.grant(
                AccessRule(subject: .robot("ci"), pattern: RepositoryPattern("team/*"), actions: [.pull]), by: root)
            try await body(registry, robot, old)
        }
    }

    /// Runs a script with a home of its own; what it prints anywhere is its output.
    private func shell(_ script: String, home: String) async throws -> String {
        try await onThread(named: "shell") {
            try runShell(
                """
                mkdir -p .docker && export HOME='\(home)' DOCKER_CONFIG='\(home)/.docker' REGISTRY_AUTH_FILE='\(home)/auth.json'
                exec 2>&1 </dev/null
                \(script)
                """, in: home)
        }
    }

    /// Logs in; ends with a line of the exit status.
    private func login(_ client: Client, _ authority: String, _ name: String, _ password: String, home: String)
        async throws -> String
    {
        try await shell(
            """
            printf %s "\(password)" >secret
            \(client.command) login \(client.insecure) -u \(name) --password-stdin \(authority) <secret; echo "status $?"
            """, home: home)
    }

    @Test(arguments: Client.allCases, [false, true])
    func statusAndMessageOfALogin(_ client: Client, _ basic: Bool) async throws {
        try await run(basic) { registry, robot, old in
            let home = registry.directory.path
            for login in Case.allCases {
                // podman and skopeo try again by themselves where /v2/ itself says 429; the clock of this test stands still.
                if login == .throttled, basic, client != .docker { continue }
                let (name, password) =
                    switch login {
                    case .right: ("ann", "ann's secret")
                    case .robot: ("ci", robot)
                    case .wrong: ("ann", "wrong")
                    case .unknown: ("nobody", "secret")
                    case .disabled: ("eve", "eve")
                    case .expired: ("old", old)
                    case .throttled: ("bob", "bob")
                    }
                if login == .throttled {
                    let guesser = registry.client("bob", "guess")
                    for _ in 0..<5 { #expect(try await guesser.send("GET", "/v2/").status == 401) }
                }
                let output = try await self.login(client, registry.authority, name, password, home: home)
                let succeeds = login == .right || login == .robot
                #expect(output.hasSuffix("status \(succeeds ? 0 : client.failure)\n"), "\(login): \(output)")
                #expect(output.contains(Self.message(client, login, basic: basic)), "\(login): \(output)")
                #expect(!output.contains("panic") && !output.contains("500"), "\(login): \(output)")
            }
        }
    }

    /// Many guesses at once are throttled as many after each other are.
    @Test func guessesAtOnceCountTogether() async throws {
        try await run(true) { registry, _, _ in
            let guesser = registry.client("bob", "guess")
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<24 { group.addTask { try await guesser.send("GET", "/v2/").status } }
                return try await group.reduce(into: [Int]()) { $0.append($1) }
            }
            // Two are checked at a time, so that one more than five may be under way when the fifth fails.
            #expect(
                statuses.filter { $0 == 401 }.count <= 6 && statuses.allSatisfy { $0 == 401 || $0 == 429 },
                "\(statuses)")
            let answer = try await registry.client("bob", "bob").send("GET", "/v2/")
            #expect(answer.status == 429 && answer["Retry-After"] != nil, "\(answer)")
        }
    }

    /// docker's CLI without a daemon: it reads, makes and pushes manifest lists by itself, with the login it keeps.
    @Test(arguments: [false, true]) func dockersManifestsWithItsLogin(_ basic: Bool) async throws {
        try await run(basic) { registry, robot, _ in
            let home = registry.directory.path
            let authority = registry.authority
            try await makeImages(registry)
            let docker = Client.docker.command
            #expect(try await login(.docker, authority, "ci", robot, home: home).hasSuffix("status 0\n"))
            let pulled = try await shell(
                """
                \(docker) manifest inspect --insecure \(authority)/team/app:a || exit 3
                \(docker) manifest inspect --insecure \(authority)/private/app:a; echo "status $?"
                \(docker) manifest inspect --insecure \(authority)/team/app:none; echo "status $?"
                \(docker) manifest create --insecure \(authority)/team/app:all \(authority)/team/app:a \(authority)/team/app:b &&
                    \(docker) manifest push --insecure \(authority)/team/app:all; echo "status $?"
                """, home: home)
            #expect(pulled.contains("application/vnd.docker.container.image.v1+json"), "\(pulled)")
            #expect(pulled.contains("`ci` may not pull `private/app`"), "\(pulled)")
            #expect(pulled.contains("no such manifest: \(authority)/team/app:none"), "\(pulled)")
            #expect(pulled.contains("`ci` may not push `team/app`"), "\(pulled)")
            #expect(pulled.split(separator: "\n").filter { $0 == "status 1" }.count == 3, "\(pulled)")
            // Whoever may push pushes the list, and what it lists is mounted from where it is.
            #expect(try await login(.docker, authority, "ann", "ann's secret", home: home).hasSuffix("status 0\n"))
            let pushed = try await shell(
                """
                \(docker) manifest create --insecure --amend \(authority)/team/all:v1 \(authority)/team/app:a \(authority)/team/app:b || exit 3
                \(docker) manifest push --purge --insecure \(authority)/team/all:v1 || exit 4
                \(docker) logout \(authority) || exit 5
                \(docker) manifest inspect --insecure \(authority)/team/all:v1; echo "status $?"
                """, home: home)
            #expect(pushed.hasSuffix("status 1\n"), "\(pushed)")
            let list = try await registry.client("ann", "ann's secret").send("GET", "/v2/team/all/manifests/v1")
            #expect(list["Content-Type"] == "application/vnd.docker.distribution.manifest.list.v2+json", "\(list)")
        }
    }

    /// Without the right for a repository: refused by name, with the client's status for failures.
    @Test(arguments: [Client.podman, .skopeo], [false, true])
    func withoutTheRight(_ client: Client, _ basic: Bool) async throws {
        try await run(basic) { registry, robot, _ in
            let home = registry.directory.path
            let authority = registry.authority
            try await makeImages(registry)
            #expect(try await login(client, authority, "ci", robot, home: home).hasSuffix("status 0\n"))
            func pull(_ name: String) -> String {
                client == .podman
                    ? "\(client.command) pull -q --tls-verify=false \(authority)/\(name)"
                    : "skopeo inspect --tls-verify=false docker://\(authority)/\(name)"
            }
            let push =
                client == .podman
                ? "\(client.command) push -q --tls-verify=false \(authority)/team/app:a \(authority)/team/app:c"
                : "skopeo copy -q --dest-tls-verify=false oci:image:a docker://\(authority)/team/app:c"
            let output = try await shell(
                """
                \(pull("team/app:a")) || exit 3
                \(pull("private/app:a")); echo "status $?"
                \(push); echo "status $?"
                \(client.command) logout \(authority) >/dev/null || exit 4
                \(pull("team/app:b")); echo "status $?"
                \(client == .podman ? "\(client.command) rmi -af >/dev/null" : ":")
                """, home: home)
            #expect(output.contains("denied: `ci` may not pull `private/app`"), "\(output)")
            #expect(output.contains("denied: `ci` may not push `team/app`"), "\(output)")
            #expect(
                output.contains(basic ? "authentication required" : "log in to pull `team/app`")
                    || output.contains("unauthorized"), "\(output)")
            #expect(output.split(separator: "\n").filter { $0 == "status \(client.failure)" }.count == 3, "\(output)")
            let tags = try await registry.client("ann", "ann's secret").send("GET", "/v2/team/app/tags/list")
            #expect(tags.text == #"{"name":"team/app","tags":["a","b"]}"#)
        }
    }

    /// Two images of docker's schema2 in `team/app`, one in `private/app`.
    private func makeImages(_ registry: TestRegistry) async throws {
        let copy = "skopeo copy -q --format v2s2 --dest-tls-verify=false --dest-creds \"ann:ann's secret\""
        _ = try await shell(
            """
            umoci init --layout image || exit 1
            for name in a b; do
                umoci new --image image:$name && mkdir -p $name && echo $name >$name/file &&
                    umoci insert --rootless --image image:$name $name / &&
                    \(copy) oci:image:$name docker://\(registry.authority)/team/app:$name || exit 2
            done
            \(copy) oci:image:a docker://\(registry.authority)/private/app:a || exit 3
            """, home: registry.directory.path)
    }
}
