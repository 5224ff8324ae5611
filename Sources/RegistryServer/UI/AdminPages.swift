/// What the administration pages show, as values.
struct AdminPage: Sendable {
    /// The section's last path component.
    var section: String
    var tables: [Table]
    /// Names that its fields propose, by the list's name.
    var proposals: [(list: String, names: [String])] = []

    struct Table: Sendable {
        var title: Phrase
        var columns: [Phrase]
        var rows: [Row]
        /// Forms below the table.
        var forms: [Form] = []
        var hint: Phrase?
    }

    struct Row: Sendable {
        var cells: [Cell]
        var forms: [Form] = []
    }

    enum Cell: Sendable {
        case text(String)
        case code(String)
        case badges([(Phrase, HTML.Tone)])
        case bytes(Int64)
        /// Milliseconds since 1970; nil for nothing to show.
        case time(Int64?)
        case repository(String)
        /// A form whose fields show what is, and change it.
        case form(Form)
    }

    struct Form: Sendable {
        /// What follows `/-/admin/SECTION`.
        var action: String
        var submit: Phrase
        var fields: [Field] = []
        var isDangerous = false
        /// Stands above the form.
        var title: Phrase?
    }

    enum Field: Sendable {
        case hidden(String, String)
        case text(Phrase, String, placeholder: String = "", list: String? = nil, isRequired: Bool = true)
        case number(Phrase, String, isRequired: Bool = true)
        case password(Phrase, String)
        case check(Phrase, String, value: String = "yes", isChecked: Bool = false)
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
            let isHere = section.path == shown.section
            return .element(
                "li", [],
                [
                    .element(
                        "a",
                        [.link(path: ["-", "admin", section.path])] + (isHere ? [.text("aria-current", "page")] : []),
                        [.text(language(section.title))])
                ])
        }
        var content: [HTML] = []
        if let problem { content.append(alert(problem)) }
        if let note {
            content.append(
                .element(
                    "div", [.text("class", "alert good"), .text("role", "status")],
                    [.paragraph([.text(language(note.0))]), command(note.1)]))
        }
        for table in shown.tables { content += self.table(table, shown.section) }
        content += shown.proposals.map { proposal in
            .element(
                "datalist", [.text("id", proposal.list)], proposal.names.map { .void("option", [.text("value", $0)]) })
        }
        let title = Self.sections.first { $0.path == shown.section }?.title ?? .administration
        return page(
            title: language(title), trail: [Step(language(.administration), path: ["-", "admin"])], kind: "wide",
            [
                .division(
                    "split",
                    [
                        .element(
                            "nav", [.text("class", "sections"), .text("aria-label", language(.administration))],
                            [.element("ul", [], links)]),
                        .division("", content),
                    ])
            ])
    }

    private func table(_ table: AdminPage.Table, _ section: String) -> [HTML] {
        var content: [HTML] = []
        // The first table's title is the page's.
        if language(table.title) != Self.sections.first(where: { $0.path == section }).map({ language($0.title) }) {
            content.append(.heading(2, language(table.title)))
        }
        if let hint = table.hint { content.append(.element("p", [.text("class", "soft")], [.text(language(hint))])) }
        if table.rows.isEmpty {
            content.append(emptyNote(.nothingToShow))
        } else {
            let hasForms = table.rows.contains { !$0.forms.isEmpty }
            let columns = self.columns(table.columns, numbers: [.size, .used, .limit, .attempts])
            content.append(
                .division(
                    "card",
                    [
                        .table(
                            caption: language(table.title),
                            columns: columns + (hasForms ? [.init(language(.change))] : []),
                            rows: table.rows.map { row in
                                row.cells.map { cell($0, section) } + (hasForms ? [menu(row, section)] : [])
                            })
                    ]))
        }
        return content
            + table.forms.map { form in
                let built = self.form(form, section)
                if form.isDangerous { return guarded(form.title ?? form.submit, [built]) }
                return .division("card form", (form.title.map { [.heading(2, language($0))] } ?? []) + [built])
            }
    }

    /// A row's forms, seen after a click.
    private func menu(_ row: AdminPage.Row, _ section: String) -> HTML {
        if row.forms.isEmpty { return .empty }
        let title = row.forms.count == 1 ? language(row.forms[0].submit) : "\(language(.change))…"
        return .disclosure(
            [.text(title)], kind: "menu", [.division("panel", row.forms.map { form($0, section) })])
    }

    private func cell(_ cell: AdminPage.Cell, _ section: String) -> HTML {
        switch cell {
        case .text(let text): text.isEmpty ? .empty : .span("cell", [.text(text)])
        case .code(let text): .code(text)
        case .badges(let badges): .span("badges", badges.map { .badge(language($0.0), $0.1) })
        case .bytes(let count): bytes(count)
        case .time(let time): time.map { self.time($0 / 1000) } ?? .empty
        case .repository(let name): .anchor(name, path: ["-", "repository"], query: [("name", name)])
        case .form(let form): self.form(form, section)
        }
    }

    private func form(_ form: AdminPage.Form, _ section: String) -> HTML {
        .form(
            path: ["-", "admin", section.isEmpty ? "users" : section, form.action], token: token,
            submit: language(form.submit), isDangerous: form.isDangerous, isPlain: form.title == nil,
            form.fields.map { field in
                switch field {
                case .hidden(let name, let value): .hidden(name, value)
                case .text(let label, let name, let placeholder, let list, let isRequired):
                    .field(
                        label: language(label), name: name, placeholder: placeholder, list: list,
                        isRequired: isRequired)
                case .number(let label, let name, let isRequired):
                    .field(label: language(label), name: name, kind: "number", isRequired: isRequired)
                case .password(let label, let name):
                    .field(label: language(label), name: name, kind: "password", autocomplete: "new-password")
                case .check(let label, let name, let value, let isChecked):
                    .check(label: language(label), name: name, value: value, isChecked: isChecked)
                }
            })
    }
}
