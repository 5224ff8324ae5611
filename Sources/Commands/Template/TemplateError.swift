/// Why a template cannot be parsed or carried out, in the words of Go's text/template, which docker's users know.
package struct TemplateError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The sentence, from `template: ` on.
    package var description: String

    /// An error of the template's text.
    static func syntax(_ message: String, line: Int) -> TemplateError {
        TemplateError(description: "template: :\(line): \(message)")
    }

    /// An error of carrying a template out.
    ///
    /// - Parameters:
    ///   - message: what went wrong.
    ///   - node: the part of the template it went wrong at.
    ///   - place: where that part stands.
    ///   - name: the template that was carried out.
    static func execution(_ message: String, at node: String, _ place: SourcePlace, in name: String) -> TemplateError {
        TemplateError(
            description: "template: :\(place.line):\(place.column): executing \"\(name)\" at <\(node)>: \(message)")
    }
}

/// A place in a template's text: a line from 1, a column from 0, as Go counts.
struct SourcePlace: Sendable, Equatable {
    var line: Int
    var column: Int
}

/// What a function or method says is wrong; the evaluator adds where.
struct FunctionFailure: Error {
    var message: String
    init(_ message: String) { self.message = message }
}
