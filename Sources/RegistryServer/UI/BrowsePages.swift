package import OCI

/// What the browsing pages show, as values: the routes fill them from the database, the pages only lay them out.
package enum Browse {
    package struct RepositoryRow: Sendable {
        package var name: String
        package var tags: Int
        package var size: Int64
        package var pushedAt: Int64?

        package init(name: String, tags: Int, size: Int64, pushedAt: Int64?) {
            self.name = name
            self.tags = tags
            self.size = size
            self.pushedAt = pushedAt
        }
    }

    package struct TagRow: Sendable {
        package var name: String
        package var digest: Digest
        package var size: Int64
        package var platforms: [String]
        package var pushedAt: Int64
        package var pulledAt: Int64?
        package var isImmutable: Bool
        /// Bytes that nothing else in the registry holds.
        package var uniqueSize: Int64

        package init(
            name: String, digest: Digest, size: Int64, platforms: [String], pushedAt: Int64, pulledAt: Int64?,
            isImmutable: Bool, uniqueSize: Int64
        ) {
            self.name = name
            self.digest = digest
            self.size = size
            self.platforms = platforms
            self.pushedAt = pushedAt
            self.pulledAt = pulledAt
            self.isImmutable = isImmutable
            self.uniqueSize = uniqueSize
        }
    }

    /// A step of an image's making with the layer it made, where it made one.
    package struct LayerRow: Sendable {
        package var command: String
        package var digest: Digest?
        package var size: Int64

        package init(command: String, digest: Digest?, size: Int64) {
            self.command = command
            self.digest = digest
            self.size = size
        }
    }

    package struct ReferrerRow: Sendable {
        package var digest: Digest
        package var kind: String
        package var size: Int64

        package init(digest: Digest, kind: String, size: Int64) {
            self.digest = digest
            self.kind = kind
            self.size = size
        }
    }

    /// One manifest: of an image, or of one platform of an index.
    package struct Image: Sendable {
        package var platform: String
        package var digest: Digest
        package var layers: [LayerRow]
        /// The config as readable JSON.
        package var configuration: String

        package init(platform: String, digest: Digest, layers: [LayerRow], configuration: String) {
            self.platform = platform
            self.digest = digest
            self.layers = layers
            self.configuration = configuration
        }
    }
}

extension PageContext {
    /// The start page and the search result.
    package func repositories(_ rows: [Browse.RepositoryRow], search: String?, next: String?) -> String {
        var content: [HTML] = []
        if rows.isEmpty {
            content.append(.paragraph([.text(language(search == nil ? .noRepositories : .nothingFound))]))
        } else {
            content.append(
                .table(
                    caption: "", headings: [.repository, .tags, .size, .pushed].map { language($0) },
                    rows: rows.map { row in
                        [
                            .anchor(row.name, path: ["-", "repository"], query: [("name", row.name)]),
                            .text("\(row.tags)"),
                            bytes(row.size), time(row.pushedAt),
                        ]
                    }))
        }
        if let next {
            let query = [("after", next)] + (search.map { [("q", $0)] } ?? [])
            content.append(
                .paragraph([
                    .anchor(language(.nextPage), path: ["-", search == nil ? "repositories" : "search"], query: query)
                ]))
        }
        return page(title: language(search == nil ? .repositories : .search), search: search ?? "", content)
    }

    /// A repository's tags and what they take.
    package func repository(
        _ name: String, tags: [Browse.TagRow], uniqueSize: Int64, sharedSize: Int64, history: [HistoryEntry],
        historyProblem: String?, next: String? = nil, restorable: [String] = []
    ) -> String {
        let rows = tags.map { tag -> [HTML] in
            [
                .group(
                    [.anchor(tag.name, path: ["-", "tag"], query: [("name", name), ("tag", tag.name)])]
                        + (tag.isImmutable
                            ? [" ", .element("span", [.text("class", "soft")], [.text(language(.immutable))])] : [])),
                .code(String(tag.digest.description.prefix(19))), bytes(tag.size),
                .text(tag.platforms.joined(separator: ", ")),
                time(tag.pushedAt), time(tag.pulledAt), bytes(tag.uniqueSize),
            ]
        }
        let headings: [Phrase] = [.tag, .digest, .size, .platforms, .pushed, .lastPull, .freedByRemoval]
        let more: [HTML] =
            next.map {
                [
                    .paragraph([
                        .anchor(
                            language(.nextPage), path: ["-", "repository"], query: [("name", name), ("after", $0)])
                    ])
                ]
            } ?? []
        let removed: [HTML] = restorable.map { tag in
            .form(
                path: ["-", "tag", "restore"], token: token, submit: "\(language(.restore)) \(tag)",
                [hidden("name", name), hidden("tag", tag)])
        }
        return page(
            title: name,
            [
                command("docker pull \(authority)/\(name)\(tags.first.map { ":\($0.name)" } ?? "")"),
                .table(caption: language(.tags), headings: headings.map { language($0) }, rows: rows), .group(more),
                .heading(2, language(.space)),
                .paragraph([
                    .text("\(language(.unique)): "), bytes(uniqueSize), .text(" · \(language(.shared)): "),
                    bytes(sharedSize),
                ]),
                .heading(2, language(.history)),
                historyProblem.map {
                    .element("p", [.text("class", "bad")], [.text("\(language(.historyBroken)): \($0)")])
                } ?? .element("p", [.text("class", "good")], [.text(language(.historyHolds))]),
                .group(removed),
                .table(
                    caption: language(.history), headings: [.when, .tag, .digest, .who].map { language($0) },
                    rows: history.map { entry in
                        [
                            time(entry.at), .text(entry.tag),
                            entry.digest.map { .code(String($0.description.prefix(19))) }
                                ?? .element("span", [.text("class", "bad")], [.text(language(.removed))]),
                            .text(entry.by.isEmpty ? language(.anonymous) : entry.by),
                        ]
                    }),
            ])
    }

    /// A tag: its images, their layers with the command of each step, their configs, and what refers to them.
    package func tag(
        _ name: String, _ tag: Browse.TagRow, images: [Browse.Image], referrers: [Browse.ReferrerRow],
        mayDelete: Bool = false
    ) -> String {
        var content: [HTML] = [
            command("docker pull \(authority)/\(name):\(tag.name)"),
            command("docker pull \(authority)/\(name)@\(tag.digest)"),
        ]
        for image in images {
            content += [
                .heading(2, image.platform), .paragraph([.code(image.digest.description)]),
                .table(
                    caption: language(.layers), headings: [.command, .size, .digest].map { language($0) },
                    rows: image.layers.map { layer in
                        [
                            .code(layer.command), bytes(layer.size),
                            layer.digest.map { .code(String($0.description.prefix(19))) }
                                ?? .element("span", [.text("class", "soft")], [.text(language(.noLayer))]),
                        ]
                    }),
                .element(
                    "details", [],
                    [
                        .element("summary", [], [.text(language(.configuration))]),
                        .element("pre", [], [.code(image.configuration)]),
                    ]),
            ]
        }
        if !referrers.isEmpty {
            content.append(
                .table(
                    caption: language(.referrers), headings: [.kind, .digest, .size].map { language($0) },
                    rows: referrers.map { [.text($0.kind), .code($0.digest.description), bytes($0.size)] }))
        }
        if mayDelete, !tag.isImmutable {
            content.append(
                .form(
                    path: ["-", "tag", "delete"], token: token, submit: language(.remove), isDangerous: true,
                    [hidden("name", name), hidden("tag", tag.name)]))
        }
        return page(title: "\(name):\(tag.name)", content)
    }

    /// The form to log in, with what went wrong the last time.
    package func login(problem: Phrase?, returnTo: String) -> String {
        let form = HTML.form(
            path: ["-", "login"], token: token, submit: language(.logIn),
            [
                .void("input", [.text("type", "hidden"), .text("name", "return"), .text("value", returnTo)]),
                .field(label: language(.userName), name: "user", autocomplete: "username"),
                .field(
                    label: language(.password), name: "password", kind: "password", autocomplete: "current-password"),
            ])
        let told = problem.map {
            [HTML.element("p", [.text("class", "bad"), .text("role", "alert")], [.text(language($0))])]
        }
        return page(title: language(.logIn), (told ?? []) + [form])
    }

    /// A page that says one thing: not found, not allowed.
    package func message(_ phrase: Phrase, detail: String? = nil) -> String {
        page(
            title: authority,
            [.paragraph([.text(language(phrase))])] + (detail.map { [.paragraph([.text($0)])] } ?? []))
    }

    /// A value that a form carries along.
    func hidden(_ name: String, _ value: String) -> HTML {
        .void("input", [.text("type", "hidden"), .text("name", name), .text("value", value)])
    }
}
