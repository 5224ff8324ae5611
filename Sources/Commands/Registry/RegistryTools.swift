import Linux
import RegistryServer

/// What the registry commands share: they open the registry's own directory, whether a server runs or not.
enum RegistryFlags {
    static let root = Flag.string(
        "root", nil, "Directory of the registry (default: `registry` in the store)", valueName: "dir")
    static let passwordStdin = Flag.bool("password-stdin", nil, "Take the password from stdin")
    static let plan = Flag.bool("plan", nil, "Only show what would be done, and why")
    static let limit = Flag.int("limit", "n", "Show at most so many")
    static let expires = Flag.parsed(
        "expires", nil, "How long the secret works: 90d, 12h (default: for ever)", valueName: "duration"
    ) {
        try RegistryWords.duration($0)
    }
    static let listing = [root.spec, ImageFlags.format.spec, ImageFlags.json.spec]
}

enum RegistryWords {
    /// `90d`, `12h`, `30m`, `45s`.
    static func duration(_ text: String) throws -> Duration {
        let units: [Character: Int64] = ["d": 86_400, "h": 3600, "m": 60, "s": 1]
        guard let unit = text.last.flatMap({ units[$0] }), let number = Int64(text.dropLast()),
            (1...100_000_000).contains(number)
        else { throw FlagProblem("want a number with d, h, m or s") }
        return .seconds(number * unit)
    }

    /// `500MB`, `20GiB`, `1.5TB`, or bytes.
    static func bytes(_ text: String) throws -> Int64 {
        guard let bytes = ByteCount.parse(text) else {
            throw UsageWords(description: "\(text) is no size: want a number with kB, MB, GB, TB, KiB, MiB, GiB or TiB")
        }
        return bytes
    }

    static func pattern(_ text: String) throws -> RepositoryPattern { try RepositoryPattern(text) }

    static func repository(_ text: String) throws -> RepositoryName { try RepositoryName(parsing: text) }
}

/// An opened registry and who works on it.
struct RegistryTools: Sendable {
    let registry: Registry
    let access: AccessControl
    /// The user of this machine, for history and audit.
    let manager: AccessControl.Manager
}

extension Call {
    var registryRoot: String {
        guard let given = self[RegistryFlags.root] else { return session.settings.root + "/registry" }
        return given.hasPrefix("/") ? given : workingDirectory() + "/" + given
    }

    /// Opens the registry for a command.
    func withRegistry<Result>(_ body: (RegistryTools) async throws -> Result) async throws -> Result {
        let environment = session.settings.environment
        let user =
            environment["SUDO_USER"] ?? environment["USER"] ?? environment["LOGNAME"] ?? "uid \(effectiveUserID())"
        let registry = try Registry(root: registryRoot)
        let tools = RegistryTools(
            registry: registry, access: AccessControl(registry.database, now: registry.now),
            manager: .init(name: user))
        let result: Result
        do { result = try await body(tools) } catch {
            try? registry.database.close()
            throw error
        }
        try registry.database.close()
        return result
    }

    /// A new password: from standard input, or asked for twice.
    func newPassword() throws -> String {
        if self[RegistryFlags.passwordStdin] { return try wholeInput() }
        guard let first = console.ask("New password: ", hidden: true), !first.isEmpty else {
            throw UsageWords(description: "no password was given: type one, or use --password-stdin")
        }
        if console.ask("Again: ", hidden: true) != first { throw UsageWords(description: "the two passwords differ") }
        return first
    }

    /// Writes rows as a table, as JSON or by a template.
    func show(_ headers: [Listing.Header], _ rows: [[Value]]) throws {
        let values = rows.map { row in
            Value.record("registry", zip(headers, row).map { .always($0.0.field, $0.1) })
        }
        let standard = headers.map { "{{.\($0.field)}}" }.joined(separator: "\t")
        console.write(try Listing(headers, standard: standard).text(values, format: format))
    }

    /// `yes` or nothing, for tables; a boolean for everything else.
    func mark(_ isSet: Bool) -> Value { format == nil ? .string(isSet ? "yes" : "") : .bool(isSet) }

    /// A time of milliseconds since 1970.
    func time(_ milliseconds: Int64?) -> Value { .string(milliseconds.map { Times.rfc3339($0 / 1000) } ?? "") }

    /// Bytes: readable in a table, a number for everything else.
    func size(_ bytes: Int64) -> Value { format == nil ? .string(Units.size(bytes)) : .int(bytes) }

    func list(_ texts: [String]) -> Value {
        format == nil ? .string(texts.joined(separator: ",")) : .strings(texts)
    }
}
