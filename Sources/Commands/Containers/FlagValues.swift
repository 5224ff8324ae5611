import Containers

/// The flags of a command by name: containers have a hundred of them, most of which go into one value.
struct FlagValues: Sendable {
    private let values: [String: [String]]

    init(_ call: Call) { values = call.values }
    init(_ values: [String: [String]]) { self.values = values }

    var isEmpty: Bool { values.isEmpty }
    func isSet(_ name: String) -> Bool { values[name] != nil }
    func list(_ name: String) -> [String] { values[name] ?? [] }
    /// The last text given; empty where none was.
    func text(_ name: String) -> String { values[name]?.last ?? "" }

    func isOn(_ name: String, default on: Bool = false) -> Bool {
        guard let text = values[name]?.last else { return on }
        return ["1", "t", "true"].contains(text.lowercased())
    }

    /// 0 where it was not given.
    func number(_ name: String) throws -> Int64 {
        guard let text = values[name]?.last else { return 0 }
        guard let number = Int64(text) else { throw invalid(name, text, "invalid syntax") }
        return number
    }

    /// 0 where it was not given.
    func bytes(_ name: String) throws -> Int64 {
        guard let text = values[name]?.last else { return 0 }
        guard let bytes = ByteSize.parse(text) else { throw invalid(name, text, "invalid size: '\(text)'") }
        return bytes
    }

    /// Nanoseconds; 0 where it was not given.
    func duration(_ name: String) throws -> Int64 {
        guard let text = values[name]?.last else { return 0 }
        guard let duration = GoDuration.parse(text) else {
            throw invalid(name, text, "time: invalid duration \(GoFormat.quoted(text))")
        }
        return duration
    }

    private func invalid(_ name: String, _ text: String, _ why: String) -> ContainerError {
        ContainerError(.invalid, "invalid argument \(GoFormat.quoted(text)) for \"--\(name)\" flag: \(why)")
    }
}

/// Short names for tables of flags.
extension FlagSpec {
    static func bool(_ name: String, _ short: Character? = nil, _ help: String, default on: Bool = false) -> FlagSpec {
        Flag.bool(name, short, help, default: on).spec
    }

    static func string(
        _ name: String, _ short: Character? = nil, _ help: String, _ valueName: String = "string"
    ) -> FlagSpec {
        Flag.string(name, short, help, valueName: valueName).spec
    }

    static func list(
        _ name: String, _ short: Character? = nil, _ help: String, _ valueName: String = "list"
    ) -> FlagSpec {
        Flag.list(name, short, help, valueName: valueName).spec
    }

    static func int(_ name: String, _ short: Character? = nil, _ help: String, _ valueName: String = "int") -> FlagSpec
    {
        Flag.int(name, short, help, valueName: valueName).spec
    }

    /// A size with a unit; `-1` where docker takes it.
    static func bytes(_ name: String, _ short: Character? = nil, _ help: String) -> FlagSpec {
        let flag: Flag<Int64?> = .parsed(name, short, help, valueName: "bytes") { text in
            if name == "memory-swap", text == "-1" { return -1 }
            guard let bytes = ByteSize.parse(text) else { throw FlagProblem("invalid size: '\(text)'") }
            return bytes
        }
        return flag.spec
    }

    static func duration(_ name: String, _ help: String) -> FlagSpec {
        let flag: Flag<Int64?> = .parsed(name, nil, help, valueName: "duration") { text in
            guard let duration = GoDuration.parse(text) else {
                throw FlagProblem("time: invalid duration \(GoFormat.quoted(text))")
            }
            return duration
        }
        return flag.spec
    }

    var hidden: FlagSpec {
        var flag = self
        flag.isHidden = true
        return flag
    }
}
