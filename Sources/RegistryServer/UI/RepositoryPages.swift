import OCI

extension PageContext {
    /// The start page and the search result.
    package func repositories(_ rows: [Browse.RepositoryRow], search: String?, next: String?) -> String {
        var content: [HTML] = []
        if rows.isEmpty {
            content.append(search == nil ? nothingYet() : emptyNote(.nothingFound))
        } else {
            content.append(
                .division(
                    "card",
                    [
                        .table(
                            caption: language(.repositories),
                            columns: columns([.repository, .tags, .size, .pushed], numbers: [.tags, .size]),
                            rows: rows.map { row in
                                [
                                    .anchor(row.name, path: ["-", "repository"], query: [("name", row.name)]),
                                    .text("\(row.tags)"), bytes(row.size), time(row.pushedAt),
                                ]
                            })
                    ]))
        }
        if let next {
            let query = [("after", next)] + (search.map { [("q", $0)] } ?? [])
            content.append(more(path: ["-", search == nil ? "repositories" : "search"], query))
        }
        let title = search.map { "\(language(.result)) \($0)" } ?? language(.repositories)
        return page(title: title, search: search ?? "", content)
    }

    /// What somebody needs who sees nothing: a login, or the way to a first image.
    private func nothingYet() -> HTML {
        if userName == nil, !isAdministrator {
            return .division(
                "empty",
                [
                    .paragraph([.text(language(.logInToSee))]),
                    .paragraph([
                        .element(
                            "a", [.text("class", "button"), .link(path: ["-", "login"])], [.text(language(.logIn))])
                    ]),
                ])
        }
        return .division(
            "empty",
            [
                .heading(2, language(.firstPush)), .paragraph([.text(language(.firstPushHint))]),
                command("docker tag alpine \(authority)/alpine"), command("docker push \(authority)/alpine"),
            ])
    }

    func emptyNote(_ phrase: Phrase) -> HTML { .division("empty", [.paragraph([.text(language(phrase))])]) }

    private func more(path: [String], _ query: [(String, String)]) -> HTML {
        .element("p", [.text("class", "more")], [.anchor(language(.nextPage), path: path, query: query)])
    }

    /// The steps to a repository: every folder of its name is a search.
    func trail(to name: String) -> [Step] {
        var steps = [Step(language(.repositories), path: [])]
        var folder = ""
        for component in name.split(separator: "/").dropLast() {
            folder += "\(component)/"
            steps.append(Step(String(component), path: ["-", "search"], query: [("q", folder)]))
        }
        return steps
    }

    /// A repository's tags, what they take, and their history.
    package func repository(_ name: String, _ shown: Browse.Repository) -> String {
        var content: [HTML] = [
            command("docker pull \(authority)/\(name)\(shown.tags.first.map { ":\($0.name)" } ?? "")"),
            .facts([
                (language(.tags), .text("\(shown.tagCount)")),
                (language(.totalSize), bytes(shown.uniqueSize + shown.sharedSize)),
                (language(.unique), bytes(shown.uniqueSize)), (language(.shared), bytes(shown.sharedSize)),
                (language(.pushed), time(shown.pushedAt)),
            ]), .heading(2, language(.tags)),
        ]
        if shown.tagCount > 10 || !shown.filter.isEmpty { content.append(tagFilter(name, shown.filter)) }
        content.append(shown.tags.isEmpty ? emptyNote(.nothingFound) : tagTable(name, shown.tags))
        if let next = shown.next {
            content.append(
                more(path: ["-", "repository"], [("name", name), ("tags", shown.filter), ("after", next)]))
        }
        if !shown.restorable.isEmpty {
            content += [
                .heading(2, language(.removedTags)),
                .division(
                    "row",
                    shown.restorable.map { tag in
                        .form(
                            path: ["-", "tag", "restore"], token: token, submit: "\(language(.restore)) \(tag)",
                            isPlain: true, [.hidden("name", name), .hidden("tag", tag)])
                    }),
            ]
        }
        return page(title: name, heading: Self.heading(of: name), trail: trail(to: name), content + history(shown))
    }

    /// A name that breaks at its slashes where it must.
    private static func heading(of name: String) -> HTML {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        return .group(
            parts.enumerated().flatMap { index, part -> [HTML] in
                index == 0 ? [.text(String(part))] : [.text("/"), .void("wbr"), .text(String(part))]
            })
    }

    private func tagFilter(_ name: String, _ filter: String) -> HTML {
        .element(
            "form", [.text("method", "get"), .link("action", path: ["-", "repository"])],
            [
                .hidden("name", name),
                .void(
                    "input",
                    [
                        .text("type", "search"), .text("name", "tags"), .text("value", filter),
                        .text("aria-label", language(.filterTags)), .text("placeholder", language(.filterTags)),
                    ]),
                .element("button", [.text("class", "plain"), .text("type", "submit")], [.text(language(.filter))]),
            ])
    }

    private func tagTable(_ name: String, _ tags: [Browse.TagRow]) -> HTML {
        let rows = tags.map { tag -> [HTML] in
            var title: [HTML] = [.anchor(tag.name, path: ["-", "tag"], query: [("name", name), ("tag", tag.name)])]
            if tag.isImmutable { title += [" ", .badge(language(.immutable))] }
            return [
                .span("cell", title), short(tag.digest.description), platforms(tag.platforms), bytes(tag.size),
                bytes(tag.uniqueSize), time(tag.pushedAt), time(tag.pulledAt),
            ]
        }
        let headings: [Phrase] = [.tag, .digest, .platforms, .size, .freedByRemoval, .pushed, .lastPull]
        return .division(
            "card",
            [
                .table(
                    caption: language(.tags), columns: columns(headings, numbers: [.size, .freedByRemoval]),
                    rows: rows)
            ])
    }

    /// The first platforms; a page is no place for twenty.
    func platforms(_ platforms: [String]) -> HTML {
        // Nearly all are of Linux: what differs is said.
        let first = platforms.prefix(3).map { HTML.badge($0.hasPrefix("linux/") ? String($0.dropFirst(6)) : $0) }
        let rest = platforms.count - first.count
        return .span("badges", first + (rest > 0 ? [.span("soft", [.text("+\(rest)")])] : []))
    }

    private func history(_ shown: Browse.Repository) -> [HTML] {
        let state: HTML =
            shown.historyProblem.map { .badge("\(language(.historyBroken)): \($0)", .bad) }
            ?? .element(
                "span", [.text("class", "badge good"), .text("title", language(.historyHolds))],
                [.text(language(.verified))])
        return [
            .element("h2", [], [.text(language(.history)), " ", state]),
            .division(
                "card",
                [
                    .table(
                        caption: language(.history), columns: columns([.tag, .changed, .who, .when]),
                        rows: shown.history.map { entry in
                            [
                                .span("cell", [.text(entry.tag)]),
                                entry.digest.map { short($0.description) } ?? .badge(language(.removed), .bad),
                                .text(entry.by.isEmpty ? language(.anonymous) : entry.by), time(entry.at),
                            ]
                        })
                ]),
        ]
    }
}
