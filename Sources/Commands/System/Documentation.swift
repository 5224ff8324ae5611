extension Command {
    /// Writes the reference and the manual pages; `scripts/generate-docs` and `scripts/install-docs` call it.
    static let documentation: Command = Command(
        "documentation", "markdown|man COMMAND...", "Write the command line's reference or a manual page",
        count: .atLeast(1), isHidden: true
    ) { call in
        switch call.arguments[0] {
        case "markdown": call.console.write(Reference.markdown(.strata))
        case "list": call.console.write(Reference.pages(.strata).map { $0.name + "\n" }.joined())
        case "man":
            let wanted = call.arguments.dropFirst().joined(separator: "-")
            guard let page = Reference.pages(.strata).first(where: { $0.name == wanted }) else {
                throw UsageWords(description: "no manual page `\(wanted)`")
            }
            call.console.write(page.text)
        default: throw UsageWords(description: "want markdown, list or man")
        }
        return 0
    }
}

/// The reference of all commands, made of the command tree.
private enum Reference {
    private static func all(_ tree: CommandTree) -> [(words: String, found: CommandTree.Found)] {
        var all: [(String, CommandTree.Found)] = []
        for group in tree.groups {
            for command in group.commands where !command.isHidden {
                if let found = tree.find(command.name, in: group) {
                    all.append(("\(group.name) \(command.name)", found))
                }
            }
        }
        let own = Set(tree.commands.filter { !$0.isHidden }.map(\.name))
        all += tree.topLevel.filter { own.contains($0.name) }.map { ($0.name, $0.found) }
        return all.sorted { $0.0 < $1.0 }
    }

    static func markdown(_ tree: CommandTree) -> String {
        var text = """
            # Commands

            Made by `make docs` from the command line itself; do not edit.

            Every command takes these before its name:

            ```
            \(Help.flags(Program.globals, width: 100))```

            """
        for (words, found) in all(tree) {
            text += "\n## strata \(words)\n\n```\n\(Help.command(found, width: 100))```\n"
        }
        return text
    }

    /// A manual page for the program and one for each command.
    static func pages(_ tree: CommandTree) -> [(name: String, text: String)] {
        let commands = all(tree)
        var overview = header("strata", "container images for Linux")
        overview += ".SH SYNOPSIS\n.B strata\n[OPTIONS] COMMAND\n.SH COMMANDS\n"
        for (words, found) in commands {
            overview += ".TP\n.B \(escaped("strata \(words)"))\n\(escaped(found.command.summary))\n"
        }
        overview += options(Program.globals)
        return [("strata", overview)]
            + commands.map { words, found in
                let name = "strata-" + words.replacing(" ", with: "-")
                var text = header(name, found.command.summary)
                text +=
                    ".SH SYNOPSIS\n.B \(escaped(Help.usage(found)))\n.SH DESCRIPTION\n\(escaped(found.command.summary))\n"
                if let details = found.command.details { text += ".PP\n\(escaped(details))\n" }
                if found.names.count > 1 {
                    text += ".SH ALIASES\n\(escaped(found.names.joined(separator: ", ")))\n"
                }
                return (
                    name, text + options(found.command.flags.filter { !$0.isHidden }) + ".SH SEE ALSO\n.BR strata (1)\n"
                )
            }
    }

    private static func header(_ name: String, _ summary: String) -> String {
        ".TH \(name.uppercased()) 1 \"\" \"Strata \(Version.current)\" \"User Commands\"\n.SH NAME\n\(escaped(name)) \\- \(escaped(summary))\n"
    }

    private static func options(_ flags: [FlagSpec]) -> String {
        if flags.isEmpty { return "" }
        return ".SH OPTIONS\n"
            + flags.sorted { $0.name < $1.name }.map { flag in
                let value = flag.valueName.map { " \\fI\(escaped($0))\\fR" } ?? ""
                return
                    ".TP\n\\fB\(escaped(flag.short.map { "-\($0), --\(flag.name)" } ?? "--\(flag.name)"))\\fR\(value)\n"
                    + "\(escaped(flag.help))\n"
            }.joined()
    }

    /// roff takes a dot at the start of a line for a request, and a plain hyphen for a typographic one.
    private static func escaped(_ text: String) -> String {
        text.replacing("\\", with: "\\e").replacing("-", with: "\\-")
            .split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.hasPrefix(".") || $0.hasPrefix("'") ? "\\&" + $0 : String($0) }.joined(separator: "\n.br\n")
    }
}
