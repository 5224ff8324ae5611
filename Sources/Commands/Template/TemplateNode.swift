/// A step of a parsed template.
indirect enum TemplateNode: Sendable {
    case text(String)
    case action(Pipeline)
    case condition(Branch)
    case with(Branch)
    case range(Branch)
    case template(name: String, Pipeline?, SourcePlace)
    case leaveLoop
    case nextRound
}

/// `if`, `with` or `range` with what follows it.
struct Branch: Sendable {
    var pipeline: Pipeline
    var body: [TemplateNode]
    var otherwise: [TemplateNode]
}

/// `$x := command | command`.
struct Pipeline: Sendable {
    var declared: [String] = []
    /// `=` gives a variable that exists a new value.
    var assigns = false
    var commands: [TemplateCommand] = []
    var place: SourcePlace
}

/// A function or a value, with arguments.
struct TemplateCommand: Sendable {
    var operands: [Operand]
    var place: SourcePlace { operands[0].place }
}

/// A value in a command.
struct Operand: Sendable {
    indirect enum Kind: Sendable {
        case dot
        case null
        case constant(Value, source: String)
        /// `.A.B`.
        case field([String])
        /// `$x.A.B`.
        case variable(String, [String])
        case function(String)
        case pipeline(Pipeline)
        /// `(pipeline).A.B`, `function.A`.
        case chain(Operand, [String])
    }

    var kind: Kind
    var place: SourcePlace
}

// The text that errors show, as Go writes its nodes.
extension Pipeline: CustomStringConvertible {
    var description: String {
        let names = declared.map { "$\($0)" }.joined(separator: ", ")
        let prefix = declared.isEmpty ? "" : "\(names) \(assigns ? "=" : ":=") "
        return prefix + commands.map(\.description).joined(separator: " | ")
    }
}

extension TemplateCommand: CustomStringConvertible {
    var description: String { operands.map(\.description).joined(separator: " ") }
}

extension Operand: CustomStringConvertible {
    var description: String {
        switch kind {
        case .dot: "."
        case .null: "nil"
        case .constant(_, let source): source
        case .field(let names): names.map { ".\($0)" }.joined()
        case .variable(let name, let names): "$\(name)" + names.map { ".\($0)" }.joined()
        case .function(let name): name
        case .pipeline(let pipeline): "(\(pipeline))"
        case .chain(let operand, let names): "\(operand)" + names.map { ".\($0)" }.joined()
        }
    }
}
