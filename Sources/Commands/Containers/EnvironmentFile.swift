import Containers
import Linux

/// Variables of `--env-file` and `-e`, by docker's rules.
enum EnvironmentFile {
    /// The files' entries and then the flags'. A name alone takes its value from our own environment.
    static func entries(files: [String], flags: [String], environment: [String: String]) throws -> [String] {
        var entries: [String] = []
        for line in try files.flatMap(lines) {
            let name = line.prefix { $0 != "=" }
            if name.isEmpty { throw ContainerError(.invalid, "no variable name on line '\(line)'") }
            if name.contains(where: \.isWhitespace) {
                throw ContainerError(.invalid, "variable '\(name)' contains whitespaces")
            }
            if line.contains("=") {
                entries.append(line)
            } else if let value = environment[line] {
                entries.append("\(line)=\(value)")
            }
        }
        for flag in flags {
            if flag.isEmpty || flag.hasPrefix("=") {
                throw ContainerError(
                    .invalid,
                    "invalid argument \"\(flag)\" for \"-e, --env\" flag: invalid environment variable: \(flag)")
            }
            // One that we have not is taken away from the image's.
            if flag.contains("=") {
                entries.append(flag)
            } else {
                entries.append(environment[flag].map { "\(flag)=\($0)" } ?? flag)
            }
        }
        return entries
    }

    /// A file's lines without comments, empty ones and blanks in front.
    static func lines(_ path: String) throws -> [String] {
        let bytes: [UInt8]
        do { bytes = try readFile(path, limit: 4 << 20) } catch {
            throw ContainerError(.invalid, "open \(path): \(error.reason)")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw ContainerError(.invalid, "env file \(path) contains invalid utf8 bytes")
        }
        return text.split(whereSeparator: \.isNewline).compactMap { line in
            let line = line.drop { $0.isWhitespace }
            return line.isEmpty || line.hasPrefix("#") ? nil : String(line)
        }
    }
}
