/// What a template sees: Go's values as far as docker's templates meet them.
package enum Value: Sendable {
    /// A key that a map has not; printed as `<no value>`.
    case missing
    /// Go's nil.
    case null
    case bool(Bool)
    case int(Int64)
    case double(Double)
    case string(String)
    case list([Value])
    /// A list that was never set: `null` in JSON, `[]` in text.
    case nilList
    /// Keys are visited in order, as Go does.
    case map([String: Value])
    /// A map that was never set: `null` in JSON, `map[]` in text.
    case nilMap
    /// A value with fields of fixed names.
    case object(any TemplateObject)

    package static func strings(_ list: [String]?) -> Value {
        guard let list else { return .nilList }
        return .list(list.map { .string($0) })
    }

    package static func strings(_ map: [String: String]?) -> Value {
        guard let map else { return .nilMap }
        return .map(map.mapValues { .string($0) })
    }

    /// Go's `if`: empty is false; an object is always true.
    var isTrue: Bool {
        switch self {
        case .missing, .null, .nilList, .nilMap: false
        case .bool(let value): value
        case .int(let value): value != 0
        case .double(let value): value != 0
        case .string(let value): !value.isEmpty
        case .list(let values): !values.isEmpty
        case .map(let values): !values.isEmpty
        case .object: true
        }
    }

    /// Go's `%T`, as far as errors need it.
    var typeName: String {
        switch self {
        case .missing, .null: "nil"
        case .bool: "bool"
        case .int: "int"
        case .double: "float64"
        case .string: "string"
        case .list(let values):
            if values.allSatisfy({ if case .string = $0 { true } else { false } }) {
                "[]string"
            } else {
                "[]interface {}"
            }
        case .nilList: "[]string"
        case .map(let values):
            values.values.allSatisfy { if case .string = $0 { true } else { false } }
                ? "map[string]string" : "map[string]interface {}"
        case .nilMap: "map[string]string"
        case .object(let object): object.typeName
        }
    }

    /// The elements of a list, set or not.
    var elements: [Value]? {
        switch self {
        case .list(let values): values
        case .nilList: []
        default: nil
        }
    }

    /// The members of a map, set or not.
    var members: [String: Value]? {
        switch self {
        case .map(let values): values
        case .nilMap: [:]
        default: nil
        }
    }
}

/// A value with named fields, computed when a template asks for them.
package protocol TemplateObject: Sendable {
    /// Go's name for it, shown by errors: `image.InspectResponse`.
    var typeName: String { get }
    /// The fields that JSON shows, in its order.
    var jsonFields: [String] { get }
    /// Whether JSON writes `<`, `>` and `&` as escapes, as docker does for rows of a listing.
    var escapesHTML: Bool { get }
    /// A field's value; nil where there is no such field.
    func field(_ name: String) -> Value?
    /// Calls a method that takes arguments; nil where there is none of the name.
    func call(_ method: String, _ arguments: [Value]) throws -> Value?
}

extension TemplateObject {
    package func call(_ method: String, _ arguments: [Value]) throws -> Value? { nil }
}

/// An object whose fields are all known, in the order of its JSON.
package struct Record: TemplateObject {
    package struct Field: Sendable {
        package var name: String
        /// What docker's own type calls it, where that is another name than JSON's: templates may use both.
        package var typedName: String?
        package var value: Value
        /// JSON leaves the field out while it is empty.
        package var omitsEmpty: Bool
    }

    package let typeName: String
    package let escapesHTML: Bool
    private let fields: [Field]

    package init(_ typeName: String, escapesHTML: Bool = false, _ fields: [Field?]) {
        self.typeName = typeName
        self.escapesHTML = escapesHTML
        self.fields = fields.compactMap { $0 }
    }

    package var jsonFields: [String] {
        fields.filter { !$0.omitsEmpty || $0.value.isTrue }.map(\.name)
    }

    package func field(_ name: String) -> Value? {
        fields.first { $0.name == name || $0.typedName == name }?.value
    }
}

extension Record.Field {
    /// A field that is always written.
    package static func always(_ name: String, typed typedName: String? = nil, _ value: Value) -> Record.Field {
        Record.Field(name: name, typedName: typedName, value: value, omitsEmpty: false)
    }

    /// A field that JSON leaves out while it is empty.
    package static func nonEmpty(_ name: String, _ value: Value) -> Record.Field {
        Record.Field(name: name, value: value, omitsEmpty: true)
    }
}

extension Value {
    package static func record(
        _ typeName: String, escapesHTML: Bool = false, _ fields: [Record.Field?]
    ) -> Value {
        .object(Record(typeName, escapesHTML: escapesHTML, fields))
    }
}
