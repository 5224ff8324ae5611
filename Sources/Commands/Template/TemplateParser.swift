/// Builds the tree of a template and refuses what cannot be carried out: unknown functions, unknown variables, bad nesting.
struct TemplateParser {
    /// How deep blocks and parentheses may nest.
    static let depthLimit = 100

    private let tokens: [Token]
    private var next = 0
    private var variables = [""]
    private var loops = 0
    private var depth = 0
    /// The templates named by `define` and `block`.
    private var definitions: [String: [TemplateNode]] = [:]

    private init(_ tokens: [Token]) { self.tokens = tokens }

    static func parse(_ text: String) throws(TemplateError) -> (
        root: [TemplateNode], definitions: [String: [TemplateNode]]
    ) {
        var parser = TemplateParser(try TemplateLexer.tokens(of: text))
        var root: [TemplateNode] = []
        while true {
            let (nodes, stop) = try parser.list(topLevel: true)
            root += nodes
            switch stop {
            case .end: throw parser.failure("unexpected {{end}}")
            case .otherwise: throw parser.failure("unexpected {{else}}")
            case .endOfText: return (root, parser.definitions)
            }
        }
    }

    /// What ended a list of nodes.
    private enum Stop { case end, otherwise, endOfText }

    private mutating func list(topLevel: Bool = false) throws(TemplateError) -> ([TemplateNode], Stop) {
        depth += 1
        defer { depth -= 1 }
        if depth > Self.depthLimit { throw failure("blocks nest deeper than \(Self.depthLimit)") }
        var nodes: [TemplateNode] = []
        while true {
            let token = take()
            switch token.kind {
            case .text(let text): nodes.append(.text(text))
            case .end:
                if topLevel { return (nodes, .endOfText) }
                throw failure("unexpected EOF")
            case .leftDelimiter:
                if case .word("end") = peek.kind {
                    _ = take()
                    try expectRightDelimiter(in: "end")
                    return (nodes, .end)
                }
                if case .word("else") = peek.kind {
                    _ = take()
                    // `else if` and `else with` leave their word for the caller.
                    if case .word(let word) = peek.kind, word == "if" || word == "with" { return (nodes, .otherwise) }
                    try expectRightDelimiter(in: "else")
                    return (nodes, .otherwise)
                }
                if let node = try action(topLevel: topLevel) { nodes.append(node) }
            default: throw unexpected(token, in: "input")
            }
        }
    }

    /// An action after its left delimiter; nil for a definition.
    private mutating func action(topLevel: Bool) throws(TemplateError) -> TemplateNode? {
        guard case .word(let word) = peek.kind else {
            return .action(try pipeline("command", until: .rightDelimiter))
        }
        switch word {
        case "if":
            _ = take()
            return .condition(try branch("if", chains: "if"))
        case "with":
            _ = take()
            return .with(try branch("with", chains: "with"))
        case "range":
            _ = take()
            return .range(try branch("range", chains: nil))
        case "break", "continue":
            _ = take()
            if loops == 0 { throw failure("{{\(word)}} outside {{range}}") }
            try expectRightDelimiter(in: "{{\(word)}}")
            return word == "break" ? .leaveLoop : .nextRound
        case "template":
            _ = take()
            let place = peek.place
            let name = try templateName("template clause")
            if case .rightDelimiter = peek.kind {
                _ = take()
                return .template(name: name, nil, place)
            }
            return .template(name: name, try pipeline("template clause", until: .rightDelimiter), place)
        case "define":
            let token = take()
            if !topLevel { throw unexpected(token, in: "command") }
            let name = try templateName("define clause")
            try expectRightDelimiter(in: "define clause")
            try definition(name, "define clause")
            return nil
        case "block":
            _ = take()
            let place = peek.place
            let name = try templateName("block clause")
            let pipeline = try pipeline("block clause", until: .rightDelimiter)
            try definition(name, "block clause")
            return .template(name: name, pipeline, place)
        default: return .action(try pipeline("command", until: .rightDelimiter))
        }
    }

    private mutating func definition(_ name: String, _ context: String) throws(TemplateError) {
        let outer = (variables, loops)
        variables = [""]
        loops = 0
        let (nodes, stop) = try list()
        if case .otherwise = stop { throw failure("unexpected {{else}} in \(context)") }
        (variables, loops) = outer
        definitions[name] = nodes
    }

    private mutating func templateName(_ context: String) throws(TemplateError) -> String {
        let token = take()
        guard case .string(let name) = token.kind else { throw unexpected(token, in: context) }
        return name
    }

    private mutating func branch(_ context: String, chains: String?) throws(TemplateError) -> Branch {
        let scope = variables.count
        defer { variables.removeSubrange(scope...) }
        let pipeline = try pipeline(context, until: .rightDelimiter)
        if context == "range" { loops += 1 }
        let (body, stop) = try list()
        if context == "range" { loops -= 1 }
        guard case .otherwise = stop else { return Branch(pipeline: pipeline, body: body, otherwise: []) }
        if case .word(let word) = peek.kind {
            if word != chains { throw unexpected(peek, in: "input") }
            // `else if` is an `if` in the `else`, which shares its `end`.
            _ = take()
            depth += 1
            defer { depth -= 1 }
            if depth > Self.depthLimit { throw failure("blocks nest deeper than \(Self.depthLimit)") }
            let inner = try branch(word, chains: chains)
            return Branch(pipeline: pipeline, body: body, otherwise: [word == "if" ? .condition(inner) : .with(inner)])
        }
        let (otherwise, last) = try list()
        if case .otherwise = last { throw failure("expected end; found {{else}}") }
        return Branch(pipeline: pipeline, body: body, otherwise: otherwise)
    }

    private mutating func pipeline(_ context: String, until end: Token.Kind) throws(TemplateError) -> Pipeline {
        depth += 1
        defer { depth -= 1 }
        if depth > Self.depthLimit { throw failure("parentheses nest deeper than \(Self.depthLimit)") }
        var pipeline = Pipeline(place: peek.place)
        try declarations(of: &pipeline, context)
        while true {
            let token = peek
            if token.kind == end {
                _ = take()
                if pipeline.commands.isEmpty { throw failure("missing value for \(context)") }
                for (index, command) in pipeline.commands.enumerated().dropFirst() {
                    switch command.operands[0].kind {
                    case .dot, .null, .constant:
                        throw failure("non executable command in pipeline stage \(index + 1)")
                    default: break
                    }
                }
                return pipeline
            }
            switch token.kind {
            case .dot, .field, .variable, .word, .integer, .double, .string, .leftParenthesis:
                if case .word(let word) = token.kind, Self.keywords.contains(word) {
                    throw unexpected(take(), in: context)
                }
                pipeline.commands.append(try command())
            default: throw unexpected(take(), in: context)
            }
        }
    }

    private mutating func declarations(of pipeline: inout Pipeline, _ context: String) throws(TemplateError) {
        while case .variable(let name) = peek.kind {
            switch tokens[next + 1].kind {
            case .declare, .assign:
                pipeline.assigns = tokens[next + 1].kind == .assign
                if pipeline.assigns, !variables.contains(name) { throw failure("undefined variable \"$\(name)\"") }
                pipeline.declared.append(name)
                variables.append(name)
                next += 2
                return
            case .comma:
                if context != "range" || !pipeline.declared.isEmpty {
                    throw failure("too many declarations in \(context)")
                }
                pipeline.declared.append(name)
                variables.append(name)
                next += 2
                guard case .variable = peek.kind else { throw failure("range can only initialize variables") }
            default: return
            }
        }
    }

    private mutating func command() throws(TemplateError) -> TemplateCommand {
        var operands: [Operand] = []
        while true {
            if let operand = try operand() { operands.append(operand) }
            let token = peek
            switch token.kind {
            case .rightDelimiter, .rightParenthesis: break
            case .pipe:
                _ = take()
                // `{{.A |}}`: a pipe wants a command.
                if case .rightDelimiter = peek.kind { throw failure("missing value for command") }
            default:
                if token.followsSpace, !operands.isEmpty { continue }
                throw unexpected(take(), in: "operand")
            }
            if operands.isEmpty { throw failure("empty command") }
            return TemplateCommand(operands: operands)
        }
    }

    private mutating func operand() throws(TemplateError) -> Operand? {
        guard var operand = try term() else { return nil }
        var names: [String] = []
        let place = peek.place
        while case .field(let name) = peek.kind, !peek.followsSpace {
            names.append(name)
            _ = take()
        }
        if names.isEmpty { return operand }
        switch operand.kind {
        case .field(let first): operand = Operand(kind: .field(first + names), place: place)
        case .variable(let name, let first): operand = Operand(kind: .variable(name, first + names), place: place)
        case .dot, .null, .constant: throw failure("unexpected . after term \"\(operand)\"")
        case .function, .pipeline, .chain: operand = Operand(kind: .chain(operand, names), place: place)
        }
        return operand
    }

    private mutating func term() throws(TemplateError) -> Operand? {
        let token = peek
        let kind: Operand.Kind
        switch token.kind {
        case .word("nil"): kind = .null
        case .word("true"): kind = .constant(.bool(true), source: "true")
        case .word("false"): kind = .constant(.bool(false), source: "false")
        case .word(let name):
            if Self.keywords.contains(name) { return nil }
            if TemplateFunctions.signature(of: name) == nil { throw failure("function \"\(name)\" not defined") }
            kind = .function(name)
        case .dot: kind = .dot
        case .field(let name): kind = .field([name])
        case .variable(let name):
            if !variables.contains(name) { throw failure("undefined variable \"$\(name)\"") }
            kind = .variable(name, [])
        case .integer(let value): kind = .constant(.int(value), source: token.source)
        case .double(let value): kind = .constant(.double(value), source: token.source)
        case .string(let value): kind = .constant(.string(value), source: token.source)
        case .leftParenthesis:
            _ = take()
            return Operand(
                kind: .pipeline(try pipeline("parenthesized pipeline", until: .rightParenthesis)), place: token.place)
        default: return nil
        }
        _ = take()
        return Operand(kind: kind, place: token.place)
    }

    private static let keywords: Set<String> = [
        "if", "else", "end", "range", "with", "define", "template", "block", "break", "continue",
    ]

    private var peek: Token { tokens[next] }

    private mutating func take() -> Token {
        let token = tokens[next]
        if next + 1 < tokens.count { next += 1 }
        return token
    }

    private mutating func expectRightDelimiter(in context: String) throws(TemplateError) {
        let token = take()
        guard case .rightDelimiter = token.kind else { throw unexpected(token, in: context) }
    }

    private func unexpected(_ token: Token, in context: String) -> TemplateError {
        let text: String
        switch token.kind {
        case .end: text = "EOF"
        case .word(let word) where Self.keywords.contains(word): text = "<\(word)>"
        default:
            let source = token.source
            text =
                source.utf8.count > 10
                ? GoFormat.quoted(String(source.prefix(10))) + "..." : GoFormat.quoted(source)
        }
        return .syntax("unexpected \(text) in \(context)", line: token.place.line)
    }

    /// An error at the last token taken.
    private func failure(_ message: String) -> TemplateError {
        .syntax(message, line: tokens[max(next - 1, 0)].place.line)
    }
}
