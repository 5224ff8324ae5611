/// What a flag looks like, for the parser, the help, the manual and the completions.
package struct FlagSpec: Sendable {
    package var name: String
    package var short: Character?
    package var help: String
    /// What the help calls the value; nil for a switch.
    package var valueName: String?
    /// What the help shows as the default; nil for none.
    package var shownDefault: String?
    package var isHidden = false
    /// The words that complete the value.
    package var choices: [String] = []
    /// Throws a `FlagProblem` for a text that is no value.
    let validate: @Sendable (String) throws -> Void

    var isSwitch: Bool { valueName == nil }

    /// As errors name it: `-q, --quiet`.
    var fullName: String { short.map { "-\($0), --\(name)" } ?? "--\(name)" }
}

/// Why a text is no value of a flag.
struct FlagProblem: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// A flag of a command and the type of its value. Reading it from a `Call` cannot fail: the parser refused what is no value.
package struct Flag<Value: Sendable>: Sendable {
    package var spec: FlagSpec
    let read: @Sendable ([String]) -> Value

    /// The same flag, not shown by the help.
    package var hidden: Flag {
        var flag = self
        flag.spec.isHidden = true
        return flag
    }
}

extension Flag where Value == Bool {
    /// A switch: `--name`, `--name=false`.
    package static func bool(_ name: String, _ short: Character? = nil, _ help: String, default on: Bool = false)
        -> Flag
    {
        Flag(
            spec: FlagSpec(
                name: name, short: short, help: help, shownDefault: on ? "true" : nil,
                validate: { _ = try goBool($0) }),
            read: { texts in texts.last.flatMap { try? goBool($0) } ?? on })
    }
}

extension Flag where Value == String? {
    /// A text; the last one given counts.
    package static func string(
        _ name: String, _ short: Character? = nil, _ help: String, valueName: String = "string",
        choices: [String] = []
    ) -> Flag {
        Flag(
            spec: FlagSpec(
                name: name, short: short, help: help, valueName: valueName, choices: choices, validate: { _ in }),
            read: { $0.last })
    }
}

extension Flag where Value == [String] {
    /// Texts, one each time the flag is given.
    package static func list(
        _ name: String, _ short: Character? = nil, _ help: String, valueName: String = "list"
    ) -> Flag {
        Flag(
            spec: FlagSpec(name: name, short: short, help: help, valueName: valueName, validate: { _ in }),
            read: { $0 })
    }
}

extension Flag {
    /// A value of another type; the last one given counts.
    ///
    /// - Parameter parse: throws what is wrong with a text.
    package static func parsed<Wrapped: Sendable>(
        _ name: String, _ short: Character? = nil, _ help: String, valueName: String = "string",
        choices: [String] = [], _ parse: @escaping @Sendable (String) throws -> Wrapped
    ) -> Flag where Value == Wrapped? {
        Flag(
            spec: FlagSpec(
                name: name, short: short, help: help, valueName: valueName, choices: choices,
                validate: { _ = try parse($0) }),
            read: { texts in texts.last.flatMap { try? parse($0) } })
    }

    /// Values of another type, one each time the flag is given.
    package static func parsedList<Element: Sendable>(
        _ name: String, _ short: Character? = nil, _ help: String, valueName: String = "list",
        _ parse: @escaping @Sendable (String) throws -> Element
    ) -> Flag where Value == [Element] {
        Flag(
            spec: FlagSpec(
                name: name, short: short, help: help, valueName: valueName, validate: { _ = try parse($0) }),
            read: { texts in texts.compactMap { try? parse($0) } })
    }

    /// A whole number.
    package static func int(
        _ name: String, _ short: Character? = nil, _ help: String, valueName: String = "int"
    ) -> Flag where Value == Int? {
        .parsed(name, short, help, valueName: valueName) { text in
            guard let number = Int(text) else {
                throw FlagProblem("strconv.ParseInt: parsing \(GoFormat.quoted(text)): invalid syntax")
            }
            return number
        }
    }
}

/// Go's strconv.ParseBool.
private func goBool(_ text: String) throws -> Bool {
    switch text {
    case "1", "t", "T", "TRUE", "true", "True": true
    case "0", "f", "F", "FALSE", "false", "False": false
    default: throw FlagProblem("strconv.ParseBool: parsing \(GoFormat.quoted(text)): invalid syntax")
    }
}
