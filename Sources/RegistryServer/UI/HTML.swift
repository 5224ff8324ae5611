import OCI

/// A piece of a page. Text is escaped when it becomes a piece, so what users name things can never become markup.
///
///     let row: HTML = .element("tr", [.text("class", "tag")], [.cell(tag.name)])
///
/// There is no way to make a piece of raw markup: every element, attribute and address goes through here.
package struct HTML: Sendable, Hashable, CustomStringConvertible {
    /// An attribute with its value, escaped.
    package struct Attribute: Sendable, Hashable {
        fileprivate let text: String

        /// A plain attribute; never one that holds an address or a script.
        package static func text(_ name: StaticString, _ value: String) -> Attribute {
            Attribute(text: " \(name)=\"\(HTML.escaped(value))\"")
        }

        /// An attribute that is there or not: `required`, `checked`.
        package static func flag(_ name: StaticString, if isSet: Bool = true) -> Attribute {
            Attribute(text: isSet ? " \(name)" : "")
        }

        /// An address inside this registry, path components and query percent-encoded.
        package static func link(_ name: StaticString = "href", path: [String], query: [(String, String)] = [])
            -> Attribute
        {
            Attribute(text: " \(name)=\"\(HTML.escaped(HTML.address(path, query)))\"")
        }
    }

    /// The markup.
    package let description: String

    private init(markup: String) { description = markup }

    package static let empty = HTML(markup: "")

    /// Text, escaped.
    package static func text(_ text: String) -> HTML { HTML(markup: escaped(text)) }

    /// An element with what is in it.
    package static func element(_ name: StaticString, _ attributes: [Attribute] = [], _ content: [HTML] = []) -> HTML {
        HTML(markup: "<\(name)\(attributes.map(\.text).joined())>\(content.map(\.description).joined())</\(name)>")
    }

    /// An element without an end: `input`, `meta`, `link`, `br`.
    package static func void(_ name: StaticString, _ attributes: [Attribute] = []) -> HTML {
        HTML(markup: "<\(name)\(attributes.map(\.text).joined())>")
    }

    /// Pieces one after another.
    package static func group(_ pieces: [HTML]) -> HTML { HTML(markup: pieces.map(\.description).joined()) }

    /// A whole document around a root element.
    package static func document(language: String, _ content: [HTML]) -> HTML {
        HTML(markup: "<!doctype html>\n\(element("html", [.text("lang", language)], content))\n")
    }

    /// Markup characters as entities; what is no character of HTML is shown as a replacement.
    static func escaped(_ text: String) -> String {
        var result = ""
        result.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            case "\n", "\t": result.unicodeScalars.append(scalar)
            // Control characters, and those that turn the direction of the text around what follows.
            case _
            where scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value)
                || (0x202a...0x202e).contains(scalar.value) || (0x2066...0x2069).contains(scalar.value):
                result += "\u{fffd}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// A path of this site with a query.
    package static func address(_ path: [String], _ query: [(String, String)] = []) -> String {
        // An empty component first would make `//host`, which a browser takes for another site.
        let joined = "/" + path.filter { !$0.isEmpty }.map(\.percentEncoded).joined(separator: "/")
        if query.isEmpty { return joined }
        return joined + "?" + query.map { "\($0.0.percentEncoded)=\($0.1.percentEncoded)" }.joined(separator: "&")
    }
}

extension HTML: ExpressibleByStringLiteral {
    package init(stringLiteral text: String) { self = .text(text) }
}

// The elements that pages are made of, so that their code reads as what is seen.
extension HTML {
    package static func heading(_ level: Int, _ text: String) -> HTML {
        element(level == 2 ? "h2" : "h3", [], [.text(text)])
    }

    package static func paragraph(_ content: [HTML]) -> HTML { element("p", [], content) }

    package static func code(_ text: String) -> HTML { element("code", [], [.text(text)]) }

    /// A link inside the registry.
    package static func anchor(_ text: String, path: [String], query: [(String, String)] = []) -> HTML {
        element("a", [.link(path: path, query: query)], [.text(text)])
    }

    /// A table that a screen reader can find its way in. On a narrow screen each row becomes a card, its cells under the
    /// headings, which each cell carries for that; a row's first cell is its heading.
    package static func table(caption: String, columns: [Column], rows: [[HTML]]) -> HTML {
        func attributes(_ column: Column) -> [Attribute] { column.isNumber ? [.text("class", "number")] : [] }
        return element(
            "table", [],
            [
                element("caption", [.text("class", "hidden")], [.text(caption)]),
                element(
                    "thead", [],
                    [
                        element(
                            "tr", [],
                            columns.map { element("th", [.text("scope", "col")] + attributes($0), [.text($0.heading)]) }
                        )
                    ]),
                element(
                    "tbody", [],
                    rows.map { row in
                        element(
                            "tr", [],
                            zip(row, columns).map { cell, column in
                                let label = column.heading.isEmpty ? [] : [Attribute.text("data-label", column.heading)]
                                return element("td", attributes(column) + label, [cell])
                            })
                    }),
            ])
    }

    /// A column of a table.
    package struct Column: Sendable, Hashable {
        package var heading: String
        package var isNumber = false

        package init(_ heading: String, isNumber: Bool = false) {
            self.heading = heading
            self.isNumber = isNumber
        }
    }

    /// A labelled field of a form.
    package static func field(
        label: String, name: String, kind: String = "text", value: String = "", placeholder: String = "",
        list: String? = nil, isRequired: Bool = true, autocomplete: String = "off", isFocused: Bool = false
    ) -> HTML {
        element(
            "label", [],
            [
                element("span", [], [.text(label)]),
                void(
                    "input",
                    [
                        .text("name", name), .text("type", kind), .text("value", value),
                        .flag("required", if: isRequired), .flag("autofocus", if: isFocused),
                        .text("autocomplete", autocomplete),
                    ] + (placeholder.isEmpty ? [] : [.text("placeholder", placeholder)])
                        + (list.map { [.text("list", $0)] } ?? [])
                        + (autocomplete == "off" || kind == "password" ? [.text("autocapitalize", "none")] : [])),
            ])
    }

    /// A box to tick.
    package static func check(label: String, name: String, value: String = "yes", isChecked: Bool = false) -> HTML {
        element(
            "label", [.text("class", "check")],
            [
                void(
                    "input",
                    [
                        .text("type", "checkbox"), .text("name", name), .text("value", value),
                        .flag("checked", if: isChecked),
                    ]), element("span", [], [.text(label)]),
            ])
    }

    /// A value that a form carries along.
    package static func hidden(_ name: String, _ value: String) -> HTML {
        void("input", [.text("type", "hidden"), .text("name", name), .text("value", value)])
    }

    /// A word that stands out: the state of a thing.
    package static func badge(_ text: String, _ tone: Tone = .plain) -> HTML {
        element("span", [.text("class", "badge \(tone.rawValue)")], [.text(text)])
    }

    package enum Tone: String, Sendable, Hashable { case plain, good, bad }

    /// What is seen only after a click, with or without the script.
    package static func disclosure(_ summary: [HTML], isOpen: Bool = false, kind: String = "", _ content: [HTML])
        -> HTML
    {
        element(
            "details", [.flag("open", if: isOpen)] + (kind.isEmpty ? [] : [.text("class", kind)]),
            [element("summary", [], summary)] + content)
    }

    package static func division(_ kind: String, _ content: [HTML]) -> HTML {
        element("div", [.text("class", kind)], content)
    }

    package static func span(_ kind: String, _ content: [HTML]) -> HTML {
        element("span", [.text("class", kind)], content)
    }

    /// Names with their values: facts about a thing.
    package static func facts(_ facts: [(name: String, value: HTML)], kind: String = "facts") -> HTML {
        element(
            "dl", [.text("class", kind)],
            facts.map { fact in
                element("div", [], [element("dt", [], [.text(fact.name)]), element("dd", [], [fact.value])])
            })
    }

    /// A share as a bar, for the eye only: the figure stands beside it.
    package static func bar(_ share: Double) -> HTML {
        let width = Int((min(max(share, 0), 1) * 100).rounded(.up))
        return element(
            "svg",
            [
                .text("class", "bar"), .text("viewBox", "0 0 100 4"), .text("preserveAspectRatio", "none"),
                .text("aria-hidden", "true"),
            ],
            [
                element("rect", [.text("class", "whole"), .text("width", "100"), .text("height", "4")]),
                element("rect", [.text("class", "part"), .text("width", "\(width)"), .text("height", "4")]),
            ])
    }

    /// A form that posts to this registry with the token that proves it came from our own page.
    ///
    /// - Parameter isPlain: whether its button is one among others, not what the page is for.
    package static func form(
        path: [String], token: String, submit: String, isDangerous: Bool = false, isPlain: Bool = false,
        _ fields: [HTML]
    ) -> HTML {
        let kind = isDangerous ? "danger" : isPlain ? "plain" : "primary"
        let button = element("button", [.text("type", "submit"), .text("class", kind)], [.text(submit)])
        return element(
            "form", [.text("method", "post"), .link("action", path: path)],
            [hidden("csrf", token)] + fields + [button])
    }
}
