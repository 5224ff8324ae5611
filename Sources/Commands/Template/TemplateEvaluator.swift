/// Carries a parsed template out on one value.
struct TemplateEvaluator {
    /// How deep templates may call each other.
    static let callLimit = 100
    /// The most bytes one execution may write.
    static let outputLimit = 64 << 20
    /// The most steps one execution may take, so that `range` over a number ends.
    static let stepLimit = 1_000_000

    let definitions: [String: [TemplateNode]]
    let functions: [String: TemplateFunction]
    /// A map's missing key is an error, as where docker looks into raw JSON.
    let missingKeyIsError: Bool
    private(set) var output: [UInt8] = []

    private var variables: [(name: String, value: Value)] = []
    private var steps = 0
    private var calls = 0
    private var name = ""

    init(definitions: [String: [TemplateNode]], functions: [String: TemplateFunction], missingKeyIsError: Bool) {
        self.definitions = definitions
        self.functions = functions
        self.missingKeyIsError = missingKeyIsError
    }

    mutating func run(_ nodes: [TemplateNode], on value: Value) throws(TemplateError) {
        variables = [("", value)]
        _ = try walk(nodes, value)
    }

    /// What a list of nodes asks its loop to do.
    private enum Flow { case onward, leave, again }

    private mutating func walk(_ nodes: [TemplateNode], _ dot: Value) throws(TemplateError) -> Flow {
        for node in nodes {
            steps += 1
            switch node {
            case .text(let text): output += Array(text.utf8)
            case .action(let pipeline):
                let value = try evaluate(pipeline, dot)
                // A declaration prints nothing.
                if pipeline.declared.isEmpty { output += Array(GoFormat.printed(value).utf8) }
            case .condition(let branch):
                let flow = try choose(branch, dot, rebinds: false)
                if flow != .onward { return flow }
            case .with(let branch):
                let flow = try choose(branch, dot, rebinds: true)
                if flow != .onward { return flow }
            case .range(let branch): try loop(branch, dot)
            case .template(let called, let pipeline, let place):
                try call(called, with: pipeline, at: place, dot)
            case .leaveLoop: return .leave
            case .nextRound: return .again
            }
            if output.count > Self.outputLimit || steps > Self.stepLimit {
                throw TemplateError(description: "template: the template does not end within reasonable bounds")
            }
        }
        return .onward
    }

    private mutating func choose(_ branch: Branch, _ dot: Value, rebinds: Bool) throws(TemplateError) -> Flow {
        let scope = variables.count
        defer { variables.removeSubrange(scope...) }
        let value = try evaluate(branch.pipeline, dot)
        return value.isTrue ? try walk(branch.body, rebinds ? value : dot) : try walk(branch.otherwise, dot)
    }

    private mutating func loop(_ branch: Branch, _ dot: Value) throws(TemplateError) {
        let scope = variables.count
        defer { variables.removeSubrange(scope...) }
        let value = try evaluate(branch.pipeline, dot)
        let names = branch.pipeline.declared
        func rounds(_ count: Int, _ element: (Int) -> (Value, Value)) throws(TemplateError) -> Bool {
            for index in 0..<count {
                let (key, item) = element(index)
                let inner = variables.count
                if names.count == 1 { set(names[0], item, from: scope) }
                if names.count == 2 {
                    set(names[0], key, from: scope)
                    set(names[1], item, from: scope)
                }
                let flow = try walk(branch.body, item)
                variables.removeSubrange(inner...)
                steps += 1
                if flow == .leave { break }
                if steps > Self.stepLimit { break }
            }
            return count > 0
        }
        let went: Bool
        switch value {
        case .list(let items): went = try rounds(items.count) { (.int(Int64($0)), items[$0]) }
        case .map(let members):
            let keys = members.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            went = try rounds(keys.count) { (.string(keys[$0]), members[keys[$0]] ?? .missing) }
        case .int(let count):
            went = try rounds(Int(clamping: max(count, 0))) { (.int(Int64($0)), .int(Int64($0))) }
        case .nilList, .nilMap, .missing, .null: went = false
        default:
            throw failure(
                "range can't iterate over \(GoFormat.plain(value))", at: branch.pipeline, branch.pipeline.place)
        }
        if !went { _ = try walk(branch.otherwise, dot) }
    }

    /// The loop's own variable, declared by its pipeline at or after an index.
    private mutating func set(_ name: String, _ value: Value, from scope: Int) {
        let own = variables[scope...].firstIndex { $0.name == name }
        if let index = own ?? variables.lastIndex(where: { $0.name == name }) { variables[index].value = value }
    }

    private mutating func call(
        _ called: String, with pipeline: Pipeline?, at place: SourcePlace, _ dot: Value
    ) throws(TemplateError) {
        let text = "{{template \(GoFormat.quoted(called))\(pipeline.map { " \($0)" } ?? "")}}"
        guard let nodes = definitions[called] else {
            throw failure("template \(GoFormat.quoted(called)) not defined", at: text, place)
        }
        let value: Value
        if let pipeline { value = try evaluate(pipeline, dot) } else { value = .null }
        calls += 1
        defer { calls -= 1 }
        if calls > Self.callLimit {
            throw failure("exceeded maximum template depth (\(Self.callLimit))", at: text, place)
        }
        let outer = (variables, name)
        variables = [("", value)]
        name = called
        _ = try walk(nodes, value)
        (variables, name) = outer
    }

    private mutating func evaluate(_ pipeline: Pipeline, _ dot: Value) throws(TemplateError) -> Value {
        var value: Value?
        for command in pipeline.commands { value = try evaluate(command, dot, piped: value) }
        let result = value ?? .missing
        for declared in pipeline.declared {
            if pipeline.assigns, let index = variables.lastIndex(where: { $0.name == declared }) {
                variables[index].value = result
            } else {
                variables.append((declared, result))
            }
        }
        return result
    }

    private mutating func evaluate(
        _ command: TemplateCommand, _ dot: Value, piped: Value?
    ) throws(TemplateError) -> Value {
        let first = command.operands[0]
        let arguments = command.operands.dropFirst()
        switch first.kind {
        case .function(let name):
            return try call(function: name, first, arguments, piped, dot, at: command)
        case .field(let names): return try follow(names, from: dot, arguments, piped, dot, at: first)
        case .variable(let name, let names):
            let value = variable(name)
            if names.isEmpty {
                try mustNotTakeArguments(first, arguments, piped)
                return value
            }
            return try follow(names, from: value, arguments, piped, dot, at: first)
        case .chain(let operand, let names):
            return try follow(names, from: try evaluate(operand, dot), arguments, piped, dot, at: first)
        case .null: throw failure("nil is not a command", at: first, first.place)
        case .dot, .constant, .pipeline:
            try mustNotTakeArguments(first, arguments, piped)
            return try evaluate(first, dot)
        }
    }

    /// An operand's value where it stands as an argument.
    private mutating func evaluate(_ operand: Operand, _ dot: Value) throws(TemplateError) -> Value {
        switch operand.kind {
        case .dot: return dot
        case .null: return .null
        case .constant(let value, _): return value
        case .field(let names): return try follow(names, from: dot, [], nil, dot, at: operand)
        case .variable(let name, let names): return try follow(names, from: variable(name), [], nil, dot, at: operand)
        case .function(let name): return try call(function: name, operand, [], nil, dot, at: operand)
        case .pipeline(let pipeline): return try evaluate(pipeline, dot)
        case .chain(let inner, let names):
            return try follow(names, from: try evaluate(inner, dot), [], nil, dot, at: operand)
        }
    }

    private func variable(_ name: String) -> Value { variables.last { $0.name == name }?.value ?? .missing }

    /// Follows `.A.B`; arguments go to the last.
    private mutating func follow(
        _ names: [String], from start: Value, _ arguments: ArraySlice<Operand>, _ piped: Value?, _ dot: Value,
        at operand: Operand
    ) throws(TemplateError) -> Value {
        var value = start
        for (index, name) in names.enumerated() {
            let isLast = index == names.count - 1
            value = try field(name, of: value, isLast ? arguments : [], isLast ? piped : nil, dot, at: operand)
        }
        return value
    }

    private mutating func field(
        _ name: String, of value: Value, _ arguments: ArraySlice<Operand>, _ piped: Value?, _ dot: Value,
        at operand: Operand
    ) throws(TemplateError) -> Value {
        let hasArguments = !arguments.isEmpty || piped != nil
        switch value {
        case .object(let object):
            if let value = object.field(name) {
                if hasArguments {
                    throw failure(
                        "\(name) has arguments but cannot be invoked as function", at: operand, operand.place)
                }
                return value
            }
            var values: [Value] = []
            for argument in arguments { values.append(try evaluate(argument, dot)) }
            if let piped { values.append(piped) }
            do {
                if let value = try object.call(name, values) { return value }
            } catch {
                throw failure("\((error as? FunctionFailure)?.message ?? "\(error)")", at: operand, operand.place)
            }
        case .map, .nilMap:
            if hasArguments { throw failure("\(name) is not a method but has arguments", at: operand, operand.place) }
            if let member = value.members?[name] { return member }
            if missingKeyIsError { throw failure("map has no entry for key \"\(name)\"", at: operand, operand.place) }
            return .missing
        case .missing:
            if missingKeyIsError {
                throw failure("nil data; no entry for key \"\(name)\"", at: operand, operand.place)
            }
            return .missing
        case .null: throw failure("nil pointer evaluating interface {}.\(name)", at: operand, operand.place)
        default: break
        }
        throw failure("can't evaluate field \(name) in type \(value.typeName)", at: operand, operand.place)
    }

    private mutating func call(
        function name: String, _ word: Operand, _ arguments: ArraySlice<Operand>, _ piped: Value?, _ dot: Value,
        at node: some CustomStringConvertible
    ) throws(TemplateError) -> Value {
        guard let function = functions[name] else {
            throw failure("\"\(name)\" is not a defined function", at: word, word.place)
        }
        let count = arguments.count + (piped == nil ? 0 : 1)
        let fixed = function.parameters.count
        if function.rest == nil, count != fixed {
            throw failure("wrong number of args for \(name): want \(fixed) got \(count)", at: word, word.place)
        }
        if count < fixed {
            throw failure(
                "wrong number of args for \(name): want at least \(fixed) got \(arguments.count)", at: word, word.place)
        }
        var values: [Value] = []
        for argument in arguments {
            let kind = values.count < fixed ? function.parameters[values.count] : function.rest ?? .any
            let value = try evaluate(argument, dot)
            if let message = kind.objection(to: value, written: argument) {
                throw failure(message, at: argument, argument.place)
            }
            // `and` and `or` evaluate no further than they must.
            if let decides = function.shortCircuit, value.isTrue == decides { return value }
            values.append(value)
        }
        if let piped {
            let kind = values.count < fixed ? function.parameters[values.count] : function.rest ?? .any
            if let message = kind.objection(to: piped) {
                let last = arguments.last ?? word
                throw failure(message, at: last, last.place)
            }
            values.append(piped)
        }
        do throws(FunctionFailure) { return try function.body(values) } catch {
            throw failure("error calling \(name): \(error.message)", at: node, word.place)
        }
    }

    private func mustNotTakeArguments(
        _ operand: Operand, _ arguments: ArraySlice<Operand>, _ piped: Value?
    ) throws(TemplateError) {
        if arguments.isEmpty, piped == nil { return }
        throw failure("can't give argument to non-function \(operand)", at: operand, operand.place)
    }

    private func failure(
        _ message: String, at node: some CustomStringConvertible, _ place: SourcePlace
    ) -> TemplateError {
        .execution(message, at: node.description, place, in: name)
    }
}
