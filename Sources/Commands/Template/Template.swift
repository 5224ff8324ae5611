/// A Go text/template with docker's functions: what `--format` takes.
///
///     let template = try Template("{{.Name}}: {{join .Tags \", \"}}")
///     try template.render(.record("Image", [.always("Name", .string("alpine")), .always("Tags", .list([]))]))
///
/// Covers actions with trimming, comments, variables, pipelines, `if`, `with`, `range` with `break` and `continue`,
/// `define`, `template` and `block`, Go's functions (but `call`, `html`, `js` and `urlquery`) and docker's. Errors are
/// Go's sentences, from `template: ` on. Work and output are bounded.
package struct Template: Sendable {
    /// The longest template, in bytes.
    package static let sizeLimit = 1 << 16

    private let root: [TemplateNode]
    private let definitions: [String: [TemplateNode]]

    package init(_ text: String) throws(TemplateError) {
        if text.utf8.count > Self.sizeLimit {
            throw TemplateError(description: "template: longer than \(Self.sizeLimit) bytes")
        }
        (root, definitions) = try TemplateParser.parse(text)
    }

    /// The text the template makes of a value.
    ///
    /// - Parameter missingKeyIsError: a map without the key is an error, not `<no value>`.
    package func render(_ value: Value, missingKeyIsError: Bool = false) throws(TemplateError) -> String {
        try run(value, TemplateFunctions.all, missingKeyIsError)
    }

    /// The text the template makes of a table's headers.
    package func renderHeader(_ value: Value) throws(TemplateError) -> String {
        try run(value, TemplateFunctions.forHeaders, false)
    }

    private func run(
        _ value: Value, _ functions: [String: TemplateFunction], _ missingKeyIsError: Bool
    ) throws(TemplateError) -> String {
        var evaluator = TemplateEvaluator(
            definitions: definitions, functions: functions, missingKeyIsError: missingKeyIsError)
        try evaluator.run(root, on: value)
        return String(decoding: evaluator.output, as: UTF8.self)
    }
}
