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
        let showsDetails = call[details]
        try await call.session.containers().perform { service in
            let id = try service.find(name)
            let record = try service.info(id).record
            let isTerminal = record.config.tty == true
            let details = showsDetails ? Array((Self.details(of: record) + " ").utf8) : []
            try service.logs(id, wanted) { entry in
                let time = showsTime ? Array("\(Timestamp.text(entry.time, allDigits: true)) ".utf8) : []
                do {
                    try writeAll(time + details + entry.text, to: entry.stream == .stderr && !isTerminal ? 2 : 1)
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

    /// What the log options `labels`, `env` and `tag` ask to be told with each line: `key=value`, sorted, for a query.
    private static func details(of record: ContainerRecord) -> String {
        let options = record.hostConfig.logConfig.config
        func wanted(_ option: String) -> [String] { (options[option] ?? "").split(separator: ",").map(String.init) }
        var found: [String: String] = [:]
        for label in wanted("labels") { found[label] = record.config.labels?[label] }
        let environment = (record.config.env ?? []).map { ContainerSettings.pair($0) }
        for name in wanted("env") { found[name] = environment.last { $0.key == name }?.value }
        found["tag"] = options["tag"]
        return found.sorted { $0.key < $1.key }.map { "\(escaped($0.key))=\(escaped($0.value))" }.joined(separator: ",")
    }

    /// As in the query of an address, where a space is a plus.
    private static func escaped(_ text: String) -> String {
        text.percentEncoded.split(separator: "%20", omittingEmptySubsequences: false).joined(separator: "+")
    }

    private static func moment(_ text: String, _ flag: String) throws -> Int64 {
        do { return try Moment.parse(text) } catch {
            throw ContainerError(.invalid, "invalid value for \"\(flag)\": \(error.message)", hint: error.hint)
        }
    }
}
