import Containers
import Content
import Images
import Linux
import OCI

extension Command {
    static let containerRun = Command(
        "run", "IMAGE [COMMAND] [ARG...]", "Create and run a new container from an image", shortForms: ["run"],
        flags: RunFlags.run, count: .atLeast(1), completes: .images, endsFlagsAtFirstArgument: true
    ) { call in
        do { return try await ContainerRun(call, verb: "run").run() } catch let error as UsageWords {
            call.console.complain(error.description)
            return 1
        } catch { return call.fail("run", error) }
    }

    static let containerCreate = Command(
        "create", "IMAGE [COMMAND] [ARG...]", "Create a new container", shortForms: ["create"],
        flags: RunFlags.create, count: .atLeast(1), completes: .images, endsFlagsAtFirstArgument: true
    ) { call in
        do {
            let id = try await ContainerRun(call, verb: "create").create()
            call.console.line(id.hex)
            return 0
        } catch {
            let code = call.fail("create", error)
            return code == 125 ? 1 : code
        }
    }
}

/// `run` and `create`: finds or pulls the image, makes the container, and runs it with the person's streams.
struct ContainerRun {
    private let call: Call
    private let flags: FlagValues
    private var settings: ContainerSettings
    private let image: String

    init(_ call: Call, verb: String) throws {
        self.call = call
        flags = FlagValues(call)
        image = call.arguments[0]
        settings = try ContainerSettings(
            flags, command: Array(call.arguments.dropFirst()), environment: call.session.settings.environment)
        if settings.config.tty == true, let window = ClientStreams.window {
            settings.host.consoleSize = [window.rows, window.columns]
        }
        guard ["", "always", "missing", "never"].contains(flags.text("pull")) else {
            throw ContainerError(
                .invalid,
                "invalid pull option: '\(flags.text("pull"))': must be one of \"always\", \"missing\" or \"never\"")
        }
        if verb == "run" {
            try ClientStreams.checkTerminal(
                input: settings.streams.attachStdin, hasTerminal: settings.config.tty == true)
        }
    }

    /// Makes the container.
    func create() async throws -> ContainerID {
        let cidFile = settings.host.containerIDFile
        if !cidFile.isEmpty, try FileStatus.ifExists(cidFile) != nil {
            throw ContainerError(
                .conflict,
                "container ID file found, make sure the other container isn't running or delete \(cidFile)")
        }
        let source = ImageSource(
            call: call, pull: flags.text("pull"), platform: flags.text("platform"),
            isQuiet: flags.isOn("quiet"))
        let found = try await source.find(image)
        // Until the container's own record keeps the image.
        defer { found.lease.release() }
        let settings = self.settings
        let name = flags.isSet("name") ? flags.text("name") : nil
        let (record, warnings) = try await call.session.containers().perform { service in
            var request = CreateRequest(
                image: found.name, imageID: found.id, layers: found.layers, platform: found.platform,
                imageConfig: found.config, overrides: settings.config, hostConfig: settings.host)
            request.name = name
            request.clearsEntrypoint = settings.clearsEntrypoint
            request.streams = settings.streams
            return try service.create(request)
        }
        for warning in settings.warnings + warnings { call.console.warn(warning) }
        if !cidFile.isEmpty {
            do { try writeAtomically(Array(record.id.hex.utf8), to: cidFile) } catch {
                try? await call.session.containers().perform { try $0.remove(record.id) }
                throw error
            }
        }
        return record.id
    }

    /// Makes the container and runs it.
    ///
    /// - Returns: the program's exit code; 0 for one that runs on.
    func run() async throws -> Int32 {
        let id = try await create()
        let containers = try call.session.containers()
        let console = call.console
        if flags.isOn("detach") {
            let started = try await containers.perform { try $0.start(id) }
            for warning in started.warnings { console.warn(warning) }
            console.line(id.hex)
            return 0
        }
        let streams = settings.streams
        let hasTerminal = settings.config.tty == true
        let proxies = flags.isOn("sig-proxy", default: true)
        let keys = flags.isSet("detach-keys") ? flags.text("detach-keys") : nil
        return try await containers.perform { service in
            let client = try ClientStreams(
                input: streams.attachStdin, output: streams.attachStdout, errorOutput: streams.attachStderr,
                hasTerminal: hasTerminal, proxiesSignals: proxies, detachKeys: keys)
            let code = try service.runAttached(
                id, client.attachment, onStart: { for warning in $0.warnings { console.warn(warning) } },
                onWake: {
                    try client.deliver(
                        .init(
                            resize: { try service.resize(id, columns: $0, rows: $1) },
                            signal: { try service.kill(id, signal: $0) }))
                })
            return code ?? 0
        }
    }
}
