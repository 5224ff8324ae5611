/// containers-registries.conf(5): the `[[registry]]` tables of version 2.
enum RegistriesConf {
    struct Mirror: Sendable, Hashable {
        /// `host[:port][/path]`.
        var location: String
        var isInsecure = false
        var pulls = Pulls.all

        init(location: String, isInsecure: Bool = false, pulls: Pulls = .all) {
            self.location = location
            self.isInsecure = isInsecure
            self.pulls = pulls
        }
    }

    /// Which references a mirror serves.
    enum Pulls: String, Sendable { case all, digestOnly = "digest-only", tagOnly = "tag-only" }

    struct Rule: Sendable, Hashable {
        /// `host[:port][/path]` or `*.domain`.
        var prefix: String
        /// What stands in the prefix's place; the prefix itself where nothing else does.
        var location: String
        var isInsecure = false
        var isBlocked = false
        var mirrors: [Mirror] = []
        /// Where it stands.
        var file: String
    }

    static let limit = 1 << 20

    static func load(_ path: String) throws -> [Rule] {
        do {
            guard let bytes = try HostFile.contents(of: path, limit: limit) else { return [] }
            return try parse(String(decoding: bytes, as: UTF8.self), file: path)
        } catch {
            throw RegistryError(
                .configuration, "cannot use the registry configuration: \(error)", hint: "mend `\(path)`")
        }
    }

    static func parse(_ text: String, file: String) throws -> [Rule] {
        let root = try TOMLSubset.parse(text)
        if root["registries"]?.table?.isEmpty == false {
            throw Problem(file: file, what: "the old format with `[registries.…]` is not supported: use `[[registry]]`")
        }
        guard let registries = root["registry"] else { return [] }
        guard let tables = registries.tables else {
            throw Problem(file: file, what: "`registry` is no `[[registry]]` table")
        }
        return try tables.map { try rule($0, file: file) }
    }

    struct Problem: Error, CustomStringConvertible {
        var file: String
        var what: String
        var description: String { "`\(file)`: \(what)" }
    }

    private static func rule(_ table: [String: TOMLSubset.Value], file: String) throws -> Rule {
        func text(_ table: [String: TOMLSubset.Value], _ key: String) throws -> String? {
            guard let value = table[key] else { return nil }
            guard let string = value.string else { throw Problem(file: file, what: "`\(key)` is no string") }
            return try checked(string, file: file)
        }
        func flag(_ table: [String: TOMLSubset.Value], _ key: String) throws -> Bool {
            guard let value = table[key] else { return false }
            guard let flag = value.bool else { throw Problem(file: file, what: "`\(key)` is neither true nor false") }
            return flag
        }
        let location = try text(table, "location")
        guard let prefix = try text(table, "prefix") ?? location, !prefix.isEmpty else {
            throw Problem(file: file, what: "a `[[registry]]` has neither `prefix` nor `location`")
        }
        if prefix.hasPrefix("*."), prefix.contains("/") {
            throw Problem(file: file, what: "the prefix `\(prefix)` has both a wildcard and a path")
        }
        var rule = Rule(prefix: prefix, location: location ?? prefix, file: file)
        rule.isInsecure = try flag(table, "insecure")
        rule.isBlocked = try flag(table, "blocked")
        let digestOnly = try flag(table, "mirror-by-digest-only")
        guard let mirrors = table["mirror"] else { return rule }
        guard let tables = mirrors.tables else {
            throw Problem(file: file, what: "`mirror` is no `[[registry.mirror]]` table")
        }
        rule.mirrors = try tables.map { table in
            guard let location = try text(table, "location"), !location.isEmpty else {
                throw Problem(file: file, what: "a mirror of `\(prefix)` has no `location`")
            }
            var mirror = Mirror(location: location, isInsecure: try flag(table, "insecure"))
            if digestOnly { mirror.pulls = .digestOnly }
            if let word = table["pull-from-mirror"]?.string {
                guard let pulls = Pulls(rawValue: word) else {
                    throw Problem(
                        file: file, what: "`pull-from-mirror` is `\(word)`: want all, digest-only or tag-only")
                }
                mirror.pulls = pulls
            }
            return mirror
        }
        return rule
    }

    private static func checked(_ text: String, file: String) throws -> String {
        if text.contains("://") { throw Problem(file: file, what: "`\(text)`: a location has no scheme") }
        var text = text
        while text.hasSuffix("/") { text.removeLast() }
        let host = text.prefix { $0 != "/" }
        let plain = host.hasPrefix("*.") ? host.dropFirst(2) : host
        guard text.isEmpty || WebAddress.origin(.https, authority: plain) != nil else {
            throw Problem(file: file, what: "`\(text)` does not begin with a host name")
        }
        return text
    }

    /// Later rules replace earlier ones of the same prefix.
    static func merge(_ rules: [Rule], _ more: [Rule]) -> [Rule] {
        let replaced = Set(more.map(\.prefix))
        return rules.filter { !replaced.contains($0.prefix) } + more
    }

    /// The rule with the longest prefix that a repository's full name has.
    static func match(_ repository: String, in rules: [Rule]) -> Rule? {
        let host = repository.prefix { $0 != "/" }
        return rules.filter { rule in
            if rule.prefix.hasPrefix("*.") {
                let name = host.prefix { $0 != ":" }
                return name.hasSuffix(rule.prefix.dropFirst()) && name.count >= rule.prefix.count
            }
            guard repository.hasPrefix(rule.prefix) else { return false }
            let next = repository.dropFirst(rule.prefix.count).first
            return next == nil || next == "/" || next == ":"
        }.max { $0.prefix.count < $1.prefix.count }
    }

    static func rewrite(_ repository: String, prefix: String, location: String) -> String {
        if location.isEmpty || location.hasPrefix("*.") { return repository }
        if prefix.hasPrefix("*.") { return location + repository.drop { $0 != "/" } }
        return location + repository.dropFirst(prefix.count)
    }
}
