/// What every page is made with: who reads it, in which language, when, and the token its forms carry.
package struct PageContext: Sendable {
    package var language: Language
    /// Nil for somebody who did not log in.
    package var userName: String?
    package var isAdministrator: Bool
    /// Proves that a form came from our own page.
    package var token: String
    /// `registry.example:5000`, as pull commands name it.
    package var authority: String
    /// Seconds since 1970.
    package var now: Int64
    /// The page's own address, to come back to.
    package var location: String

    package init(
        language: Language, userName: String?, isAdministrator: Bool, token: String, authority: String,
        now: Int64 = 0, location: String = "/"
    ) {
        self.language = language
        self.userName = userName
        self.isAdministrator = isAdministrator
        self.token = token
        self.authority = authority
        self.now = now
        self.location = location
    }

    /// A step of the way to a page.
    package struct Step: Sendable {
        var text: String
        var path: [String]
        var query: [(String, String)]

        init(_ text: String, path: [String], query: [(String, String)] = []) {
            self.text = text
            self.path = path
            self.query = query
        }
    }

    /// A whole page: a way past the header, the header with search and account, the content, the languages.
    ///
    /// - Parameters:
    ///   - heading: what stands at the top; the title where it is nil.
    ///   - trail: the way here.
    package func page(
        title: String, heading: HTML? = nil, trail: [Step] = [], search: String = "", kind: String = "",
        _ content: [HTML]
    ) -> String {
        let head = HTML.element(
            "head", [],
            [
                .void("meta", [.text("charset", "utf-8")]),
                .void("meta", [.text("name", "viewport"), .text("content", "width=device-width, initial-scale=1")]),
                .void("meta", [.text("name", "color-scheme"), .text("content", "light dark")]),
                .element("title", [], [.text("\(title) · \(authority)")]),
                .void(
                    "link",
                    [.text("rel", "icon"), .text("type", "image/svg+xml"), asset("href", "icon.svg")]),
                .void("link", [.text("rel", "stylesheet"), asset("href", "style.css")]),
                .element("script", [asset("src", "script.js"), .flag("defer")]),
            ])
        let way: [HTML] =
            trail.isEmpty
            ? []
            : [
                .element(
                    "nav", [.text("class", "trail"), .text("aria-label", language(.youAreHere))],
                    [
                        .element(
                            "ol", [],
                            trail.map { .element("li", [], [.anchor($0.text, path: $0.path, query: $0.query)]) })
                    ])
            ]
        let body = HTML.element(
            "body", kind.isEmpty ? [] : [.text("class", kind)],
            [
                .element("a", [.text("class", "skip"), .text("href", "#content")], [.text(language(.skipToContent))]),
                header(search),
                .element(
                    "main", [.text("id", "content"), .text("tabindex", "-1")],
                    way + [.element("h1", [], [heading ?? .text(title)])] + content),
                footer(),
            ])
        return HTML.document(language: language.rawValue, [head, body]).description
    }

    private func asset(_ attribute: StaticString, _ name: String) -> HTML.Attribute {
        .link(attribute, path: ["-", name], query: [("v", PageAssets.version)])
    }

    private func header(_ search: String) -> HTML {
        let account: [HTML] =
            if let userName {
                (isAdministrator ? [.anchor(language(.administration), path: ["-", "admin"])] : [])
                    + [
                        .element("span", [.text("class", "user")], [.text(userName)]),
                        .form(path: ["-", "logout"], token: token, submit: language(.logOut), isPlain: true, []),
                    ]
            } else {
                // Where there are no accounts yet everybody may manage, and somebody has to make the first.
                (isAdministrator ? [.anchor(language(.administration), path: ["-", "admin"])] : [])
                    + [.anchor(language(.logIn), path: ["-", "login"], query: [("return", location)])]
            }
        let searchForm = HTML.element(
            "form", [.text("method", "get"), .link("action", path: ["-", "search"]), .text("role", "search")],
            [
                .void(
                    "input",
                    [
                        .text("type", "search"), .text("name", "q"), .text("value", search),
                        .text("aria-label", language(.searchRepositories)),
                        .text("placeholder", language(.searchRepositories)), .text("aria-keyshortcuts", "/"),
                        .text("autocapitalize", "none"),
                    ])
            ])
        return .element(
            "header", [],
            [
                .division(
                    "inner",
                    [
                        .element("a", [.text("class", "name"), .link(path: [])], [Self.mark, .text(authority)]),
                        searchForm, .element("nav", [.text("aria-label", language(.account))], account),
                    ])
            ])
    }

    private func footer() -> HTML {
        let languages = Language.allCases.map { other -> HTML in
            let name = HTML.Attribute.text("lang", other.rawValue)
            return other == language
                ? .element("span", [name, .text("aria-current", "true")], [.text(other.ownName)])
                : .element(
                    "a",
                    [
                        name, .text("hreflang", other.rawValue),
                        .link(path: ["-", "language"], query: [("to", other.rawValue), ("return", location)]),
                    ], [.text(other.ownName)])
        }
        return .element(
            "footer", [],
            [
                .division(
                    "inner",
                    [
                        .span("soft", ["Strata"]),
                        .element("nav", [.text("aria-label", language(.languages))], languages),
                    ])
            ])
    }

    /// The sign of Strata: three layers.
    private static let mark = HTML.element(
        "svg",
        [.text("viewBox", "0 0 24 24"), .text("width", "24"), .text("height", "24"), .text("aria-hidden", "true")],
        [("low", "M2 16.5l10 5 10-5"), ("middle", "M2 12l10 5 10-5"), ("high", "M12 2.5l10 5-10 5-10-5z")].map {
            .element("path", [.text("class", $0.0), .text("d", $0.1)])
        })

    /// A command to copy: selectable without the script, a button with it.
    package func command(_ text: String, label: String? = nil) -> HTML {
        .division(
            "command",
            [
                .element(
                    "pre", [.text("tabindex", "0"), .text("aria-label", label ?? language(.command))], [.code(text)]),
                copyButton(text),
            ])
    }

    private func copyButton(_ text: String) -> HTML {
        .element(
            "button",
            [
                .text("type", "button"), .flag("hidden"), .text("data-copy", text),
                .text("data-done", language(.copied)),
            ], [.text(language(.copy))])
    }

    /// A digest as people tell them apart; the whole of it is a pointer's rest away.
    package func short(_ digest: String) -> HTML {
        .element("code", [.text("class", "digest"), .text("title", digest)], [.text(String(digest.prefix(19)))])
    }

    /// How long ago: `3 days ago`, with the time itself behind it.
    package func time(_ seconds: Int64?) -> HTML {
        guard let seconds else { return .span("soft", [.text(language(.never))]) }
        let machine = utc(seconds)
        let exact = "\(machine.prefix(16).replacing("T", with: " ")) UTC"
        return .element(
            "time", [.text("datetime", machine), .text("title", exact)],
            [.text(now == 0 ? exact : language.age(now - seconds))])
    }

    /// Decimal units, as docker shows sizes.
    package func bytes(_ count: Int64) -> HTML {
        let units = ["B", "kB", "MB", "GB", "TB", "PB"]
        var value = Double(count)
        var unit = 0
        while value >= 999.5, unit < units.count - 1 {
            value /= 1000
            unit += 1
        }
        if unit == 0 { return .text("\(count) B") }
        let digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0
        let scale = digits == 2 ? 100.0 : digits == 1 ? 10.0 : 1.0
        let rounded = (value * scale).rounded() / scale
        return .text("\(digits == 0 ? "\(Int64(rounded))" : "\(rounded)") \(units[unit])")
    }

    /// A count with its word.
    func columns(_ phrases: [Phrase], numbers: Set<Phrase> = []) -> [HTML.Column] {
        phrases.map { HTML.Column(language($0), isNumber: numbers.contains($0)) }
    }
}
