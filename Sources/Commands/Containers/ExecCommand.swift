import Containers

extension Command {
    static let containerExec = Command(
        "exec", "CONTAINER COMMAND [ARG...]", "Execute a command in a running container", shortForms: ["exec"],
        flags: [
            .bool("detach", "d", "Detached mode: run command in the background"),
            .string("detach-keys", nil, "Override the key sequence for detaching a container"),
            .list("env", "e", "Set environment variables"),
            .list("env-file", nil, "Read in a file of environment variables"),
            .bool("interactive", "i", "Keep STDIN open even if not attached"),
            .bool("privileged", nil, "Give extended privileges to the command"),
            .bool("tty", "t", "Allocate a pseudo-TTY"),
            .string("user", "u", "Username or UID (format: \"<name|uid>[:<group|gid>]\")"),
            .string("workdir", "w", "Working directory inside the container"),
        ],
        count: .atLeast(2), completes: .runningContainers, endsFlagsAtFirstArgument: true
    ) { call in
        do { return try await exec(call) } catch let error as ContainerError {
            call.console.report(error)
            return error.exitCode == 125 ? 1 : error.exitCode
        }
    }

    private static func exec(_ call: Call) async throws -> Int32 {
        let flags = FlagValues(call)
        let name = call.arguments[0]
        var request = ExecRequest(Array(call.arguments.dropFirst()))
        request.user = flags.text("user")
        request.environment = try EnvironmentFile.entries(
            files: flags.list("env-file"), flags: flags.list("env"), environment: call.session.settings.environment)
        request.workingDirectory = flags.isSet("workdir") ? flags.text("workdir") : nil
        request.hasTerminal = flags.isOn("tty")
        request.hasStdin = flags.isOn("interactive")
        request.privileged = flags.isOn("privileged")
        let wanted = request
        let containers = try call.session.containers()
        if flags.isOn("detach") {
            try await containers.perform { service in try service.execDetached(try service.find(name), wanted) }
            return 0
        }
        try ClientStreams.checkTerminal(input: request.hasStdin, hasTerminal: request.hasTerminal)
        let keys = flags.isSet("detach-keys") ? flags.text("detach-keys") : nil
        return try await containers.perform { service in
            let id = try service.find(name)
            var request = wanted
            if request.hasTerminal { request.consoleSize = ClientStreams.window.map { ($0.rows, $0.columns) } }
            // As docker: signals are for us; whoever has a terminal types them.
            let client = try ClientStreams(
                input: request.hasStdin, output: true, errorOutput: true, hasTerminal: request.hasTerminal,
                proxiesSignals: false, detachKeys: keys)
            var session: StartedExec?
            let code = try service.exec(
                id, request, client.attachment, onStart: { session = $0 },
                onWake: {
                    try client.deliver(
                        .init(
                            resize: { try session?.attachment.resize(columns: $0, rows: $1) }, signal: { _ in }))
                })
            return code ?? 0
        }
    }
}
