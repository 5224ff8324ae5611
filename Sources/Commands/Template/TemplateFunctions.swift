/// A function that templates may call.
struct TemplateFunction: Sendable {
    /// What a parameter takes.
    enum Kind: Sendable {
        case any, string, int

        /// Why a value does not fit, in Go's words; nil where it does.
        ///
        /// - Parameter operand: where the argument is written as it is: Go then shows the text.
        func objection(to value: Value, written operand: Operand? = nil) -> String? {
            let wanted: String
            switch (self, value) {
            case (.any, _), (.string, .string), (.int, .int): return nil
            case (.string, _): wanted = "string"
            case (.int, _): wanted = operand == nil ? "int" : "integer"
            }
            if let operand, case .constant = operand.kind { return "expected \(wanted); found \(operand)" }
            switch value {
            case .missing, .null: return "invalid value; expected \(self == .int ? "int" : wanted)"
            default: break
            }
            return "wrong type for value; expected \(self == .int ? "int" : wanted); got \(value.typeName)"
        }
    }

    var parameters: [Kind]
    /// The kind of any further arguments.
    var rest: Kind?
    /// The truth that ends the evaluation: true for `or`, false for `and`.
    var shortCircuit: Bool?
    var body: @Sendable ([Value]) throws(FunctionFailure) -> Value

    init(
        _ parameters: [Kind], rest: Kind? = nil, shortCircuit: Bool? = nil,
        _ body: @escaping @Sendable ([Value]) throws(FunctionFailure) -> Value
    ) {
        self.parameters = parameters
        self.rest = rest
        self.shortCircuit = shortCircuit
        self.body = body
    }
}

/// Go's functions and docker's.
enum TemplateFunctions {
    static func signature(of name: String) -> TemplateFunction? { all[name] }

    static let all = builtins.merging(dockers) { $1 }

    /// The functions over a table's headers: those that would change a header leave it alone, as in docker.
    static let forHeaders = all.merging([
        "json": TemplateFunction([.any]) { args throws(FunctionFailure) in args[0] },
        "split": TemplateFunction([.any, .any]) { args throws(FunctionFailure) in args[0] },
        "join": TemplateFunction([.any, .any]) { args throws(FunctionFailure) in args[0] },
        "title": TemplateFunction([.any]) { args throws(FunctionFailure) in args[0] },
        "lower": TemplateFunction([.any]) { args throws(FunctionFailure) in args[0] },
        "upper": TemplateFunction([.any]) { args throws(FunctionFailure) in args[0] },
        "truncate": TemplateFunction([.any, .any]) { args throws(FunctionFailure) in args[0] },
    ]) { $1 }

    private static let builtins: [String: TemplateFunction] = [
        "and": TemplateFunction([.any], rest: .any, shortCircuit: false) { args throws(FunctionFailure) in
            args[args.count - 1]
        },
        "or": TemplateFunction([.any], rest: .any, shortCircuit: true) { args throws(FunctionFailure) in
            args[args.count - 1]
        },
        "not": TemplateFunction([.any]) { args throws(FunctionFailure) in .bool(!args[0].isTrue) },
        "eq": TemplateFunction([.any], rest: .any) { args throws(FunctionFailure) in
            if args.count == 1 { throw FunctionFailure("missing argument for comparison") }
            for other in args.dropFirst() where try equal(args[0], other) { return .bool(true) }
            return .bool(false)
        },
        "ne": TemplateFunction([.any, .any]) { args throws(FunctionFailure) in .bool(!(try equal(args[0], args[1]))) },
        "lt": TemplateFunction([.any, .any]) { args throws(FunctionFailure) in .bool(try less(args[0], args[1])) },
        "le": TemplateFunction([.any, .any]) { args throws(FunctionFailure) in
            let isLess = try less(args[0], args[1])
            return .bool(isLess ? true : try equal(args[0], args[1]))
        },
        "gt": TemplateFunction([.any, .any]) { args throws(FunctionFailure) in .bool(try less(args[1], args[0])) },
        "ge": TemplateFunction([.any, .any]) { args throws(FunctionFailure) in .bool(!(try less(args[0], args[1]))) },
        "index": TemplateFunction([.any], rest: .any) { args throws(FunctionFailure) in
            var item = args[0]
            for position in args.dropFirst() { item = try element(of: item, at: position) }
            return item
        },
        "slice": TemplateFunction([.any], rest: .any) { args throws(FunctionFailure) in try slice(args) },
        "len": TemplateFunction([.any]) { args throws(FunctionFailure) in
            switch args[0] {
            case .string(let text): return .int(Int64(text.utf8.count))
            case .list(let items): return .int(Int64(items.count))
            case .map(let members): return .int(Int64(members.count))
            case .nilList, .nilMap: return .int(0)
            case .missing, .null: throw FunctionFailure("len of nil pointer")
            default: throw FunctionFailure("len of type \(args[0].typeName)")
            }
        },
        "print": TemplateFunction([], rest: .any) { args throws(FunctionFailure) in
            .string(GoFormat.print(args))
        },
        "println": TemplateFunction([], rest: .any) { args throws(FunctionFailure) in
            .string(args.map(GoFormat.plain).joined(separator: " ") + "\n")
        },
        "printf": TemplateFunction([.string], rest: .any) { args throws(FunctionFailure) in
            guard case .string(let format) = args[0] else { return .missing }
            return .string(GoFormat.format(format, Array(args.dropFirst())))
        },
    ]

    private static let dockers: [String: TemplateFunction] = [
        "json": TemplateFunction([.any]) { args throws(FunctionFailure) in .string(JSONText.compact(args[0])) },
        "split": TemplateFunction([.string, .string]) { args throws(FunctionFailure) in
            .list(split(text(args[0]), text(args[1])).map { .string($0) })
        },
        "join": TemplateFunction([.any, .string]) { args throws(FunctionFailure) in
            switch args[0] {
            case .list(let items): return .string(items.map(GoFormat.plain).joined(separator: text(args[1])))
            case .map(let members):
                return .string(members.values.map(GoFormat.plain).sorted().joined(separator: text(args[1])))
            case .nilList, .nilMap, .null, .missing: return .string("")
            default: throw FunctionFailure("expected slice, got \(args[0].typeName)")
            }
        },
        "title": TemplateFunction([.string]) { args throws(FunctionFailure) in
            var startsWord = true
            var result = ""
            for scalar in text(args[0]).unicodeScalars {
                result += startsWord ? scalar.properties.titlecaseMapping : String(scalar)
                startsWord =
                    scalar.isASCII
                    ? !(scalar.properties.isAlphabetic || scalar.properties.numericType != nil || scalar == "_")
                    : scalar.properties.isWhitespace
            }
            return .string(result)
        },
        "lower": TemplateFunction([.string]) { args throws(FunctionFailure) in .string(text(args[0]).lowercased()) },
        "upper": TemplateFunction([.string]) { args throws(FunctionFailure) in .string(text(args[0]).uppercased()) },
        "pad": TemplateFunction([.string, .int, .int]) { args throws(FunctionFailure) in
            let source = text(args[0])
            if source.isEmpty { return .string("") }
            return .string(try blanks(number(args[1])) + source + (try blanks(number(args[2]))))
        },
        "truncate": TemplateFunction([.string, .int]) { args throws(FunctionFailure) in
            let length = number(args[1])
            if length < 0 { throw FunctionFailure("slice bounds out of range [:\(length)]") }
            // Bytes, as docker counts; a character cut in the middle shows as a replacement character.
            let bytes = Array(text(args[0]).utf8)
            return .string(String(decoding: bytes.prefix(length), as: UTF8.self))
        },
    ]

    private static func text(_ value: Value) -> String { if case .string(let text) = value { text } else { "" } }
    private static func number(_ value: Value) -> Int { if case .int(let number) = value { Int(number) } else { 0 } }

    private static func blanks(_ count: Int) throws(FunctionFailure) -> String {
        if count < 0 { throw FunctionFailure("strings: negative Repeat count") }
        if count > 1 << 16 { throw FunctionFailure("a padding of \(count) is too wide") }
        return String(repeating: " ", count: count)
    }

    /// Go's strings.Split: an empty separator gives the characters.
    private static func split(_ text: String, _ separator: String) -> [String] {
        if separator.isEmpty { return text.unicodeScalars.map { String($0) } }
        return text.split(separator: separator, omittingEmptySubsequences: false).map(String.init)
    }

    private static func equal(_ left: Value, _ right: Value) throws(FunctionFailure) -> Bool {
        switch (left, right) {
        case (.bool(let left), .bool(let right)): return left == right
        case (.int(let left), .int(let right)): return left == right
        case (.double(let left), .double(let right)): return left == right
        case (.string(let left), .string(let right)): return left == right
        case (.missing, .missing), (.null, .null), (.missing, .null), (.null, .missing): return true
        case (.missing, _), (.null, _), (_, .missing), (_, .null): return false
        case (.list, _), (.nilList, _), (.map, _), (.nilMap, _), (.object, _):
            throw FunctionFailure("non-comparable type \(GoFormat.plain(left)): \(left.typeName)")
        default: throw FunctionFailure("incompatible types for comparison")
        }
    }

    private static func less(_ left: Value, _ right: Value) throws(FunctionFailure) -> Bool {
        switch (left, right) {
        case (.int(let left), .int(let right)): return left < right
        case (.double(let left), .double(let right)): return left < right
        case (.string(let left), .string(let right)): return left.utf8.lexicographicallyPrecedes(right.utf8)
        case (.int, .double), (.int, .string), (.double, .int), (.double, .string), (.string, .int),
            (.string, .double), (.bool, .int), (.bool, .double), (.bool, .string), (.int, .bool), (.double, .bool),
            (.string, .bool):
            throw FunctionFailure("incompatible types for comparison")
        default: throw FunctionFailure("invalid type for comparison")
        }
    }

    private static func offset(_ index: Value, upTo count: Int) throws(FunctionFailure) -> Int {
        switch index {
        case .int(let position):
            guard position >= 0, position <= count else { throw FunctionFailure("index out of range: \(position)") }
            return Int(position)
        case .missing, .null: throw FunctionFailure("cannot index slice/array with nil")
        default: throw FunctionFailure("cannot index slice/array with type \(index.typeName)")
        }
    }

    private static func element(of item: Value, at index: Value) throws(FunctionFailure) -> Value {
        switch item {
        case .list, .nilList:
            let elements = item.elements ?? []
            let position = try offset(index, upTo: elements.count)
            if position == elements.count {
                throw FunctionFailure("reflect: slice index out of range")
            }
            return elements[position]
        case .string(let text):
            let position = try offset(index, upTo: text.utf8.count)
            if position == text.utf8.count { throw FunctionFailure("reflect: string index out of range") }
            return .int(Int64(Array(text.utf8)[position]))
        case .map, .nilMap:
            guard case .string(let key) = index else {
                if case .null = index { throw FunctionFailure("value is nil; should be of type string") }
                throw FunctionFailure("value has type \(index.typeName); should be string")
            }
            if let member = item.members?[key] { return member }
            // A map of strings gives Go's empty string for a key it has not.
            return item.typeName == "map[string]string" ? .string("") : .null
        case .missing, .null: throw FunctionFailure("index of untyped nil")
        default: throw FunctionFailure("can't index item of type \(item.typeName)")
        }
    }

    private static func slice(_ args: [Value]) throws(FunctionFailure) -> Value {
        if args.count > 4 { throw FunctionFailure("too many slice indexes: \(args.count - 1)") }
        let count: Int
        switch args[0] {
        case .string(let text):
            if args.count == 4 { throw FunctionFailure("cannot 3-index slice a string") }
            count = text.utf8.count
        case .list, .nilList: count = args[0].elements?.count ?? 0
        case .missing, .null: throw FunctionFailure("slice of untyped nil")
        default: throw FunctionFailure("can't slice item of type \(args[0].typeName)")
        }
        var bounds = [0, count]
        for (number, index) in args.dropFirst().enumerated() {
            let position = try offset(index, upTo: count)
            if number < 2 { bounds[number] = position } else { bounds.append(position) }
        }
        for (low, high) in zip(bounds, bounds.dropFirst()) where low > high {
            throw FunctionFailure("invalid slice index: \(low) > \(high)")
        }
        if case .string(let text) = args[0] {
            return .string(String(decoding: Array(text.utf8)[bounds[0]..<bounds[1]], as: UTF8.self))
        }
        return .list(Array((args[0].elements ?? [])[bounds[0]..<bounds[1]]))
    }
}
