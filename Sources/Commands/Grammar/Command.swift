/// How many arguments a command takes.
package enum ArgumentCount: Sendable, Equatable {
    case none
    case exactly(Int)
    case atLeast(Int)
    case atMost(Int)
    case between(Int, Int)
    case any

    func accepts(_ count: Int) -> Bool {
        switch self {
        case .none: count == 0
        case .exactly(let wanted): count == wanted
        case .atLeast(let least): count >= least
        case .atMost(let most): count <= most
        case .between(let least, let most): (least...most).contains(count)
        case .any: true
        }
    }

    /// docker's words: `requires at least 1 argument`.
    var demand: String {
        func arguments(_ count: Int) -> String { "\(count) argument\(count == 1 ? "" : "s")" }
        return switch self {
        case .none, .any: "accepts no arguments"
        case .exactly(let count): "requires \(arguments(count))"
        case .atLeast(let least): "requires at least \(arguments(least))"
        case .atMost(let most): "requires at most \(arguments(most))"
        case .between(let least, let most): "requires at least \(least) and at most \(arguments(most))"
        }
    }
}

/// What completes an argument.
package enum Completion: String, Sendable { case none, files, images, containers, runningContainers, volumes }

/// A verb: what it is called, what it takes, what it does.
package struct Command: Sendable {
    package var name: String
    /// Other names beside it.
    package var aliases: [String]
    /// Names by which it also stands at the top: `pull` for `image pull`.
    package var shortForms: [String]
    /// What follows the command in the usage line, `[OPTIONS]` left out: `NAME[:TAG|@DIGEST]`.
    package var usage: String
    package var summary: String
    /// More for the help and the manual.
    package var details: String?
    package var flags: [FlagSpec]
    package var count: ArgumentCount
    package var completes: Completion
    /// All that follows the first argument is an argument: it belongs to a program that the command runs.
    package var endsFlagsAtFirstArgument: Bool
    package var isHidden = false
    /// - Returns: the exit code.
    package var run: @Sendable (Call) async throws -> Int32

    package init(
        _ name: String, _ usage: String = "", _ summary: String, details: String? = nil, aliases: [String] = [],
        shortForms: [String] = [], flags: [FlagSpec] = [], count: ArgumentCount = .none, completes: Completion = .none,
        endsFlagsAtFirstArgument: Bool = false, isHidden: Bool = false,
        run: @escaping @Sendable (Call) async throws -> Int32
    ) {
        self.name = name
        self.usage = usage
        self.summary = summary
        self.details = details
        self.aliases = aliases
        self.shortForms = shortForms
        self.flags = flags
        self.count = count
        self.completes = completes
        self.endsFlagsAtFirstArgument = endsFlagsAtFirstArgument
        self.isHidden = isHidden
        self.run = run
    }
}

/// Commands under one name: `image`.
package struct CommandGroup: Sendable {
    package var name: String
    package var summary: String
    package var commands: [Command]

    package init(_ name: String, _ summary: String, _ commands: [Command]) {
        self.name = name
        self.summary = summary
        self.commands = commands
    }
}

/// Everything the program can be asked.
package struct CommandTree: Sendable {
    package static let program = "strata"

    package var groups: [CommandGroup]
    /// Commands that stand at the top only: `login`.
    package var commands: [Command]

    package init(groups: [CommandGroup], commands: [Command]) {
        self.groups = groups
        self.commands = commands
    }

    /// A command as it was typed.
    package struct Found: Sendable {
        package var command: Command
        /// `strata image ls`, as typed.
        package var typed: String
        /// All names it has, in full.
        package var names: [String]
    }

    /// Every command that can be typed without a group, by name: `ls` under `images`, `login`.
    package var topLevel: [(name: String, found: Found)] {
        var found: [(String, Found)] = []
        for command in commands {
            for name in [command.name] + command.aliases { found.append((name, self.found(command, nil, typed: name))) }
        }
        for group in groups {
            for command in group.commands {
                for name in command.shortForms { found.append((name, self.found(command, group, typed: name))) }
            }
        }
        return found
    }

    /// A command of a group, by the words after the group's: `ls`, or `user add` where the name has two words.
    ///
    /// - Returns: the command and how many words name it.
    package func find(_ words: some Collection<String>, in group: CommandGroup) -> (found: Found, words: Int)? {
        if words.count > 1, let found = find(words.prefix(2).joined(separator: " "), in: group) { return (found, 2) }
        return words.first.flatMap { find($0, in: group) }.map { ($0, 1) }
    }

    /// A command of a group, by one of its names.
    package func find(_ name: String, in group: CommandGroup) -> Found? {
        group.commands.first { $0.name == name || $0.aliases.contains(name) }.map {
            found($0, group, typed: "\(group.name) \(name)")
        }
    }

    private func found(_ command: Command, _ group: CommandGroup?, typed: String) -> Found {
        let prefix = Self.program + " " + (group.map { "\($0.name) " } ?? "")
        var names = ([command.name] + command.aliases).map { prefix + $0 }
        if group != nil { names += command.shortForms.map { "\(Self.program) \($0)" } }
        return Found(command: command, typed: "\(Self.program) \(typed)", names: names)
    }
}

/// A command with what was typed for it.
package struct Call: Sendable {
    package var arguments: [String]
    let values: [String: [String]]
    package let session: Session
    package var console: Console { session.console }

    init(arguments: [String], values: [String: [String]], session: Session) {
        self.arguments = arguments
        self.values = values
        self.session = session
    }

    /// The value of a flag.
    package subscript<Value>(flag: Flag<Value>) -> Value { flag.read(values[flag.spec.name] ?? []) }

    /// Whether a flag was given.
    package func isSet<Value>(_ flag: Flag<Value>) -> Bool { values[flag.spec.name] != nil }
}
