import OCI

/// Flags that several image verbs share.
enum ImageFlags {
    static let quiet = Flag.bool("quiet", "q", "Suppress verbose output")
    static let noTruncation = Flag.bool("no-trunc", nil, "Don't truncate output")
    static let filter = Flag.list("filter", "f", "Filter output based on conditions provided", valueName: "filter")

    static func platform(_ help: String) -> Flag<Platform?> {
        .parsed("platform", nil, help) { try Platform(parsing: $0) }
    }

    static let formatHelp = """
        Format output using a custom template:
        'table':            Print output in table format with column headers (default)
        'table TEMPLATE':   Print output in table format using the given Go template
        'json':             Print in JSON format
        'TEMPLATE':         Print output using the given Go template.
        """
    static let format = Flag.string("format", nil, formatHelp)
    static let inspectFormat = Flag.string(
        "format", "f",
        """
        Format output using a custom template:
        'json':             Print in JSON format
        'TEMPLATE':         Print output using the given Go template.
        """)
    static let json = Flag.bool("json", nil, "Print in JSON format, as --format json")
}

extension Call {
    /// The format asked for: `--format`, or JSON by `--json`.
    var format: String? { self[ImageFlags.json] ? "json" : self[ImageFlags.format] }
}

extension Reference {
    /// A reference as a person typed it; docker's sentence where it is none.
    static func typed(_ text: String) throws -> Reference {
        do { return try Reference(parsing: text) } catch { throw UsageWords(description: "\(error)") }
    }
}

/// A sentence that needs no usage text after it.
struct UsageWords: Error, CustomStringConvertible { var description: String }

/// Does something to each of several names: one that fails does not keep the others from it.
func forEach(_ names: [String], _ call: Call, _ body: (String) async throws -> Void) async -> Int32 {
    var code: Int32 = 0
    for name in names {
        do { try await body(name) } catch {
            call.console.report(error)
            code = 1
        }
    }
    return code
}
