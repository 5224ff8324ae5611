extension PageContext {
    /// The form to log in, with what went wrong the last time.
    package func login(problem: Phrase?, returnTo: String) -> String {
        let form = HTML.form(
            path: ["-", "login"], token: token, submit: language(.logIn),
            [
                .hidden("return", returnTo),
                .field(label: language(.userName), name: "user", autocomplete: "username", isFocused: true),
                .field(
                    label: language(.password), name: "password", kind: "password", autocomplete: "current-password"),
            ])
        let told = problem.map { [alert(language($0))] } ?? []
        return page(
            title: language(.logIn), heading: .text("\(language(.logInTo)) \(authority)"), kind: "narrow", told + [form]
        )
    }

    /// What went wrong, told at once by a screen reader too.
    func alert(_ text: String) -> HTML {
        .element("p", [.text("class", "alert bad"), .text("role", "alert")], [.text(text)])
    }

    /// A page that says one thing: not found, not allowed.
    package func message(_ phrase: Phrase, detail: String? = nil) -> String {
        let title: Phrase = phrase == .notFound ? .missing : phrase == .forbidden ? .refused : .problem
        return page(
            title: language(title), kind: "narrow",
            [.paragraph([.text(language(phrase))])]
                + (detail.map { [.element("p", [.text("class", "soft")], [.text($0)])] } ?? [])
                + [.paragraph([.anchor(language(.back), path: [])])])
    }
}
