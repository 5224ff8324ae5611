/// Lays out columns as docker's: blanks between them, each column as wide as its widest cell and three more, ten at least.
package enum Table {
    /// - Parameter lines: cells separated by tabs; what follows the last tab is not padded.
    package static func laidOut(_ lines: [String]) -> String {
        let rows = lines.map { $0.split(separator: "\t", omittingEmptySubsequences: false) }
        var widths: [Int] = []
        for row in rows {
            for (column, cell) in row.dropLast().enumerated() {
                if column == widths.count { widths.append(10) }
                widths[column] = max(widths[column], cell.unicodeScalars.count + 3)
            }
        }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                line += cell
                if column < row.count - 1 {
                    line += String(repeating: " ", count: widths[column] - cell.unicodeScalars.count)
                }
            }
            return line + "\n"
        }.joined()
    }
}

/// A listing: rows with fields, shown as a table, as JSON, or by a template of the user's.
package struct Listing: Sendable {
    /// A column: the field's name for templates and the header docker gives it.
    package typealias Header = (field: String, title: String)

    let headers: [Header]
    let standard: String

    /// - Parameters:
    ///   - headers: of every field that a table may show.
    ///   - standard: the template of the table that is shown where nothing else is asked for, without `table `.
    package init(_ headers: [Header], standard: String) {
        self.headers = headers
        self.standard = standard
    }

    /// The text for some rows.
    ///
    /// - Parameters:
    ///   - format: what `--format` says; nil for the standard table.
    ///   - quiet: the one field to show alone, a line each.
    package func text(_ rows: [Value], format: String?, quiet: String? = nil) throws -> String {
        if let quiet, format == nil { return try lines(rows, Template("{{.\(quiet)}}")).map { $0 + "\n" }.joined() }
        let format = format ?? "table"
        if format == "json" { return try lines(rows, Template("{{json .}}")).map { $0 + "\n" }.joined() }
        guard format.hasPrefix("table") else {
            let template = try Self.template(format)
            return try lines(rows, template).map { $0 + "\n" }.joined()
        }
        let columns = format.dropFirst(5).drop { $0 == " " }
        let template = try Self.template(columns.isEmpty ? standard : String(columns))
        let names = Value.record("Header", headers.map { .always($0.field, .string($0.title)) })
        return try Table.laidOut([template.renderHeader(names)] + lines(rows, template))
    }

    private static func template(_ text: String) throws -> Template {
        // As docker: `\t` and `\n` typed in single quotes mean what they say.
        let unescaped = text.replacing(#"\t"#, with: "\t").replacing(#"\n"#, with: "\n")
        do { return try Template(unescaped) } catch {
            throw UsageError("template parsing error: \(error.description)", code: 1)
        }
    }

    private func lines(_ rows: [Value], _ template: Template) throws -> [String] {
        do { return try rows.map { try template.render($0) } } catch {
            throw ExplainedTemplateError(description: "template parsing error: \(error)")
        }
    }
}

/// A template that a value does not fit.
struct ExplainedTemplateError: Error, CustomStringConvertible { var description: String }

extension Template {
    /// What `inspect --format` and its like show: JSON in many lines where there is no format.
    ///
    /// - Parameter format: a template, or `json` for one line each.
    static func inspected(_ values: [Value], format: String?) throws -> String {
        guard let format else { return JSONText.indented(.list(values)) + "\n" }
        if format == "json" { return JSONText.compact(.list(values)) + "\n" }
        do {
            let template = try Template(format)
            return try values.map { try template.render($0, missingKeyIsError: true) + "\n" }.joined()
        } catch { throw ExplainedTemplateError(description: "template parsing error: \(error)") }
    }
}
