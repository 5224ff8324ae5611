import OCI

/// An http or https URL, strictly parsed: no user information, no fragment, a host of plain characters only, so that no
/// two parsers can disagree about where a request (and its credentials) goes.
struct WebAddress: Hashable, Sendable, CustomStringConvertible {
    enum Scheme: String, Sendable {
        case http, https

        var defaultPort: Int { self == .http ? 80 : 443 }
    }

    /// Who is spoken to: credentials belong to an origin and never leave it.
    struct Origin: Hashable, Sendable {
        var scheme: Scheme
        /// Lower case; an IPv6 address stands in brackets.
        var host: String
        var port: Int

        /// `host`, or `host:port` where the port is not the scheme's own.
        var authority: String { port == scheme.defaultPort ? host : "\(host):\(port)" }
    }

    /// The longest URL that is taken, in bytes: presigned ones are long.
    static let limit = 16 << 10

    let origin: Origin
    /// Percent-encoded, begins with `/`.
    let path: String
    /// Percent-encoded, without the `?`.
    let query: String?

    init(origin: Origin, path: String, query: String? = nil) {
        self.origin = origin
        self.path = path
        self.query = query
    }

    /// Parses an absolute URL; nil where it is anything else.
    init?(parsing text: some StringProtocol) {
        guard text.utf8.count <= Self.limit, text.utf8.allSatisfy(Self.isAllowed),
            let colon = text.firstIndex(of: ":"), let scheme = Scheme(rawValue: text[..<colon].lowercased()),
            text[colon...].hasPrefix("://")
        else { return nil }
        let rest = text[text.index(colon, offsetBy: 3)...]
        let end = rest.firstIndex { "/?#".contains($0) } ?? rest.endIndex
        guard let origin = Self.origin(scheme, authority: rest[..<end]) else { return nil }
        var tail = rest[end...]
        if let hash = tail.firstIndex(of: "#") { tail = tail[..<hash] }
        let mark = tail.firstIndex(of: "?") ?? tail.endIndex
        let path = tail[..<mark]
        self.init(
            origin: origin, path: path.isEmpty ? "/" : String(path),
            query: mark == tail.endIndex ? nil : String(tail[tail.index(after: mark)...]))
    }

    /// The address that a `Location` or `Link` header of an answer from here names; nil where it is malformed.
    func resolving(_ location: some StringProtocol) -> WebAddress? {
        let location = String(location)
        if let address = WebAddress(parsing: location) { return address }
        if location.hasPrefix("//") { return WebAddress(parsing: "\(origin.scheme.rawValue):\(location)") }
        guard !location.isEmpty, !location.prefix(while: { !"/?#".contains($0) }).contains(":") else { return nil }
        let base = "\(origin.scheme.rawValue)://\(origin.authority)"
        if location.hasPrefix("/") { return WebAddress(parsing: base + location) }
        if location.hasPrefix("?") { return WebAddress(parsing: base + path + location) }
        let directory = path[...(path.lastIndex(of: "/") ?? path.startIndex)]
        return WebAddress(parsing: base + directory + location)
    }

    /// The same address with more query items, percent-encoded.
    func adding(_ items: [(String, String)]) -> WebAddress {
        let added = items.map { "\($0.0.percentEncoded)=\($0.1.percentEncoded)" }
        return WebAddress(
            origin: origin, path: path,
            query: ((query.map { $0.isEmpty ? [] : [$0] } ?? []) + added).joined(separator: "&"))
    }

    var description: String { "\(origin.scheme.rawValue)://\(origin.authority)\(path)\(query.map { "?\($0)" } ?? "")" }

    /// For people: queries carry signatures and upload states, so they are left out.
    var redacted: String {
        let shown = path.utf8.count > 512 ? "\(path.prefix(512))…" : path
        return "\(origin.scheme.rawValue)://\(origin.authority)\(shown)\(query == nil ? "" : "?…")"
    }

    /// Parses `host[:port]`.
    static func origin(_ scheme: Scheme, authority: some StringProtocol) -> Origin? {
        var host = Substring(authority)
        var port = scheme.defaultPort
        let afterBracket = host.lastIndex(of: "]").map { host.index(after: $0) } ?? host.startIndex
        if let colon = host[afterBracket...].firstIndex(of: ":") {
            let digits = host[host.index(after: colon)...]
            guard (1...5).contains(digits.utf8.count), digits.utf8.allSatisfy({ (48...57).contains($0) }),
                let number = Int(digits), (1...65535).contains(number)
            else { return nil }
            port = number
            host = host[..<colon]
        }
        guard isHost(host) else { return nil }
        return Origin(scheme: scheme, host: host.lowercased(), port: port)
    }

    private static func isHost(_ host: Substring) -> Bool {
        if host.hasPrefix("["), host.hasSuffix("]") {
            let inside = host.dropFirst().dropLast()
            return inside.contains(":") && inside.utf8.count <= 45
                && inside.utf8.allSatisfy { $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ".") || isHexDigit($0) }
        }
        guard (1...253).contains(host.utf8.count), host.utf8.first != UInt8(ascii: "-"), !host.hasPrefix(".") else {
            return false
        }
        return host.utf8.allSatisfy { isAlphanumeric($0) || ".-_".utf8.contains($0) }
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        (0x21...0x7e).contains(byte) && !"\"<>\\^`{|}".utf8.contains(byte)
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (65...70).contains(byte) || (97...102).contains(byte)
    }
}
