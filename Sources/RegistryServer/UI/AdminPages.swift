/// What the administration pages show, as values.
struct AdminPage: Sendable {
    /// The section's last path component.
    var section: String
    var tables: [Table]

    struct Table: Sendable {
        var title: Phrase
        var headings: [Phrase]
        var rows: [Row]
        /// Forms below the table.
        var forms: [Form] = []
    }

    struct Row: Sendable {
        var cells: [String]
        var forms: [Form] = []
    }

    struct Form: Sendable {
        /// What follows `/-/admin/SECTION`.
        var action: String
        var submit: Phrase
        var fields: [Field] = []
        var isDangerous = false
    }

    enum Field: Sendable {
        case hidden(String, String)
        case text(Phrase, String, isRequired: Bool = true)
        case password(Phrase, String)
        case check(Phrase, String)
    }
}

extension PageContext {
    static let sections: [(path: String, title: Phrase)] = [
        ("", .users), ("robots", .robots), ("groups", .groups), ("access", .rights), ("webhooks", .webhooks),
        ("retention", .retention), ("immutable", .immutableTags), ("quotas", .quotas), ("garbage", .garbage),
        ("audit", .audit),
    ]

    func administration(_ shown: AdminPage, note: (Phrase, String)? = nil, problem: String? = nil) -> String {
        let links = Self.sections.map { section -> HTML in
            section.path == shown.section
                ? .element("strong", [.text("aria-current", "page")], [.text(language(section.title))])
                : .anchor(language(section.title), path: ["-", "admin", section.path])
        }
        var content: [HTML] = [
            .element(
                "nav", [.text("aria-label", language(.administration)), .text("class", "sections")],
                links.flatMap { [$0, .text(" ")] })
        ]
        if let problem {
            content.append(.element("p", [.text("class", "bad"), .text("role", "alert")], [.text(problem)]))
        }
        if let note {
            content.append(
                .element(
                    "p", [.text("class", "good"), .text("role", "status")],
                    [.text("\(language(note.0)): "), .code(note.1)]))
        }
        for table in shown.tables {
            if table.rows.isEmpty {
                content += [.heading(2, language(table.title)), .paragraph([.text(language(.nothingToShow))])]
            } else {
                content.append(
                    .table(
                        caption: language(table.title),
                        headings: table.headings.map { language($0) } + [""],
                        rows: table.rows.map { row in
                            row.cells.map { HTML.text($0) } + [.group(row.forms.map { form($0, shown.section) })]
                        }))
            }
            content += table.forms.map { form($0, shown.section) }
        }
        return page(title: language(.administration), content)
    }

    private func form(_ form: AdminPage.Form, _ section: String) -> HTML {
        .form(
            path: ["-", "admin", section.isEmpty ? "users" : section, form.action], token: token,
            submit: language(form.submit), isDangerous: form.isDangerous,
            form.fields.map { field in
                switch field {
                case .hidden(let name, let value): hidden(name, value)
                case .text(let label, let name, let isRequired):
                    .field(label: language(label), name: name, isRequired: isRequired)
                case .password(let label, let name):
                    .field(label: language(label), name: name, kind: "password", autocomplete: "new-password")
                case .check(let label, let name):
                    .element(
                        "label", [],
                        [
                            .element("span", [], [.text(language(label))]),
                            .void("input", [.text("type", "checkbox"), .text("name", name), .text("value", "yes")]),
                        ])
                }
            })
    }
}
