/// The path and the query of a request, percent-decoded.
struct RequestTarget: Sendable, Hashable {
    /// The path's components after the first slash: `/v2/` has `v2` and an empty one.
    var components: [String]
    private var query: [(name: String, value: String)]

    init(parsing target: String) throws(RegistryFailure) {
        guard target.hasPrefix("/"), target.utf8.count <= 16 << 10 else {
            throw .badQuery("the request's target is no path of at most 16 KiB")
        }
        let parts = target.dropFirst().split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        components = []
        for component in parts[0].split(separator: "/", omittingEmptySubsequences: false) {
            components.append(try Self.decode(component, plusIsSpace: false))
        }
        query = parts.count == 2 ? try Self.pairs(parts[1]) : []
    }

    /// Reads the body of a form, which has the form of a query.
    init(form text: String) throws(RegistryFailure) {
        components = []
        query = try Self.pairs(text[...])
    }

    private static func pairs(_ text: Substring) throws(RegistryFailure) -> [(name: String, value: String)] {
        var pairs: [(name: String, value: String)] = []
        for item in text.split(separator: "&") {
            let pair = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            pairs.append(
                (
                    try decode(pair[0], plusIsSpace: true),
                    pair.count == 2 ? try decode(pair[1], plusIsSpace: true) : ""
                ))
        }
        return pairs
    }

    /// The target again, percent-encoded: a path with its query.
    var text: String { HTML.address(components, query.map { ($0.name, $0.value) }) }

    /// The first value of a parameter.
    subscript(name: String) -> String? { query.first { $0.name == name }?.value }

    /// All values of a parameter, in order.
    func all(_ name: String) -> [String] { query.filter { $0.name == name }.map(\.value) }

    static func == (left: RequestTarget, right: RequestTarget) -> Bool {
        left.components == right.components && left.query.elementsEqual(right.query, by: ==)
    }

    func hash(into hasher: inout Hasher) { hasher.combine(components) }

    private static func decode(_ text: Substring, plusIsSpace: Bool) throws(RegistryFailure) -> String {
        if !text.utf8.contains(where: { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "+") }) { return String(text) }
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else {
                    throw .badQuery("the request's target has a `%` without two hexadecimal digits")
                }
                bytes.append(high << 4 | low)
            case UInt8(ascii: "+") where plusIsSpace: bytes.append(UInt8(ascii: " "))
            default: bytes.append(byte)
            }
        }
        guard let decoded = String(validating: bytes, as: UTF8.self) else {
            throw .badQuery("the request's target is not UTF-8")
        }
        return decoded
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
