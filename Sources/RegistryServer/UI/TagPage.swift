import OCI

extension PageContext {
    /// A tag: its images, their layers with the command of each step, how their containers start, and what refers to it.
    package func tag(
        _ name: String, _ tag: Browse.TagRow, images: [Browse.Image], referrers: [Browse.ReferrerRow],
        mayDelete: Bool = false
    ) -> String {
        let repository = "\(authority)/\(name)"
        var content: [HTML] = [
            command("docker pull \(repository):\(tag.name)", label: language(.byTag)),
            .disclosure(
                [.text(language(.otherTools))], kind: "quiet",
                [
                    command("docker pull \(repository)@\(tag.digest)", label: language(.byDigest)),
                    command("strata pull \(repository):\(tag.name)"), command("podman pull \(repository):\(tag.name)"),
                    command("skopeo copy docker://\(repository):\(tag.name) oci:\(lastPart(name)):\(tag.name)"),
                    command("image: \(repository):\(tag.name)", label: "Kubernetes"),
                ]),
            .facts([
                (language(.digest), .element("code", [.text("class", "whole")], [.text(tag.digest.description)])),
                (language(.size), bytes(tag.size)), (language(.freedByRemoval), bytes(tag.uniqueSize)),
                (language(.pushed), time(tag.pushedAt)), (language(.lastPull), time(tag.pulledAt)),
            ]),
        ]
        // An index's platforms one below the other, the first one open.
        for (number, image) in images.enumerated() {
            let parts = self.image(image)
            if images.count == 1 {
                content += [.heading(2, image.platform)] + parts
            } else {
                content.append(
                    .disclosure(
                        [.element("h2", [], [.text(image.platform)]), .span("soft", [bytes(image.size)])],
                        isOpen: number == 0, kind: "platform", parts))
            }
        }
        if !referrers.isEmpty {
            content += [
                .heading(2, language(.referrers)),
                .division(
                    "card",
                    [
                        .table(
                            caption: language(.referrers), columns: columns([.kind, .digest, .size], numbers: [.size]),
                            rows: referrers.map { [.text($0.kind), short($0.digest.description), bytes($0.size)] })
                    ]),
            ]
        }
        if mayDelete, !tag.isImmutable {
            content.append(
                guarded(
                    .removeTag,
                    [
                        .paragraph([.text(language(.removeTagHint))]),
                        .form(
                            path: ["-", "tag", "delete"], token: token, submit: "\(language(.remove)) \(tag.name)",
                            isDangerous: true, [.hidden("name", name), .hidden("tag", tag.name)]),
                    ]))
        }
        var heading: [HTML] = [.text(name), .void("wbr"), .span("tag", [.text(":\(tag.name)")])]
        if tag.isImmutable { heading += [" ", .badge(language(.immutable))] }
        let way = trail(to: name) + [Step(lastPart(name), path: ["-", "repository"], query: [("name", name)])]
        return page(title: "\(name):\(tag.name)", heading: .group(heading), trail: way, content)
    }

    private func lastPart(_ name: String) -> String { name.split(separator: "/").last.map(String.init) ?? name }

    /// What takes a second click, because it cannot be taken back by one.
    func guarded(_ title: Phrase, _ content: [HTML]) -> HTML {
        .disclosure([.text(language(title))], kind: "guard", content)
    }

    private func image(_ image: Browse.Image) -> [HTML] {
        let largest = Double(image.layers.map(\.size).max() ?? 0)
        let rows = image.layers.map { layer -> [HTML] in
            let size: HTML =
                layer.digest == nil
                ? .span("soft", [.text(language(.noLayer))])
                : .group([.bar(largest > 0 ? Double(layer.size) / largest : 0), .span("figure", [bytes(layer.size)])])
            return [
                .element("code", [.text("class", "step")], [.text(LayerCommand.readable(layer.command))]), size,
                layer.digest.map { short($0.description) } ?? .empty,
            ]
        }
        let layers = image.layers.count { $0.digest != nil }
        return [
            .element(
                "p", [.text("class", "soft")],
                [
                    .element("code", [.text("class", "whole")], [.text(image.digest.description)]), .text(" · "),
                    bytes(image.size), .text(" · "),
                    .text("\(layers) \(language(.layers).lowercased())"),
                ]),
            .division(
                "card steps",
                [
                    .table(
                        caption: language(.layers), columns: columns([.command, .size, .digest], numbers: [.size]),
                        rows: rows)
                ]),
        ] + start(image)
    }

    private func start(_ image: Browse.Image) -> [HTML] {
        let start = image.start
        func words(_ words: [String]) -> HTML {
            .code(words.map { $0.contains(" ") || $0.isEmpty ? "\"\($0)\"" : $0 }.joined(separator: " "))
        }
        func lines(_ lines: [String]) -> HTML {
            .element("ul", [.text("class", "lines")], lines.map { .element("li", [], [.code($0)]) })
        }
        var facts: [(String, HTML)] = []
        func add(_ name: Phrase, _ value: HTML, if isThere: Bool) {
            if isThere { facts.append((language(name), value)) }
        }
        add(.entrypoint, words(start.entrypoint), if: !start.entrypoint.isEmpty)
        add(.defaultCommand, words(start.command), if: !start.command.isEmpty)
        add(.runsAs, .code(start.user), if: !start.user.isEmpty)
        add(.workingDirectory, .code(start.workingDirectory), if: !start.workingDirectory.isEmpty)
        add(.ports, lines(start.ports), if: !start.ports.isEmpty)
        add(.volumes, lines(start.volumes), if: !start.volumes.isEmpty)
        add(.environment, lines(start.environment), if: !start.environment.isEmpty)
        add(.labels, lines(start.labels.map { "\($0.name)=\($0.value)" }), if: !start.labels.isEmpty)
        add(.built, .text(start.created), if: !start.created.isEmpty)
        let whole = HTML.disclosure(
            [.text(language(.wholeConfiguration))], kind: "quiet",
            [.element("pre", [.text("tabindex", "0")], [.code(image.configuration)])])
        return (facts.isEmpty ? [] : [.heading(3, language(.configuration)), .facts(facts, kind: "list")]) + [whole]
    }
}

extension Browse.Image {
    var size: Int64 { layers.reduce(0) { $0 + $1.size } }
}

/// How people read the command of a step, whatever builder wrote it down.
package enum LayerCommand {
    /// `/bin/sh -c #(nop)  CMD ["sh"]` is `CMD ["sh"]`, `RUN /bin/sh -c make # buildkit` is `RUN make`; what is chained
    /// goes on on a line of its own.
    package static func readable(_ command: String) -> String {
        var text = command[...]
        if text.hasSuffix("# buildkit") { text = text.dropLast(10) }
        for (prefix, replacement) in [
            ("/bin/sh -c #(nop)", ""), ("RUN /bin/sh -c ", "RUN "), ("/bin/sh -c ", "RUN "),
        ] where text.hasPrefix(prefix) {
            text = (replacement + text.dropFirst(prefix.count).drop { $0 == " " })[...]
            break
        }
        while text.last?.isWhitespace == true { text = text.dropLast() }
        guard text.hasPrefix("RUN "), !text.contains("\n") else { return String(text) }
        let parts = text.split(separator: "&&").map { part in
            var part = part.drop { $0 == " " || $0 == "\t" }
            while part.last == " " || part.last == "\t" { part = part.dropLast() }
            return String(part)
        }
        return parts.joined(separator: " \\\n    && ")
    }
}
