extension Command {
    static let completion: Command = Command(
        "completion", "SHELL", "Generate the autocompletion script for bash, zsh or fish",
        details: "Load it with `source <(strata completion bash)`, or put it where the shell looks for completions.",
        count: .exactly(1)
    ) { call in
        switch call.arguments[0] {
        case "bash": call.console.write(CompletionScript.bash(.strata))
        case "zsh": call.console.write(CompletionScript.zsh(.strata))
        case "fish": call.console.write(CompletionScript.fish(.strata))
        default: throw UsageWords(description: "no completions for \(call.arguments[0]): want bash, zsh or fish")
        }
        return 0
    }
}

/// Completion scripts, made of the command tree: they complete commands, flags, and names of images, containers, volumes.
enum CompletionScript {
    /// Every way to type a command: the words before its flags, and the command.
    private static func paths(_ tree: CommandTree) -> [(words: String, command: Command)] {
        var paths = tree.topLevel.map { ($0.name, $0.found.command) }
        for group in tree.groups {
            for command in group.commands {
                for name in [command.name] + command.aliases { paths.append(("\(group.name) \(name)", command)) }
            }
        }
        return paths.filter { !$0.1.isHidden }
    }

    /// The shell command that lists what completes an argument.
    private static func source(_ completion: Completion) -> String? {
        switch completion {
        case .none, .files: nil
        case .images: "strata image ls --format '{{.Repository}}:{{.Tag}}' 2>/dev/null | grep -v '<none>'"
        case .containers: "strata container ls --all --format '{{.Names}}' 2>/dev/null"
        case .runningContainers: "strata container ls --format '{{.Names}}' 2>/dev/null"
        case .volumes: "strata volume ls --quiet 2>/dev/null"
        }
    }

    private static func firstWords(_ tree: CommandTree) -> String {
        Set(tree.topLevel.filter { !$0.found.command.isHidden }.map(\.name) + tree.groups.map(\.name)).sorted()
            .joined(separator: " ")
    }

    private static func flagWords(_ command: Command) -> String {
        let flags = command.flags.filter { !$0.isHidden }
        return (flags.map { "--\($0.name)" } + flags.compactMap { $0.short.map { "-\($0)" } } + ["--help"])
            .joined(separator: " ")
    }

    static func bash(_ tree: CommandTree) -> String {
        var text = """
            # bash completion for strata
            _strata() {
                local cur=${COMP_WORDS[COMP_CWORD]} first=${COMP_WORDS[1]} second=${COMP_WORDS[2]} path
                COMPREPLY=()
                if [ "$COMP_CWORD" -eq 1 ]; then
                    COMPREPLY=($(compgen -W "\(firstWords(tree))" -- "$cur")); return
                fi
                case "$first" in

            """
        for group in tree.groups {
            let names = group.commands.filter { !$0.isHidden }.map(\.name).sorted().joined(separator: " ")
            text += """
                    \(group.name))
                        if [ "$COMP_CWORD" -eq 2 ]; then COMPREPLY=($(compgen -W "\(names)" -- "$cur")); return; fi
                        path="$first $second" ;;

                """.indented(by: 4)
        }
        text += "        *) path=$first ;;\n    esac\n    case \"$path\" in\n"
        for (words, command) in paths(tree) {
            text += "        \"\(words)\")\n"
            text +=
                "            if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W \"\(flagWords(command))\" -- \"$cur\")); return; fi\n"
            if let source = source(command.completes) {
                text += "            COMPREPLY=($(compgen -W \"$(\(source))\" -- \"$cur\"))\n"
                text += "            __ltrim_colon_completions \"$cur\" 2>/dev/null ;;\n"
            } else {
                text += "            COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
            }
        }
        return text + "    esac\n}\ncomplete -F _strata strata\n"
    }

    static func zsh(_ tree: CommandTree) -> String {
        // zsh runs bash's completions as they are.
        "#compdef strata\nautoload -U +X bashcompinit && bashcompinit\n" + bash(tree)
    }

    static func fish(_ tree: CommandTree) -> String {
        var text = "# fish completion for strata\ncomplete -c strata -f\n"
        func quoted(_ text: String) -> String {
            "'" + text.replacing("\\", with: "\\\\").replacing("'", with: "\\'").replacing("\n", with: " ") + "'"
        }
        for (name, found) in tree.topLevel where !found.command.isHidden {
            text += "complete -c strata -n __fish_use_subcommand -a \(name) -d \(quoted(found.command.summary))\n"
        }
        for group in tree.groups {
            text += "complete -c strata -n __fish_use_subcommand -a \(group.name) -d \(quoted(group.summary))\n"
            let names = group.commands.map(\.name).joined(separator: " ")
            for command in group.commands where !command.isHidden {
                text +=
                    "complete -c strata -n '__fish_seen_subcommand_from \(group.name); and not __fish_seen_subcommand_from \(names)'"
                text += " -a \(command.name) -d \(quoted(command.summary))\n"
            }
        }
        for (words, command) in paths(tree) {
            let seen = words.split(separator: " ").map { "__fish_seen_subcommand_from \($0)" }.joined(
                separator: "; and ")
            for flag in command.flags where !flag.isHidden {
                text += "complete -c strata -n '\(seen)' -l \(flag.name)\(flag.short.map { " -s \($0)" } ?? "")"
                text +=
                    "\(flag.isSwitch ? "" : " -r") -d \(quoted(flag.help.split(separator: "\n").first.map(String.init) ?? ""))\n"
            }
            if let source = source(command.completes) {
                text +=
                    "complete -c strata -n '\(seen)' -a \"(\(source.replacing("\"", with: "\\\"").replacing("$", with: "\\$")))\"\n"
            }
        }
        return text
    }
}

extension String {
    fileprivate func indented(by count: Int) -> String {
        split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.isEmpty ? "" : String(repeating: " ", count: count) + $0 }.joined(separator: "\n")
    }
}
