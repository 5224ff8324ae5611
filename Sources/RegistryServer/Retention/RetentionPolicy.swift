/// Which tags of a repository stay. A tag stays when any rule that fits it keeps it; a tag that no rule fits stays too:
/// forgetting to write a rule must not delete anything.
package struct RetentionPolicy: Sendable, Hashable {
    /// One rule. Its `pattern` says which tags it is about; what it keeps is the union of its `keeps`.
    package struct Rule: Sendable, Hashable {
        /// Over tag names: `*` for any characters. `v*`, `nightly-*`, `*`.
        package var pattern: TagPattern
        package var keeps: [Keep]

        package init(pattern: TagPattern, keeps: [Keep]) {
            self.pattern = pattern
            self.keeps = keeps
        }
    }

    /// A reason to keep a tag. Times are seconds.
    package enum Keep: Sendable, Hashable {
        /// The newest so many of those that the rule is about, by when the tag was last moved.
        case newest(Int)
        /// Moved within so many seconds.
        case movedWithin(Int64)
        /// Pulled within so many seconds.
        case pulledWithin(Int64)
        /// Always.
        case always
    }

    package var rules: [Rule]

    package init(rules: [Rule]) { self.rules = rules }

    /// A tag as the policy sees it; times are seconds since 1970.
    package struct Tag: Sendable, Hashable {
        package var name: String
        package var movedAt: Int64
        package var pulledAt: Int64?
        /// An immutable tag is never removed by a policy.
        package var isImmutable: Bool

        package init(name: String, movedAt: Int64, pulledAt: Int64?, isImmutable: Bool = false) {
            self.name = name
            self.movedAt = movedAt
            self.pulledAt = pulledAt
            self.isImmutable = isImmutable
        }
    }

    /// What becomes of a tag, and why: shown by the preview as it stands.
    package struct Decision: Sendable, Hashable {
        package var tag: Tag
        package var keeps: Bool
        package var reason: String

        package init(tag: Tag, keeps: Bool, reason: String) {
            self.tag = tag
            self.keeps = keeps
            self.reason = reason
        }
    }

    /// Decides over all tags of a repository, newest first.
    package func decide(_ tags: [Tag], now: Int64) -> [Decision] {
        // Names break ties, so that a preview and the run after it decide alike.
        let sorted = tags.sorted { ($1.movedAt, $0.name) < ($0.movedAt, $1.name) }
        let reasons = rules.map { rule in Self.kept(by: rule, sorted, now: now) }
        return sorted.map { tag in
            if tag.isImmutable { return Decision(tag: tag, keeps: true, reason: "immutable") }
            if let reason = reasons.lazy.compactMap({ $0[tag.name] }).first {
                return Decision(tag: tag, keeps: true, reason: reason)
            }
            let fitting = rules.filter { $0.pattern.matches(tag.name) }.map { "`\($0.pattern)`" }
            if fitting.isEmpty { return Decision(tag: tag, keeps: true, reason: "no rule is about it") }
            return Decision(
                tag: tag, keeps: false, reason: "kept by none of the rules for \(fitting.joined(separator: ", "))")
        }
    }

    /// The tags that a rule keeps, with the reason.
    private static func kept(by rule: Rule, _ sorted: [Tag], now: Int64) -> [String: String] {
        let fitting = sorted.filter { rule.pattern.matches($0.name) }
        var reasons: [String: String] = [:]
        for keep in rule.keeps {
            for (position, tag) in fitting.enumerated() where reasons[tag.name] == nil {
                let reason: String? =
                    switch keep {
                    case .newest(let count):
                        position < count ? "number \(position + 1) of the newest \(count) of `\(rule.pattern)`" : nil
                    case .movedWithin(let seconds):
                        now - tag.movedAt <= seconds ? "moved \(days(now - tag.movedAt)) ago" : nil
                    case .pulledWithin(let seconds):
                        tag.pulledAt.flatMap { now - $0 <= seconds ? "pulled \(days(now - $0)) ago" : nil }
                    case .always: "always kept by `\(rule.pattern)`"
                    }
                if let reason { reasons[tag.name] = reason }
            }
        }
        return reasons
    }

    private static func days(_ seconds: Int64) -> String {
        let days = max(seconds, 0) / 86_400
        return days == 1 ? "1 day" : "\(days) days"
    }
}

/// A pattern over tag names: `*` stands for any characters, the rest for itself.
package struct TagPattern: Sendable, Hashable, CustomStringConvertible {
    package let text: String

    /// - Throws: `AccessRuleError.pattern` where the text could match no tag.
    package init(_ text: String) throws(AccessRuleError) {
        let allowed = text.utf8.allSatisfy { byte in
            (97...122).contains(byte) || (65...90).contains(byte) || (48...57).contains(byte)
                || "._-*".utf8.contains(byte)
        }
        guard allowed, (1...128).contains(text.utf8.count) else { throw .pattern(text) }
        self.text = text
    }

    package var description: String { text }

    /// Whether a tag's name fits; linear in pattern times name.
    package func matches(_ tag: String) -> Bool {
        let name = Array(tag.utf8)
        var reachable = [Bool](repeating: false, count: name.count + 1)
        reachable[0] = true
        for token in text.utf8 {
            if token == UInt8(ascii: "*") {
                for index in name.indices where reachable[index] { reachable[index + 1] = true }
            } else {
                for index in name.indices.reversed() { reachable[index + 1] = reachable[index] && name[index] == token }
                reachable[0] = false
            }
        }
        return reachable[name.count]
    }
}
