/// Retention rules as people write them and as they are stored.
///
///     v*: newest 10, moved 90d, pulled 30d
///     release-*: always
extension RetentionPolicy.Rule {
    package init(parsing text: String) throws(AccountError) {
        let parts = text.split(separator: ":", maxSplits: 1)
        guard parts.count == 2 else { throw Self.invalid(text) }
        let pattern: TagPattern
        do { pattern = try TagPattern(Self.trimmed(parts[0])) } catch { throw .init(.invalid, "\(error)") }
        var keeps: [RetentionPolicy.Keep] = []
        for item in parts[1].split(separator: ",") {
            let words = item.split(separator: " ").map(String.init)
            switch (words.first, words.count) {
            case ("always", 1): keeps.append(.always)
            case ("newest", 2):
                guard let count = Int(words[1]), count >= 0 else { throw Self.invalid(text) }
                keeps.append(.newest(count))
            case ("moved", 2): keeps.append(.movedWithin(try Self.seconds(words[1], of: text)))
            case ("pulled", 2): keeps.append(.pulledWithin(try Self.seconds(words[1], of: text)))
            default: throw Self.invalid(text)
            }
        }
        if keeps.isEmpty { throw Self.invalid(text) }
        self.init(pattern: pattern, keeps: keeps)
    }

    package var text: String {
        let words = keeps.map { keep in
            switch keep {
            case .always: "always"
            case .newest(let count): "newest \(count)"
            case .movedWithin(let seconds): "moved \(Self.age(seconds))"
            case .pulledWithin(let seconds): "pulled \(Self.age(seconds))"
            }
        }
        return "\(pattern): \(words.joined(separator: ", "))"
    }

    private static func trimmed(_ text: Substring) -> String {
        String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }

    /// `90d`, `12h`, `30m`, `45s`.
    private static func seconds(_ word: String, of text: String) throws(AccountError) -> Int64 {
        let units: [Character: Int64] = ["d": 86_400, "h": 3600, "m": 60, "s": 1]
        guard let unit = word.last.flatMap({ units[$0] }), let number = Int64(word.dropLast()),
            (0...36_500).contains(number) || unit < 86_400 && (0...3_000_000_000).contains(number)
        else { throw invalid(text) }
        return number * unit
    }

    private static func age(_ seconds: Int64) -> String {
        for (unit, length) in [("d", Int64(86_400)), ("h", 3600), ("m", 60)] where seconds > 0 && seconds % length == 0
        {
            return "\(seconds / length)\(unit)"
        }
        return "\(seconds)s"
    }

    private static func invalid(_ text: String) -> AccountError {
        AccountError(
            .invalid,
            "`\(text.prefix(200))` is no retention rule: want `TAGS: KEEP, …` with `newest N`, `moved 90d`, "
                + "`pulled 30d` or `always`, as in `v*: newest 10, pulled 30d`")
    }
}

extension RetentionPolicy {
    /// One rule a line, as it is stored.
    func stored() throws -> String { rules.map(\.text).joined(separator: "\n") }

    init(stored text: String) throws {
        self.init(rules: try text.split(separator: "\n").map { try Rule(parsing: String($0)) })
    }
}
