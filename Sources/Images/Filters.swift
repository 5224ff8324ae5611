#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension ImageFilter {
    /// Parses `--filter` terms in docker's grammar.
    ///
    /// - Parameters:
    ///   - terms: `key=value`, as typed.
    ///   - verb: `ls` and `prune` know different keys.
    ///   - now: seconds since 1970, what `until=24h` counts back from.
    /// - Throws: `ImageError` with docker's sentence.
    package init(parsing terms: [String], for verb: FilterVerb, now: Int64) throws {
        self.init()
        for term in terms {
            guard let equals = term.firstIndex(of: "=") else {
                throw ImageError(
                    .invalid,
                    "invalid argument \"\(term)\" for \"-f, --filter\" flag: invalid filter '\(term)': want name=value")
            }
            var key = term[..<equals].lowercased().trimmed
            let value = term[term.index(after: equals)...].trimmed
            // `label!=x` splits at `=`, as docker's own parser does.
            if key.hasSuffix("!") { key = key.dropLast().trimmed + "!" }
            switch (key, verb) {
            case ("dangling", _): dangling = try Self.boolean(value, key: key)
            case ("label", _): labels.append(value)
            case ("label!", .prune): excludedLabels.append(value)
            case ("until", _): until = try Self.time(value, now: now)
            case ("before", .list): before.append(value)
            case ("since", .list): since.append(value)
            case ("reference", .list): references.append(value)
            default:
                let known =
                    verb == .list
                    ? "dangling, before, since, label, reference, until" : "dangling, label, label!, until"
                throw ImageError(.invalid, "invalid filter '\(key)'", hint: "the filters here are \(known)")
            }
        }
    }

    private static func boolean(_ text: String, key: String) throws -> Bool {
        switch text.lowercased() {
        case "1", "true", "t": true
        case "0", "false", "f": false
        default:
            throw ImageError(.invalid, "invalid value for filter '\(key)': \"\(text)\"", hint: "want true or false")
        }
    }

    /// A point in time: seconds since 1970, RFC 3339 (date alone, or without a zone, in UTC), or a duration before now.
    static func time(_ text: String, now: Int64) throws -> Int64 {
        if let seconds = Int64(text.prefix { $0 != "." }), seconds >= 0 { return seconds }
        if let duration = goDuration(text), duration.magnitude < 1e12 { return now - Int64(duration) }
        let zoned =
            text.contains("T") && !text.hasSuffix("Z") && !text.dropFirst(11).contains(where: { "+-".contains($0) })
        let candidates = text.contains("T") ? [zoned ? text + "Z" : text] : [text + "T00:00:00Z"]
        for candidate in candidates {
            if let seconds = secondsSince1970(rfc3339: candidate) { return seconds }
        }
        throw ImageError(
            .invalid, "invalid value for filter 'until': \"\(text)\"",
            hint: "want a time such as 2026-01-31T12:00:00, a date, or a duration such as 24h")
    }

    /// Whether labels pass the `label` and `label!` terms.
    func accepts(labels imageLabels: [String: String]) -> Bool {
        func has(_ term: String) -> Bool {
            let parts = term.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard let value = imageLabels[parts[0]] else { return false }
            return parts.count == 1 || value == parts[1]
        }
        return labels.allSatisfy(has) && !excludedLabels.contains(where: has)
    }
}

extension StringProtocol {
    fileprivate var trimmed: String {
        var view = self[...]
        while let first = view.first, first.isWhitespace { view = view.dropFirst() }
        while let last = view.last, last.isWhitespace { view = view.dropLast() }
        return String(view)
    }
}

/// Seconds since 1970 of an RFC 3339 time, fractions dropped; nil where the text is none.
func secondsSince1970(rfc3339 text: String) -> Int64? {
    // FoundationEssentials parses fractions of three digits only: cut them, they do not matter to seconds.
    var cut = text
    if let dot = cut.firstIndex(of: ".") {
        let end = cut[cut.index(after: dot)...].firstIndex { !$0.isNumber } ?? cut.endIndex
        cut.removeSubrange(dot..<end)
    }
    guard let date = try? Date(cut, strategy: .iso8601) else { return nil }
    let seconds = date.timeIntervalSince1970
    return seconds.magnitude < 1e15 ? Int64(seconds.rounded(.down)) : nil
}

/// Seconds of a Go duration (`1h30m`, `90s`, `1.5h`); nil where the text is none.
func goDuration(_ text: String) -> Double? {
    let units: [(String, Double)] = [
        ("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("h", 3600), ("m", 60), ("s", 1),
    ]
    var rest = Substring(text)
    var seconds = 0.0
    if rest.isEmpty { return nil }
    while !rest.isEmpty {
        let number = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        guard let value = Double(number) else { return nil }
        rest = rest[number.endIndex...]
        guard let unit = units.first(where: { rest.hasPrefix($0.0) }) else { return nil }
        rest = rest.dropFirst(unit.0.count)
        seconds += value * unit.1
    }
    return seconds
}

/// The RFC 3339 text of a time in UTC.
func rfc3339(_ seconds: Int64) -> String {
    Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
}

/// Whether a name matches a shell pattern: `*` and `?` stop at `/`, `[…]` is a set, `\` escapes (Go's path.Match).
func matches(_ pattern: some StringProtocol, _ name: some StringProtocol) -> Bool {
    matches(Array(pattern.utf8)[...], Array(name.utf8)[...])
}

private func matches(_ pattern: ArraySlice<UInt8>, _ name: ArraySlice<UInt8>) -> Bool {
    var pattern = pattern
    var name = name
    // The last star seen, and where the name stood: backtracking to one star only keeps this linear in both lengths.
    var star: (pattern: ArraySlice<UInt8>, name: ArraySlice<UInt8>)?
    let slash = UInt8(ascii: "/")
    while true {
        if let token = pattern.first, token == UInt8(ascii: "*") {
            pattern = pattern.dropFirst()
            star = (pattern, name)
            continue
        }
        if pattern.isEmpty, name.isEmpty { return true }
        if let byte = name.first, let rest = matchOne(pattern, byte) {
            pattern = rest
            name = name.dropFirst()
            continue
        }
        guard let (afterStar, from) = star, let skipped = from.first, skipped != slash else { return false }
        star = (afterStar, from.dropFirst())
        pattern = afterStar
        name = from.dropFirst()
    }
}

/// Matches one byte against the pattern's first token; the rest of the pattern, or nil.
private func matchOne(_ pattern: ArraySlice<UInt8>, _ byte: UInt8) -> ArraySlice<UInt8>? {
    guard let token = pattern.first else { return nil }
    let rest = pattern.dropFirst()
    switch token {
    case UInt8(ascii: "?"): return byte == UInt8(ascii: "/") ? nil : rest
    case UInt8(ascii: "\\"):
        guard let literal = rest.first, literal == byte else { return nil }
        return rest.dropFirst()
    case UInt8(ascii: "["):
        var set = rest
        let negated = set.first == UInt8(ascii: "^")
        if negated { set = set.dropFirst() }
        var hit = false
        var first = true
        while let low = set.first, first || low != UInt8(ascii: "]") {
            first = false
            set = set.dropFirst()
            var high = low
            if set.first == UInt8(ascii: "-"), let bound = set.dropFirst().first, bound != UInt8(ascii: "]") {
                high = bound
                set = set.dropFirst(2)
            }
            if low <= high, (low...high).contains(byte) { hit = true }
        }
        guard set.first == UInt8(ascii: "]"), hit != negated else { return nil }
        return set.dropFirst()
    default: return token == byte ? rest : nil
    }
}
