/// Parses flags as docker's users type them (POSIX with GNU long options, as Go's pflag): `-it`, `-fvalue`, `--name=value`,
/// `--name value`, `--` ends them.
struct FlagParser {
    /// A wrong flag: docker's sentence, exit code 125.
    struct Failure: Error { var message: String }
    /// Help was asked for.
    struct HelpWanted: Error {}

    let flags: [FlagSpec]
    let endsAtFirstArgument: Bool
    private(set) var values: [String: [String]] = [:]
    private(set) var arguments: [String] = []

    init(_ flags: [FlagSpec], endsAtFirstArgument: Bool = false) {
        self.flags = flags
        self.endsAtFirstArgument = endsAtFirstArgument
    }

    mutating func parse(_ words: [String]) throws {
        var rest = words[...]
        while let word = rest.popFirst() {
            if word == "--" {
                arguments += rest
                return
            }
            if word.hasPrefix("--") {
                try long(String(word.dropFirst(2)), &rest)
            } else if word.hasPrefix("-"), word.count > 1 {
                try short(word, &rest)
            } else {
                arguments.append(word)
                if endsAtFirstArgument {
                    arguments += rest
                    return
                }
            }
        }
    }

    private mutating func long(_ text: String, _ rest: inout ArraySlice<String>) throws {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let flag = flags.first(where: { $0.name == parts[0] }) else {
            if parts[0] == "help" { throw HelpWanted() }
            throw Failure(message: "unknown flag: --\(parts[0])")
        }
        if parts.count == 2 { return try take(parts[1], for: flag) }
        if flag.isSwitch { return try take("true", for: flag) }
        guard let value = rest.popFirst() else { throw Failure(message: "flag needs an argument: --\(flag.name)") }
        try take(value, for: flag)
    }

    private mutating func short(_ word: String, _ rest: inout ArraySlice<String>) throws {
        var letters = word.dropFirst()
        while let letter = letters.popFirst() {
            guard let flag = flags.first(where: { $0.short == letter }) else {
                if letter == "h" { throw HelpWanted() }
                throw Failure(message: "unknown shorthand flag: '\(letter)' in \(word)")
            }
            if letters.first == "=" { return try take(String(letters.dropFirst()), for: flag) }
            if flag.isSwitch {
                try take("true", for: flag)
                continue
            }
            if !letters.isEmpty { return try take(String(letters), for: flag) }
            guard let value = rest.popFirst() else {
                throw Failure(message: "flag needs an argument: '\(letter)' in \(word)")
            }
            return try take(value, for: flag)
        }
    }

    private mutating func take(_ value: String, for flag: FlagSpec) throws {
        do { try flag.validate(value) } catch {
            throw Failure(
                message:
                    "invalid argument \(GoFormat.quoted(value)) for \(GoFormat.quoted(flag.fullName)) flag: \(error)")
        }
        values[flag.name, default: []].append(value)
    }
}
