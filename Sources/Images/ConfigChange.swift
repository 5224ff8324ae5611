package import OCI

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// One Dockerfile instruction of `import --change` (and later `commit --change`), applied to a container config.
///
/// Knows the instructions that docker allows there; words split and quote as in a Dockerfile.
package struct ConfigChange: Sendable {
    private let instruction: String
    private let rest: String

    /// Parses `CMD ["sh"]`, `ENV A=b` and their like.
    ///
    /// - Throws: `ImageError(.invalid)` naming the change.
    package init(parsing text: String) throws {
        let line = text.drop { $0.isWhitespace }
        let word = line.prefix { !$0.isWhitespace }
        instruction = word.uppercased()
        rest = String(line[word.endIndex...].drop { $0.isWhitespace })
        let known = [
            "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "STOPSIGNAL", "USER", "VOLUME",
            "WORKDIR",
        ]
        guard known.contains(instruction) else {
            throw ImageError(
                .invalid, "\(word) is not a valid change command",
                hint: "the instructions are \(known.joined(separator: ", "))")
        }
        if rest.isEmpty { throw ImageError(.invalid, "\(instruction) requires at least one argument") }
    }

    /// Applies the change.
    package func apply(to config: inout ContainerConfig) throws {
        switch instruction {
        case "CMD": config.cmd = try command()
        case "ENTRYPOINT": config.entrypoint = try command()
        case "ENV":
            for (name, value) in try pairs() {
                var list = config.env ?? []
                list.removeAll { $0.hasPrefix("\(name)=") }
                list.append("\(name)=\(value)")
                config.env = list
            }
        case "LABEL":
            for (name, value) in try pairs() { config.labels = (config.labels ?? [:]).merging([name: value]) { $1 } }
        case "EXPOSE": for port in try words() { try expose(port, in: &config) }
        case "VOLUME":
            for path in try list() { config.volumes = (config.volumes ?? [:]).merging([path: .init()]) { $1 } }
        case "USER": config.user = try one()
        case "WORKDIR":
            let path = try one()
            let base = path.hasPrefix("/") ? "" : (config.workingDir ?? "/") + "/"
            config.workingDir = Self.cleaned(base + path)
        case "STOPSIGNAL": config.stopSignal = try one()
        case "ONBUILD": config.onBuild = (config.onBuild ?? []) + [rest]
        case "HEALTHCHECK": config.healthcheck = try healthcheck()
        default: throw ImageError(.invalid, "\(instruction) is not a valid change command")
        }
    }

    /// A JSON array is taken as it is; anything else runs under the shell.
    private func command() throws -> [String] {
        if rest.hasPrefix("["), let array = try? JSONDecoder().decode([String].self, from: Data(rest.utf8)) {
            return array
        }
        return ["/bin/sh", "-c", rest]
    }

    private func list() throws -> [String] {
        if rest.hasPrefix("["), let array = try? JSONDecoder().decode([String].self, from: Data(rest.utf8)) {
            return array
        }
        return try words()
    }

    private func one() throws -> String {
        let all = try words()
        guard all.count == 1 else { throw ImageError(.invalid, "\(instruction) requires exactly one argument") }
        return all[0]
    }

    private func pairs() throws -> [(String, String)] {
        let all = try words()
        if let first = all.first, !first.contains("=") {
            // The old form: `ENV name all the rest`.
            let value = rest.drop { !$0.isWhitespace }.drop { $0.isWhitespace }
            if value.isEmpty { throw ImageError(.invalid, "\(instruction) must have two arguments") }
            return [(first, String(value))]
        }
        return try all.map { word in
            guard let equals = word.firstIndex(of: "="), equals > word.startIndex else {
                throw ImageError(
                    .invalid, "Syntax error - can't find = in \"\(word)\". Must be of the form: name=value")
            }
            return (String(word[..<equals]), String(word[word.index(after: equals)...]))
        }
    }

    private func expose(_ text: String, in config: inout ContainerConfig) throws {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let proto = parts.count == 2 ? parts[1].lowercased() : "tcp"
        let bounds = parts[0].split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
        guard ["tcp", "udp", "sctp"].contains(proto), (1...2).contains(bounds.count), let low = bounds[0],
            let high = bounds[bounds.count - 1], low >= 1, low <= high, high <= 65535
        else { throw ImageError(.invalid, "invalid containerPort: \(text)") }
        for port in low...high {
            config.exposedPorts = (config.exposedPorts ?? [:]).merging(["\(port)/\(proto)": .init()]) { $1 }
        }
    }

    private func healthcheck() throws -> ContainerConfig.Healthcheck {
        var check = ContainerConfig.Healthcheck()
        var remaining = Substring(rest)
        while remaining.hasPrefix("--") {
            let flag = remaining.prefix { !$0.isWhitespace }
            remaining = remaining[flag.endIndex...].drop { $0.isWhitespace }
            let parts = flag.dropFirst(2).split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { throw ImageError(.invalid, "HEALTHCHECK flag `\(flag)` needs a value") }
            if parts[0] == "retries" {
                guard let retries = Int(parts[1]), retries >= 1 else {
                    throw ImageError(.invalid, "--retries must be at least 1 (not \(parts[1]))")
                }
                check.retries = retries
                continue
            }
            guard let seconds = goDuration(parts[1]), seconds >= 0, seconds < 1e9 else {
                throw ImageError(.invalid, "invalid duration \"\(parts[1])\" of HEALTHCHECK flag --\(parts[0])")
            }
            let nanoseconds = Int64(seconds * 1e9)
            switch parts[0] {
            case "interval": check.interval = nanoseconds
            case "timeout": check.timeout = nanoseconds
            case "start-period": check.startPeriod = nanoseconds
            case "start-interval": check.startInterval = nanoseconds
            default: throw ImageError(.invalid, "unknown flag: --\(parts[0])")
            }
        }
        let kind = remaining.prefix { !$0.isWhitespace }
        let command = String(remaining[kind.endIndex...].drop { $0.isWhitespace })
        switch kind.uppercased() {
        case "NONE": check.test = ["NONE"]
        case "CMD":
            if command.hasPrefix("["), let array = try? JSONDecoder().decode([String].self, from: Data(command.utf8)) {
                check.test = ["CMD"] + array
            } else if !command.isEmpty {
                check.test = ["CMD-SHELL", command]
            } else {
                throw ImageError(.invalid, "missing command after HEALTHCHECK CMD")
            }
        default: throw ImageError(.invalid, "unknown type \"\(kind)\" in HEALTHCHECK (try CMD)")
        }
        return check
    }

    /// Splits like a shell: blanks separate, quotes group, a backslash escapes.
    private func words() throws -> [String] {
        var result: [String] = []
        var word = ""
        var started = false
        var quote: Character?
        var escaped = false
        for character in rest {
            if escaped {
                if quote == "\"", character != "\"", character != "\\", character != "$" { word.append("\\") }
                word.append(character)
                escaped = false
            } else if character == "\\", quote != "'" {
                escaped = true
                started = true
            } else if let open = quote {
                if character == open { quote = nil } else { word.append(character) }
            } else if character == "\"" || character == "'" {
                quote = character
                started = true
            } else if character.isWhitespace {
                if started { result.append(word) }
                word = ""
                started = false
            } else {
                word.append(character)
                started = true
            }
        }
        if quote != nil || escaped {
            throw ImageError(.invalid, "\(instruction): unexpected end of statement, a quote is open")
        }
        if started { result.append(word) }
        return result
    }

    private static func cleaned(_ path: String) -> String {
        var parts: [Substring] = []
        for part in path.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }
}
