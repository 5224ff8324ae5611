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
        let joined = "/" + path.filter { !$0.isEmpty }.map(percentEncoded).joined(separator: "/")
        if query.isEmpty { return joined }
        return joined + "?" + query.map { "\(percentEncoded($0.0))=\(percentEncoded($0.1))" }.joined(separator: "&")
    }

    /// RFC 3986 unreserved characters stay, all else is percent-encoded; slashes inside a component too.
    static func percentEncoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var result: [UInt8] = []
        for byte in text.utf8 {
            let isUnreserved =
                (65...90).contains(byte) || (97...122).contains(byte) || (48...57).contains(byte)
                || "-._~".utf8.contains(byte)
            result += isUnreserved ? [byte] : [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        }
        return String(decoding: result, as: UTF8.self)
    }
}

extension HTML: ExpressibleByStringLiteral {
    package init(stringLiteral text: String) { self = .text(text) }
}

// The elements that pages are made of, so that their code reads as what is seen.
extension HTML {
    package static func heading(_ level: Int, _ text: String) -> HTML {
        switch level {
        case 1: element("h1", [], [.text(text)])
        case 2: element("h2", [], [.text(text)])
        default: element("h3", [], [.text(text)])
        }
    }

    package static func paragraph(_ content: [HTML]) -> HTML { element("p", [], content) }

    package static func code(_ text: String) -> HTML { element("code", [], [.text(text)]) }

    /// A link inside the registry.
    package static func anchor(_ text: String, path: [String], query: [(String, String)] = []) -> HTML {
        element("a", [.link(path: path, query: query)], [.text(text)])
    }

    /// A time that a machine can read too; `shown` is what people see.
    package static func time(_ shown: String, machine: String) -> HTML {
        element("time", [.text("datetime", machine)], [.text(shown)])
    }

    /// A table that a screen reader can find its way in: headings have a scope, and it scrolls on a narrow screen.
    package static func table(caption: String, headings: [String], rows: [[HTML]]) -> HTML {
        element(
            "div", [.text("class", "scroll")],
            [
                element(
                    "table", [],
                    [
                        element("caption", [], [.text(caption)]),
                        element(
                            "thead", [],
                            [element("tr", [], headings.map { element("th", [.text("scope", "col")], [.text($0)]) })]),
                        element(
                            "tbody", [], rows.map { row in element("tr", [], row.map { element("td", [], [$0]) }) }),
                    ])
            ])
    }

    /// A labelled field of a form.
    package static func field(
        label: String, name: String, kind: String = "text", value: String = "", isRequired: Bool = true,
        autocomplete: String = "off"
    ) -> HTML {
        element(
            "label", [],
            [
                element("span", [], [.text(label)]),
                void(
                    "input",
                    [
                        .text("name", name), .text("type", kind), .text("value", value),
                        .flag("required", if: isRequired),
                        .text("autocomplete", autocomplete),
                    ]),
            ])
    }

    /// A form that posts to this registry with the token that proves it came from our own page.
    package static func form(path: [String], token: String, submit: String, isDangerous: Bool = false, _ fields: [HTML])
        -> HTML
    {
        let hidden = void("input", [.text("type", "hidden"), .text("name", "csrf"), .text("value", token)])
        let button = element(
            "button", [.text("type", "submit"), .text("class", isDangerous ? "danger" : "primary")], [.text(submit)])
        return element("form", [.text("method", "post"), .link("action", path: path)], [hidden] + fields + [button])
    }
}
