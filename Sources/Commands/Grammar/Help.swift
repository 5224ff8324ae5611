/// The texts of `--help`, laid out as docker's.
enum Help {
    /// The commands that people need first.
    private static let common = [
        "run", "exec", "ps", "pull", "push", "images", "login", "logout", "version", "info",
    ]

    static func root(_ tree: CommandTree, globals: [FlagSpec], width: Int) -> String {
        let top = tree.topLevel.filter { !$0.found.command.isHidden }
        var text = "Usage:  \(CommandTree.program) [OPTIONS] COMMAND\n\nContainer images for Linux\n"
        let first = common.compactMap { name in top.first { $0.name == name } }
        text += section("Common Commands", first.map { ($0.name, $0.found.command.summary) })
        text += section("Management Commands", tree.groups.map { ($0.name, $0.summary) }.sorted { $0.0 < $1.0 })
        let rest = top.filter { !common.contains($0.name) }.sorted { $0.name < $1.name }
        text += section("Commands", rest.map { ($0.name, $0.found.command.summary) })
        text += "\nGlobal Options:\n" + flags(globals, width: width)
        text += "\nRun '\(CommandTree.program) COMMAND --help' for more information on a command.\n"
        return text
    }

    static func group(_ group: CommandGroup) -> String {
        let name = "\(CommandTree.program) \(group.name)"
        let commands = group.commands.filter { !$0.isHidden }.sorted { $0.name < $1.name }
        return "Usage:  \(name) COMMAND\n\n\(group.summary)\n"
            + section("Commands", commands.map { ($0.name, $0.summary) })
            + "\nRun '\(name) COMMAND --help' for more information on a command.\n"
    }

    static func command(_ found: CommandTree.Found, width: Int) -> String {
        let command = found.command
        var text = "Usage:  \(usage(found))\n\n\(command.summary)\n"
        if let details = command.details { text += "\n\(details)\n" }
        if found.names.count > 1 { text += "\nAliases:\n  \(found.names.joined(separator: ", "))\n" }
        let shown = command.flags.filter { !$0.isHidden }
        if !shown.isEmpty { text += "\nOptions:\n" + flags(shown, width: width) }
        return text
    }

    /// `strata image ls [OPTIONS] [REPOSITORY[:TAG]]`.
    static func usage(_ found: CommandTree.Found) -> String {
        let hasFlags = found.command.flags.contains { !$0.isHidden }
        return ([found.typed] + (hasFlags ? ["[OPTIONS]"] : []) + [found.command.usage].filter { !$0.isEmpty })
            .joined(separator: " ")
    }

    private static func section(_ title: String, _ rows: [(String, String)]) -> String {
        if rows.isEmpty { return "" }
        let width = max(11, (rows.map(\.0.count).max() ?? 0) + 1)
        return "\n\(title):\n"
            + rows.map { "  \($0.0)\(String(repeating: " ", count: width - $0.0.count)) \($0.1)\n" }.joined()
    }

    /// Flags sorted by name, their help wrapped beside them.
    static func flags(_ flags: [FlagSpec], width: Int) -> String {
        let rows = flags.sorted { $0.name < $1.name }.map { flag in
            var left = flag.short.map { "  -\($0), --\(flag.name)" } ?? "      --\(flag.name)"
            if let value = flag.valueName { left += " \(value)" }
            var right = flag.help
            if let value = flag.shownDefault {
                right += " (default \(flag.isSwitch || Int(value) != nil ? value : GoFormat.quoted(value)))"
            }
            return (left, right)
        }
        let indent = (rows.map(\.0.count).max() ?? 0) + 3
        return rows.map { left, right in
            let lines = wrapped(right, to: max(24, width - 1 - indent))
            let padding = String(repeating: " ", count: indent - left.count)
            return left + padding + lines.joined(separator: "\n" + String(repeating: " ", count: indent)) + "\n"
        }.joined()
    }

    /// Breaks a text at blanks. As pflag does, the last 5 columns are used only where nothing more follows.
    private static func wrapped(_ text: String, to width: Int) -> [String] {
        let slop = 5
        let limit = width - slop
        var lines: [String] = []
        for paragraph in text.split(separator: "\n", omittingEmptySubsequences: false) {
            var rest = paragraph
            while rest.count >= limit + slop, let cut = rest.prefix(limit).lastIndex(of: " "), cut > rest.startIndex {
                lines.append(String(rest[..<cut]))
                rest = rest[rest.index(after: cut)...]
            }
            lines.append(String(rest))
        }
        return lines
    }
}
