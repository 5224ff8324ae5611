import Linux

/// The command line: finds the command, runs it, tells what went wrong.
package enum Program {
    static let root = Flag.string(
        "root", nil, "Directory of the store (default: /var/lib/strata, or ~/.local/share/strata)")
    static let runDirectory = Flag.string("run-dir", nil, "Directory of what a reboot may drop (mounts, sockets)")
    static let driver = Flag.string(
        "driver", nil, "How layers are kept (default: erofs where the kernel mounts it)",
        choices: ["erofs", "directory"])
    static let debug = Flag.bool("debug", "D", "Enable debug mode")
    static let version = Flag.bool("version", "v", "Print version information and quit")
    package static let globals = [root.spec, runDirectory.spec, driver.spec, debug.spec, version.spec]

    /// Runs this process's command line and ends the process with the exit code.
    ///
    /// Not asynchronous: a person who is not root works in namespaces of their own, and only a process of one thread can
    /// enter those.
    package static func main() -> Never {
        let words = Array(CommandLine.arguments.dropFirst())
        let variables: [String: String]
        do { variables = try enterNamespaces(words, environmentVariables()) } catch {
            Console(environment: [:]).report(error)
            exitProcess(125)
        }
        Task.detached {
            exitProcess(await run(words, environment: variables, executable: executablePath()))
        }
        waitForEver()
    }

    /// Commands that touch no store.
    private static let storeless: Set<String> = ["help", "version", "login", "logout", "completion", "registry"]

    /// - Returns: the environment, in which the store is where it was for the person: inside they are root.
    private static func enterNamespaces(_ words: [String], _ environment: [String: String]) throws -> [String: String] {
        if effectiveUserID() == 0 { return environment }
        var parser = FlagParser(globals, endsAtFirstArgument: true)
        // What is wrong with the words is told later.
        do { try parser.parse(words) } catch { return environment }
        guard let verb = parser.arguments.first, !storeless.contains(verb), !words.contains("--help") else {
            return environment
        }
        var variables = environment
        if let given = runDirectory.read(parser.values["run-dir"] ?? []) { variables["STRATA_RUN_DIR"] = given }
        let settings = Settings(
            environment: variables, root: root.read(parser.values["root"] ?? []), driver: nil, debug: false)
        variables["STRATA_ROOT"] = settings.root
        variables["STRATA_RUN_DIR"] = settings.runDirectory
        try Rootless.enter(runDirectory: settings.runDirectory)
        return variables
    }

    /// Runs one command line.
    ///
    /// - Parameters:
    ///   - words: the arguments, without the program's name.
    ///   - executable: the program's own path.
    /// - Returns: the exit code.
    package static func run(_ words: [String], environment: [String: String], executable: String) async -> Int32 {
        let console = Console(environment: environment)
        let tree = CommandTree.strata
        var parser = FlagParser(globals, endsAtFirstArgument: true)
        do { try parser.parse(words) } catch is FlagParser.HelpWanted {
            console.write(Help.root(tree, globals: globals, width: console.columns))
            return 0
        } catch {
            console.complain(
                "\((error as? FlagParser.Failure)?.message ?? "\(error)")\n\nRun 'strata --help' for more information")
            return 125
        }
        var variables = environment
        if let given = runDirectory.read(parser.values["run-dir"] ?? []) { variables["STRATA_RUN_DIR"] = given }
        let settings = Settings(
            environment: variables, root: root.read(parser.values["root"] ?? []),
            driver: driver.read(parser.values["driver"] ?? []), debug: debug.read(parser.values["debug"] ?? []))
        if version.read(parser.values["version"] ?? []) {
            console.line("Strata version \(Version.current)")
            return 0
        }
        let session = Session(settings: settings, console: console, executable: executable)
        let code = await dispatch(parser.arguments, tree, session)
        await session.close()
        return code
    }

    private static func dispatch(_ words: [String], _ tree: CommandTree, _ session: Session) async -> Int32 {
        let console = session.console
        guard let first = words.first else {
            console.write(Help.root(tree, globals: globals, width: console.columns))
            return 0
        }
        if first == "help" { return help(Array(words.dropFirst()), tree, console) }
        if let group = tree.groups.first(where: { $0.name == first }) {
            guard let second = words.dropFirst().first, second != "--help", second != "-h" else {
                console.write(Help.group(group))
                return 0
            }
            guard let (found, count) = tree.find(words.dropFirst(), in: group) else {
                // `registry user`: what can be done with users.
                let named = group.commands.filter { $0.name.hasPrefix("\(second) ") }
                if !named.isEmpty {
                    console.write(
                        Help.group(
                            CommandGroup(
                                "\(first) \(second)", group.summary,
                                named.map { command in
                                    var command = command
                                    command.name.removeFirst(second.count + 1)
                                    return command
                                })))
                    return words.count > 2 && !words[2].hasPrefix("-") ? 1 : 0
                }
                console.complain(
                    "strata: unknown command: strata \(first) \(second)\n\nUsage:  strata \(first)\n\n"
                        + "Run 'strata \(first) --help' for more information")
                return 1
            }
            return await perform(found, Array(words.dropFirst(1 + count)), session)
        }
        if let (_, found) = tree.topLevel.first(where: { $0.name == first }) {
            return await perform(found, Array(words.dropFirst()), session)
        }
        console.complain("strata: unknown command: strata \(first)\n\nRun 'strata --help' for more information")
        return 1
    }

    private static func help(_ words: [String], _ tree: CommandTree, _ console: Console) -> Int32 {
        let width = console.columns
        guard let first = words.first else {
            console.write(Help.root(tree, globals: globals, width: width))
            return 0
        }
        if let group = tree.groups.first(where: { $0.name == first }) {
            guard words.count > 1 else {
                console.write(Help.group(group))
                return 0
            }
            if let (found, _) = tree.find(words.dropFirst(), in: group) {
                console.write(Help.command(found, width: width))
                return 0
            }
        } else if let (_, found) = tree.topLevel.first(where: { $0.name == first }) {
            console.write(Help.command(found, width: width))
            return 0
        }
        console.complain(
            "strata: unknown command: strata \(words.joined(separator: " "))\n\nRun 'strata --help' for more information"
        )
        return 1
    }

    private static func perform(_ found: CommandTree.Found, _ words: [String], _ session: Session) async -> Int32 {
        let console = session.console
        let usage = "Usage:  \(Help.usage(found))\n\nRun '\(found.typed) --help' for more information"
        var parser = FlagParser(found.command.flags, endsAtFirstArgument: found.command.endsFlagsAtFirstArgument)
        do {
            try parser.parse(words)
            guard found.command.count.accepts(parser.arguments.count) else {
                throw UsageError("strata: '\(found.typed)' \(found.command.count.demand)")
            }
            return try await found.command.run(
                Call(arguments: parser.arguments, values: parser.values, session: session))
        } catch {
            switch error {
            case is FlagParser.HelpWanted:
                console.write(Help.command(found, width: console.columns))
                return 0
            case let error as FlagParser.Failure:
                console.complain("\(error.message)\n\n\(usage)")
                return 125
            case let error as UsageError:
                console.complain("\(error.description)\n\n\(usage)")
                return error.code
            case let error as ExitStatus: return error.code
            default:
                console.report(error)
                return 1
            }
        }
    }
}
