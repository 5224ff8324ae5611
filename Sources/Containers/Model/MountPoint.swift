/// Something of outside mounted into a container, resolved: what `inspect` calls `Mounts`.
package struct MountPoint: Sendable, Equatable, Codable {
    package enum Kind: String, Sendable, Codable { case bind, volume, tmpfs }

    package var kind: Kind
    /// The volume's name; nil for what is none.
    package var name: String?
    /// The host path; empty for tmpfs.
    package var source: String
    /// The path in the container, absolute and clean.
    package var destination: String
    /// As the person wrote it: `ro,Z`.
    package var mode: String
    package var isWritable: Bool
    /// `rprivate`, `rshared`, …; empty for volumes and tmpfs.
    package var propagation: String
    /// A volume that got its name from us and goes with `rm -v`.
    package var isAnonymous: Bool
    /// Whether an empty volume gets what the image has at the destination.
    package var copiesUp: Bool
    /// Whether a missing source is made (`-v`) or an error (`--mount`).
    package var createsSource: Bool
    /// Options of a tmpfs, as mount takes them.
    package var tmpfsOptions: [String]
    /// A directory below the volume's root that is mounted instead of it.
    package var subpath: String?
    /// Mount what is mounted below the source, too.
    package var isRecursive: Bool

    package init(kind: Kind, source: String = "", destination: String) {
        self.kind = kind
        self.source = source
        self.destination = destination
        mode = ""
        isWritable = true
        propagation = kind == .bind ? "rprivate" : ""
        isAnonymous = false
        copiesUp = kind == .volume
        createsSource = false
        tmpfsOptions = []
        isRecursive = true
    }

    private enum CodingKeys: String, CodingKey {
        case kind = "Type"
        case name = "Name"
        case source = "Source"
        case destination = "Destination"
        case mode = "Mode"
        case isWritable = "RW"
        case propagation = "Propagation"
        case isAnonymous = "Anonymous"
        case copiesUp = "CopyUp"
        case createsSource = "CreateSource"
        case tmpfsOptions = "TmpfsOptions"
        case subpath = "Subpath"
        case isRecursive = "Recursive"
    }

    private static let propagations: Set<String> = ["private", "rprivate", "slave", "rslave", "shared", "rshared"]
    private static let consistencies: Set<String> = ["consistent", "cached", "delegated"]

    /// Parses docker's `-v`: `[source:]destination[:mode]`.
    package init(volume text: String) throws(ContainerError) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard let first = parts.first, !first.isEmpty, parts.count <= 3, parts.allSatisfy({ !$0.isEmpty }),
            parts.count != 2 || !Self.isMode(parts[1])
        else { throw ContainerError(.invalid, "invalid volume specification: '\(text)'") }
        let source = parts.count > 1 ? first : ""
        let target = parts.count > 1 ? parts[1] : first
        self.init(
            kind: source.hasPrefix("/") ? .bind : .volume, source: source.hasPrefix("/") ? cleanPath(source) : "",
            destination: try Self.destination(target, in: text))
        createsSource = true
        if kind == .volume {
            if source.isEmpty { isAnonymous = true } else { name = try VolumeName.parse(source) }
        }
        guard parts.count == 3 else { return }
        mode = parts[2]
        guard Self.isMode(mode) else { throw ContainerError(.invalid, "invalid mode: \(mode)") }
        for option in mode.split(separator: ",").map(String.init) {
            if option == "ro" { isWritable = false }
            if option == "nocopy" { copiesUp = false }
            if Self.propagations.contains(option) {
                if kind != .bind {
                    throw ContainerError(
                        .invalid, "invalid volume specification: '\(text)': \(option) needs a bind mount")
                }
                propagation = option
            }
        }
    }

    /// Whether a `-v` mode is well formed: at most one option of each group.
    private static func isMode(_ text: String) -> Bool {
        var seen: Set<String> = []
        for option in text.split(separator: ",", omittingEmptySubsequences: false).map(String.init) {
            let group: String
            switch option {
            case "ro", "rw": group = "access"
            case "z", "Z": group = "label"
            case "nocopy": group = "copy"
            case _ where propagations.contains(option): group = "propagation"
            case _ where consistencies.contains(option): group = "consistency"
            default: return false
            }
            if !seen.insert(group).inserted { return false }
        }
        return true
    }

    private static func destination(_ target: String, in text: String) throws(ContainerError) -> String {
        guard target.hasPrefix("/") else {
            throw ContainerError(
                .invalid,
                "invalid volume specification: '\(text)': invalid mount path: '\(target)' mount path must be absolute")
        }
        let path = cleanPath(target)
        if path == "/" {
            throw ContainerError(.invalid, "invalid volume specification: '\(text)': destination can't be '/'")
        }
        return path
    }

    /// Parses docker's `--mount`: `type=bind,source=/x,target=/y,readonly`.
    package init(mount text: String) throws(ContainerError) {
        var fields: [(key: String, value: String?)] = []
        for field in Self.fields(of: text) {
            let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            fields.append((parts[0].lowercased(), parts.count > 1 ? parts[1] : nil))
        }
        func invalid(_ what: String) -> ContainerError {
            ContainerError(.invalid, "invalid argument \"\(text)\" for \"--mount\" flag: \(what)")
        }
        let type = fields.last { $0.key == "type" }?.value?.lowercased() ?? "volume"
        guard let kind = Kind(rawValue: type) else { throw invalid("mount type `\(type)` is not supported") }
        self.init(kind: kind, destination: "")
        var hasTarget = false
        for (key, value) in fields {
            func boolean() throws(ContainerError) -> Bool {
                switch value ?? "true" {
                case "true", "1", "t", "T", "TRUE", "True": return true
                case "false", "0", "f", "F", "FALSE", "False": return false
                default: throw invalid("invalid value for \(key): \(value ?? "")")
                }
            }
            guard
                value != nil
                    || ["readonly", "ro", "volume-nocopy", "bind-nonrecursive", "bind-create-src"].contains(key)
            else { throw invalid("invalid field '\(key)' must be a key=value pair") }
            let text = value ?? ""
            switch key {
            case "type", "consistency", "volume-driver", "volume-label", "volume-opt": break
            case "source", "src":
                if kind == .tmpfs { throw invalid("cannot specify 'source' for type 'tmpfs'") }
                if kind == .bind { source = text } else if !text.isEmpty { name = text }
            case "target", "dst", "destination":
                hasTarget = true
                destination = text
            case "readonly", "ro": isWritable = !(try boolean())
            case "volume-nocopy" where kind == .volume: copiesUp = !(try boolean())
            case "volume-subpath" where kind == .volume: subpath = text
            case "bind-propagation" where kind == .bind:
                if !Self.propagations.contains(text) { throw invalid("invalid propagation mode: \(text)") }
                propagation = text
            case "bind-nonrecursive" where kind == .bind: isRecursive = !(try boolean())
            case "bind-recursive" where kind == .bind:
                guard ["enabled", "disabled", "writable", "readonly"].contains(text) else {
                    throw invalid("invalid value for bind-recursive: \(text)")
                }
                isRecursive = text != "disabled"
            case "bind-create-src" where kind == .bind: createsSource = try boolean()
            case "tmpfs-size" where kind == .tmpfs:
                guard let size = ByteSize.parse(text) else { throw invalid("invalid value for tmpfs-size: \(text)") }
                tmpfsOptions.append("size=\(size)")
            case "tmpfs-mode" where kind == .tmpfs:
                guard let bits = UInt32(text, radix: 8) else { throw invalid("invalid value for tmpfs-mode: \(text)") }
                tmpfsOptions.append("mode=\(String(bits, radix: 8))")
            case "volume-nocopy", "volume-subpath", "bind-propagation", "bind-nonrecursive", "bind-recursive",
                "bind-create-src", "tmpfs-size", "tmpfs-mode":
                throw invalid("cannot mix '\(key)' with mount type '\(kind.rawValue)'")
            default: throw invalid("unknown option '\(key)' in '\(key)=\(text)'")
            }
        }
        if !hasTarget || destination.isEmpty { throw invalid("target is required") }
        destination = try Self.destination(destination, in: text)
        switch kind {
        case .bind:
            if source.isEmpty { throw invalid("source is required when the mount type is bind") }
            if !source.hasPrefix("/") { throw invalid("invalid mount path: '\(source)' mount path must be absolute") }
            source = cleanPath(source)
        case .volume:
            if let name { self.name = try VolumeName.parse(name) } else { isAnonymous = true }
            if isAnonymous, !isWritable { throw invalid("must not set ReadOnly mode when using anonymous volumes") }
            if let subpath, !isLocalPath(subpath) {
                throw invalid("volume-subpath must be a relative path inside the volume")
            }
        case .tmpfs: if !isWritable { tmpfsOptions.append("ro") }
        }
    }

    /// Comma-separated fields, where a quoted field may hold commas (CSV, as docker reads them).
    private static func fields(of text: String) -> [String] {
        var fields = [""]
        var isQuoted = false
        for character in text {
            switch character {
            case "\"": isQuoted.toggle()
            case "," where !isQuoted: fields.append("")
            default: fields[fields.count - 1].append(character)
            }
        }
        return fields
    }

    /// Parses docker's `--tmpfs`: `destination[:options]`.
    package init(tmpfs text: String) throws(ContainerError) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        self.init(kind: .tmpfs, destination: try Self.destination(parts[0], in: text))
        tmpfsOptions = parts.count > 1 ? parts[1].split(separator: ",").map(String.init) : []
        if tmpfsOptions.contains("ro") { isWritable = false }
    }
}

/// Docker's way to clean an absolute path: no `//`, `.`, `..` nor slash at the end.
package func cleanPath(_ path: String) -> String {
    var parts: [Substring] = []
    for part in path.split(separator: "/") where part != "." {
        if part == ".." { _ = parts.popLast() } else { parts.append(part) }
    }
    return "/" + parts.joined(separator: "/")
}

/// Whether a relative path stays below where it starts.
func isLocalPath(_ path: String) -> Bool {
    if path.isEmpty || path.hasPrefix("/") { return false }
    var depth = 0
    for part in path.split(separator: "/") where part != "." {
        depth += part == ".." ? -1 : 1
        if depth < 0 { return false }
    }
    return true
}

/// Sizes as docker's flags take them: `512m`, `1g`, `64KiB`, powers of 1024.
package enum ByteSize {
    /// Parses a size in bytes; nil where it is none.
    package static func parse(_ text: String) -> Int64? {
        let lower = text.lowercased()
        let digits = lower.prefix { $0.isNumber || $0 == "." }
        guard let number = Double(digits), number.isFinite, number >= 0 else { return nil }
        let unit = lower[digits.endIndex...].drop { $0 == " " }
        let scale: Double
        switch unit {
        case "", "b": scale = 1
        case "k", "kb", "kib": scale = 1024
        case "m", "mb", "mib": scale = 1_048_576
        case "g", "gb", "gib": scale = 1_073_741_824
        case "t", "tb", "tib": scale = 1_099_511_627_776
        case "p", "pb", "pib": scale = 1_125_899_906_842_624
        default: return nil
        }
        return number * scale < 9e18 ? Int64(number * scale) : nil
    }
}

/// Names of volumes.
package enum VolumeName {
    package static func parse(_ text: String) throws(ContainerError) -> String {
        if text.utf8.count == 1 {
            throw ContainerError(
                .invalid, "volume name is too short, names should be at least two alphanumeric characters")
        }
        if !ContainerName.isValid(text) {
            throw ContainerError(
                .invalid,
                "create \(text): \"\(text)\" includes invalid characters for a local volume name, only "
                    + "\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
            )
        }
        return text
    }
}
