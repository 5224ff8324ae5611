import Containers
import Linux
import OCI

extension Command {
    private static let details = Flag.bool("details", nil, "Show extra details provided to logs")
    private static let follow = Flag.bool("follow", "f", "Follow log output")
    private static let since = Flag.string(
        "since", nil,
        "Show logs since timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 minutes)")
    private static let until = Flag.string(
        "until", nil,
        "Show logs before a timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 minutes)")
    private static let tail = Flag.string(
        "tail", "n", "Number of lines to show from the end of the logs (default \"all\")")
    private static let timestamps = Flag.bool("timestamps", "t", "Show timestamps")

    static let containerLogs = Command(
        "logs", "CONTAINER", "Fetch the logs of a container", shortForms: ["logs"],
        flags: [details.spec, follow.spec, since.spec, tail.spec, timestamps.spec, until.spec], count: .exactly(1),
        completes: .containers
    ) { call in
        var request = LogRequest()
        request.since = try call[since].map { try moment($0, "since") }
        request.until = try call[until].map { try moment($0, "until") }
        // What is no number, or a negative one, is all, as in docker.
        request.tail = call[tail].flatMap { Int($0) }.flatMap { $0 < 0 ? nil : $0 }
        request.follow = call[follow]
        let (name, wanted, showsTime) = (call.arguments[0], request, call[timestamps])
        try await call.session.containers().perform { service in
            let id = try service.find(name)
            let isTerminal = try service.info(id).record.config.tty == true
            try service.logs(id, wanted) { entry in
                let time = showsTime ? Array("\(Timestamp.text(entry.time, allDigits: true)) ".utf8) : []
                do {
                    try writeAll(time + entry.text, to: entry.stream == .stderr && !isTerminal ? 2 : 1)
                    return true
                } catch let error as SystemError {
                    // Nobody reads on: `logs | head`.
                    if error.errno == 32 /* EPIPE */ { return false }
                    throw error
                }
            }
        }
        return 0
    }

    private static func moment(_ text: String, _ flag: String) throws -> Int64 {
        do { return try Moment.parse(text) } catch {
            throw ContainerError(.invalid, "invalid value for \"\(flag)\": \(error.message)", hint: error.hint)
        }
    }
}
