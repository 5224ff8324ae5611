/// The languages of the pages.
package enum Language: String, Sendable, CaseIterable {
    case english = "en"
    case chinese = "zh-Hans"

    /// The language a browser asks for: the first of `Accept-Language` that we have, English otherwise (RFC 9110 §12.5.4).
    package init(accepting header: String?) {
        var best: (language: Language, quality: Double)?
        for item in (header ?? "").prefix(1000).split(separator: ",") {
            let parts = item.split(separator: ";").map { $0.filter { !$0.isWhitespace } }
            guard let tag = parts.first?.lowercased() else { continue }
            let quality = parts.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
            let language: Language? =
                switch tag.split(separator: "-").first.map(String.init) {
                case "en": .english
                // Readers of the traditional script get what is nearest.
                case "zh": .chinese
                default: nil
                }
            if let language, quality > 0, quality > best?.quality ?? 0 { best = (language, quality) }
        }
        self = best?.language ?? .english
    }

    /// What its readers call it.
    var ownName: String {
        switch self {
        case .english: "English"
        case .chinese: "简体中文"
        }
    }

    /// How long ago something was, in the largest unit that fits.
    package func age(_ seconds: Int64) -> String {
        let units: [(seconds: Int64, english: String, chinese: String)] = [
            (365 * 86_400, "year", "年"), (30 * 86_400, "month", "个月"), (86_400, "day", "天"), (3600, "hour", "小时"),
            (60, "minute", "分钟"),
        ]
        guard let unit = units.first(where: { seconds >= $0.seconds }) else {
            return self(Phrase("just now", "刚刚"))
        }
        let count = seconds / unit.seconds
        return self(Phrase("\(count) \(unit.english)\(count == 1 ? "" : "s") ago", "\(count) \(unit.chinese)前"))
    }

    /// A word or sentence in this language.
    package func callAsFunction(_ phrase: Phrase) -> String {
        switch self {
        case .english: phrase.english
        case .chinese: phrase.chinese
        }
    }
}
