/// The proxies that requests go through, as `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` name them for docker, podman and curl.
public struct ProxySettings: Sendable, Hashable {
    /// For https: `http://[USER:PASSWORD@]HOST[:PORT]` or `socks5://HOST[:PORT]`, where `http://` may be missing.
    public var https: String?
    /// For http.
    public var http: String?
    /// What is reached without one, separated by commas: `*`, a host (its subdomains are meant too), `.domain` (only they
    /// are), `host:port`, an IPv4 address or a range of them. This machine itself is never reached through a proxy.
    public var exceptions: String?

    /// No proxy.
    public init() {}

    /// Reads the variables, each in capitals or, where there is no such one, in small letters.
    public init(environment: [String: String]) {
        func value(_ name: String) -> String? {
            [name, name.lowercased()].lazy.compactMap { environment[$0] }.first { !$0.isEmpty }
        }
        https = value("HTTPS_PROXY")
        http = value("HTTP_PROXY")
        exceptions = value("NO_PROXY")
    }
}

/// A proxy, and who may be spoken to without.
struct ProxyRules: Sendable {
    struct Server: Hashable, Sendable {
        enum Kind: String, Sendable { case http, socks5 }

        var kind: Kind
        var host: String
        var port: Int
        var user: String?
        var password: Secret?

        var authority: String { "\(host):\(port)" }
    }

    private let settings: ProxySettings
    private let exceptions: [Substring]
    private let ranges: InsecureRegistries

    init(_ settings: ProxySettings) {
        self.settings = settings
        let entries = (settings.exceptions ?? "").lowercased().split { $0 == "," || $0 == " " }
        exceptions = entries.map { $0.hasPrefix("*.") ? $0.dropFirst() : $0 }
        ranges = InsecureRegistries(entries.filter { $0.contains("/") }.map(String.init))
    }

    /// The proxy on the way to an origin; nil where it is reached without.
    ///
    /// - Throws: `RegistryError` with the code `configuration` for a variable that names none.
    func proxy(for origin: WebAddress.Origin) throws(RegistryError) -> Server? {
        let name = origin.scheme == .https ? "HTTPS_PROXY" : "HTTP_PROXY"
        guard let text = origin.scheme == .https ? settings.https : settings.http, !isException(origin) else {
            return nil
        }
        guard let server = Self.parse(text) else {
            throw RegistryError(
                .configuration, "`\(name)` does not name a proxy",
                hint: "set it to http://[USER:PASSWORD@]HOST:PORT or socks5://HOST:PORT")
        }
        return server
    }

    private func isException(_ origin: WebAddress.Origin) -> Bool {
        if Endpoint.isLoopback(origin.host) || ranges.contains(origin.host) { return true }
        return exceptions.contains { entry in
            if entry == "*" || entry == origin.host || entry == "\(origin.host):\(origin.port)" { return true }
            var domain = entry
            if let colon = domain.lastIndex(of: ":") {
                guard domain[domain.index(after: colon)...] == "\(origin.port)" else { return false }
                domain = domain[..<colon]
            }
            if domain.isEmpty || origin.host == domain { return !domain.isEmpty }
            return origin.host.hasSuffix(domain.hasPrefix(".") ? String(domain) : ".\(domain)")
        }
    }

    static func parse(_ text: String) -> Server? {
        var kind = Server.Kind.http
        var rest = text[...]
        if let mark = text.firstRange(of: "://") {
            guard let named = Server.Kind(rawValue: text[..<mark.lowerBound].lowercased()) else { return nil }
            kind = named
            rest = text[mark.upperBound...]
        }
        rest = rest.prefix { !"/?#".contains($0) }
        var login: Substring?
        if let at = rest.lastIndex(of: "@") {
            login = rest[..<at]
            rest = rest[rest.index(after: at)...]
        }
        guard let origin = WebAddress.origin(.http, authority: rest) else { return nil }
        let hasPort = rest.utf8.count > origin.host.utf8.count
        var server = Server(kind: kind, host: origin.host, port: kind == .socks5 && !hasPort ? 1080 : origin.port)
        guard let login else { return server }
        let colon = login.firstIndex(of: ":") ?? login.endIndex
        // Nothing speaks a password to a SOCKS proxy here.
        guard kind == .http, let user = decode(login[..<colon]), let password = decode(login[colon...].dropFirst())
        else {
            return nil
        }
        server.user = user
        server.password = Secret(password)
        return server
    }

    /// Undoes percent-encoding; nil where it is none, or no text.
    private static func decode(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2, let value = UInt8(String(rest.prefix(2)) ?? "", radix: 16) else { return nil }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
