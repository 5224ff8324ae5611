import Containers
import OCI

private let detachKeys = Flag.string(
    "detach-keys", nil, "Override the key sequence for detaching a container")

extension Command {
    private static let attach = Flag.bool("attach", "a", "Attach STDOUT/STDERR and forward signals")
    private static let interactive = Flag.bool("interactive", "i", "Attach container's STDIN")

    static let containerStart = Command(
        "start", "CONTAINER [CONTAINER...]", "Start one or more stopped containers", shortForms: ["start"],
        flags: [attach.spec, interactive.spec, detachKeys.spec], count: .atLeast(1), completes: .containers
    ) { call in
        let console = call.console
        guard call[attach] || call[interactive] else {
            return try await call.forEachContainer(call.arguments) { service, id in
                for warning in try service.start(id).warnings { console.warn(warning) }
                return nil
            }
        }
        guard call.arguments.count == 1, let name = call.arguments.first else {
            throw UsageWords(description: "you cannot start and attach multiple containers at once")
        }
        let (wantsInput, keys) = (call[interactive], call[detachKeys])
        do {
            return try await call.session.containers().perform { service in
                let id = try service.find(name)
                let info = try service.info(id)
                let line = try ClientLine(
                    service, info, input: wantsInput && info.record.config.openStdin == true, proxies: true, keys)
                if info.status.isActive { return try line.follow() }
                return try line.run { for warning in $0 { console.warn(warning) } }
            }
        } catch let error as ContainerError {
            console.report(error)
            return error.exitCode == 125 ? 1 : error.exitCode
        }
    }

    private static let noInput = Flag.bool("no-stdin", nil, "Do not attach STDIN")
    private static let signalProxy = Flag.bool(
        "sig-proxy", nil, "Proxy all received signals to the process", default: true)

    static let containerAttach = Command(
        "attach", "CONTAINER", "Attach local standard input, output, and error streams to a running container",
        shortForms: ["attach"], flags: [detachKeys.spec, noInput.spec, signalProxy.spec], count: .exactly(1),
        completes: .runningContainers
    ) { call in
        let name = call.arguments[0]
        let (wantsInput, proxies, keys) = (!call[noInput], call[signalProxy], call[detachKeys])
        return try await call.session.containers().perform { service in
            let info = try service.info(try service.find(name))
            let input = wantsInput && info.record.config.openStdin == true
            try ClientStreams.checkTerminal(input: input, hasTerminal: info.record.config.tty == true)
            return try ClientLine(service, info, input: input, proxies: proxies, keys).follow()
        }
    }
}

/// A person's line to a container that is there already.
private struct ClientLine {
    private let service: ContainerService
    private let info: ContainerInfo
    private let client: ClientStreams
    private var id: ContainerID { info.record.id }

    init(_ service: ContainerService, _ info: ContainerInfo, input: Bool, proxies: Bool, _ keys: String?) throws {
        self.service = service
        self.info = info
        client = try ClientStreams(
            input: input, output: true, errorOutput: true, hasTerminal: info.record.config.tty == true,
            proxiesSignals: proxies, detachKeys: keys)
    }

    /// - Returns: the exit code; 0 where the person detached.
    func follow() throws -> Int32 {
        let code = try service.follow(
            id, client.attachment,
            onStart: { line in
                if let window = resizes { try? line.resize(columns: window.columns, rows: window.rows) }
            },
            onWake: { _ in try deliver() })
        return code ?? 0
    }

    /// - Parameter onStart: takes warnings.
    func run(onStart: ([String]) -> Void) throws -> Int32 {
        let code = try service.runAttached(
            id, client.attachment,
            onStart: { started in
                onStart(started.warnings)
                if let window = resizes { try? service.resize(id, columns: window.columns, rows: window.rows) }
            },
            onWake: deliver)
        return code ?? 0
    }

    private var resizes: (rows: Int, columns: Int)? { info.record.config.tty == true ? ClientStreams.window : nil }

    private func deliver() throws {
        try client.deliver(
            .init(
                resize: { try service.resize(id, columns: $0, rows: $1) },
                signal: { try service.kill(id, signal: $0) }))
    }
}
