/// What every page is made with: who reads it, in which language, and the token its forms carry.
package struct PageContext: Sendable {
    package var language: Language
    /// Nil for somebody who did not log in.
    package var userName: String?
    package var isAdministrator: Bool
    /// Proves that a form came from our own page.
    package var token: String
    /// `registry.example:5000`, as pull commands name it.
    package var authority: String

    package init(language: Language, userName: String?, isAdministrator: Bool, token: String, authority: String) {
        self.language = language
        self.userName = userName
        self.isAdministrator = isAdministrator
        self.token = token
        self.authority = authority
    }

    /// A whole page: header with search and account, a way past it, the content.
    package func page(title: String, search: String = "", _ content: [HTML]) -> String {
        let account: [HTML] =
            if let userName {
                (isAdministrator ? [.anchor(language(.administration), path: ["-", "admin"])] : [])
                    + [
                        .element("span", [.text("class", "soft")], [.text(userName)]),
                        .form(path: ["-", "logout"], token: token, submit: language(.logOut), []),
                    ]
            } else {
                [.anchor(language(.logIn), path: ["-", "login"])]
            }
        let searchForm = HTML.element(
            "form", [.text("method", "get"), .link("action", path: ["-", "search"]), .text("role", "search")],
            [
                .void(
                    "input",
                    [
                        .text("type", "search"), .text("name", "q"), .text("value", search),
                        .text("aria-label", language(.searchRepositories)), .text("placeholder", language(.search)),
                    ])
            ])
        let head = HTML.element(
            "head", [],
            [
                .void("meta", [.text("charset", "utf-8")]),
                .void("meta", [.text("name", "viewport"), .text("content", "width=device-width, initial-scale=1")]),
                .element("title", [], [.text("\(title) · \(authority)")]),
                .void("link", [.text("rel", "stylesheet"), .link(path: ["-", "style.css"])]),
                .element("script", [.link("src", path: ["-", "script.js"]), .flag("defer")]),
            ])
        let body = HTML.element(
            "body", [],
            [
                .element("a", [.text("class", "skip"), .text("href", "#content")], [.text(language(.skipToContent))]),
                .element(
                    "header", [],
                    [
                        .element("a", [.text("class", "name"), .link(path: [])], [.text(authority)]), searchForm,
                        .element("nav", [], account),
                    ]),
                .element("main", [.text("id", "content"), .text("tabindex", "-1")], [.heading(1, title)] + content),
            ])
        return HTML.document(language: language.rawValue, [head, body]).description
    }

    /// A command to copy: selectable without the script, a button with it.
    package func command(_ text: String) -> HTML {
        .element(
            "div", [.text("class", "pull")],
            [
                .element("pre", [], [.code(text)]),
                .element(
                    "button",
                    [
                        .text("type", "button"), .flag("hidden"), .text("data-copy", text),
                        .text("data-done", language(.copied)),
                    ], [.text(language(.copy))]),
            ])
    }

    /// `2026-01-31 12:00` in UTC; the machine's form has the zone.
    package func time(_ seconds: Int64?) -> HTML {
        guard let seconds else { return .element("span", [.text("class", "soft")], [.text(language(.never))]) }
        let machine = utc(seconds)
        return .time(String(machine.prefix(16)).replacing("T", with: " "), machine: machine)
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
}
