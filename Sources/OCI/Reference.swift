/// The name of an image in docker's grammar: `[domain/]path[:tag][@digest]`.
///
/// `alpine` means `docker.io/library/alpine:latest`. Where both a tag and a digest stand, the digest wins. A value exists
/// only when it is valid. Implements distribution's reference grammar and docker's normalisation.
public struct Reference: Hashable, Sendable {
    /// The registry's host, with its port where one stands: `docker.io`, `127.0.0.1:5000`.
    public let domain: String
    /// The repository's path inside the registry: `library/alpine`.
    public let path: String
    /// The tag, nil where only a digest stands or none was given.
    public let tag: String?
    /// The digest, where one stands.
    public let digest: Digest?

    /// The registry that a name without a domain means.
    public static let defaultDomain = "docker.io"
    /// The tag that a name without tag and digest means.
    public static let defaultTag = "latest"

    /// Parses a name as docker's users type it.
    public init(parsing text: String) throws(ReferenceError) {
        if text.isEmpty { throw .invalidFormat }
        if text.utf8.count > 4096 { throw .nameTooLong }
        if text.utf8.count == 64, text.utf8.allSatisfy(Self.isHexDigit) { throw .hexadecimalName(text) }

        // Bytes, not characters: all that separates is ASCII, and a listing parses thousands of names.
        var rest = Substring(text)
        var digest: Digest?
        if let at = rest.utf8.firstIndex(of: UInt8(ascii: "@")) {
            let digestText = rest[rest.utf8.index(after: at)...]
            rest = rest[..<at]
            do { digest = try Digest(parsing: digestText) } catch { throw .digest(error) }
        }
        var tag: String?
        let lastSlash = rest.utf8.lastIndex(of: UInt8(ascii: "/")) ?? rest.startIndex
        if let colon = rest[lastSlash...].utf8.lastIndex(of: UInt8(ascii: ":")) {
            let tagText = rest[rest.utf8.index(after: colon)...]
            // `host:5000` alone is a name with the tag 5000, as in docker.
            guard Self.isTag(tagText) else { throw .invalidFormat }
            tag = String(tagText)
            rest = rest[..<colon]
        }
        let (domain, path) = Self.split(rest)
        if path.utf8.contains(where: { (65...90).contains($0) }) { throw .uppercase(path) }
        guard Self.isDomain(domain), Self.isPath(path) else { throw .invalidFormat }
        if domain.utf8.count + 1 + path.utf8.count > 255 { throw .nameTooLong }
        self.init(domain: domain, path: path, tag: tag, digest: digest)
    }

    private init(domain: String, path: String, tag: String?, digest: Digest?) {
        self.domain = domain
        self.path = path
        self.tag = tag
        self.digest = digest
    }

    /// The repository's full name: `docker.io/library/alpine`.
    public var repository: String { "\(domain)/\(path)" }

    /// The repository's name as docker shows it: without `docker.io/` and `library/`, unless it would then be read as another.
    public var familiarRepository: String {
        guard domain == Self.defaultDomain else { return repository }
        let library = "library/"
        var short = Substring(path)
        if path.hasPrefix(library), !path.dropFirst(library.count).contains("/") {
            short = short.dropFirst(library.count)
        }
        let isIdentifier = short.utf8.count == 64 && short.utf8.allSatisfy(Self.isHexDigit)
        return Self.split(short) == (domain, path) && !isIdentifier ? String(short) : repository
    }

    /// The name as docker shows it: `alpine:3.15`, `alpine@sha256:…`.
    public var familiar: String { familiarRepository + suffix }

    private var suffix: String { (tag.map { ":\($0)" } ?? "") + (digest.map { "@\($0)" } ?? "") }

    /// The same repository with `latest`, where neither tag nor digest stands.
    public var withDefaultTag: Reference { tag == nil && digest == nil ? with(validTag: Self.defaultTag) : self }

    /// The same repository without tag and digest.
    public var untagged: Reference { Reference(domain: domain, path: path, tag: nil, digest: nil) }

    /// The same repository with another tag and no digest.
    public func with(tag: String) throws(ReferenceError) -> Reference {
        guard Self.isTag(tag[...]) else { throw .invalidFormat }
        return with(validTag: tag)
    }

    private func with(validTag tag: String) -> Reference {
        Reference(domain: domain, path: path, tag: tag, digest: nil)
    }

    /// The same repository at a digest, without a tag.
    public func with(digest: Digest) -> Reference { Reference(domain: domain, path: path, tag: nil, digest: digest) }

    /// Splits the domain off: the first component is one where it has a dot, a colon or an upper-case letter, or is `localhost`.
    private static func split(_ name: Substring) -> (domain: String, path: String) {
        var domain = defaultDomain
        var path = String(name)
        if let slash = name.utf8.firstIndex(of: UInt8(ascii: "/")) {
            let first = name[..<slash]
            let marksDomain = first.utf8.contains {
                $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: ":") || (65...90).contains($0)
            }
            if marksDomain || first == "localhost" {
                domain = String(first)
                path = String(name[name.utf8.index(after: slash)...])
            }
        }
        if domain == "index.docker.io" { domain = defaultDomain }
        if domain == defaultDomain, !path.utf8.contains(UInt8(ascii: "/")) { path = "library/\(path)" }
        return (domain, path)
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) || (97...102).contains(byte) }
    private static func isLowerAlphanumeric(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (97...122).contains(byte)
    }
    private static func isAlphanumeric(_ byte: UInt8) -> Bool { isLowerAlphanumeric(byte) || (65...90).contains(byte) }

    /// `[\w][\w.-]{0,127}`.
    static func isTag(_ text: Substring) -> Bool {
        let bytes = Array(text.utf8)
        guard (1...128).contains(bytes.count), isAlphanumeric(bytes[0]) || bytes[0] == UInt8(ascii: "_") else {
            return false
        }
        return bytes.allSatisfy { isAlphanumeric($0) || "_.-".utf8.contains($0) }
    }

    /// Host name, IPv4 address or bracketed IPv6 address, with an optional port.
    private static func isDomain(_ text: String) -> Bool {
        var host = Substring(text)
        if host.hasPrefix("[") {
            guard let close = host.firstIndex(of: "]") else { return false }
            let inside = host[host.index(after: host.startIndex)..<close]
            guard !inside.isEmpty,
                inside.utf8.allSatisfy({ isHexDigit($0) || (65...70).contains($0) || $0 == UInt8(ascii: ":") })
            else { return false }
            host = host[host.index(after: close)...]
            return host.isEmpty || (host.hasPrefix(":") && isPort(host.dropFirst()))
        }
        if let colon = host.firstIndex(of: ":") {
            guard isPort(host[host.index(after: colon)...]) else { return false }
            host = host[..<colon]
        }
        let labels = host.split(separator: ".", omittingEmptySubsequences: false)
        return !labels.isEmpty
            && labels.allSatisfy { label in
                let bytes = Array(label.utf8)
                guard let first = bytes.first, let last = bytes.last else { return false }
                return isAlphanumeric(first) && isAlphanumeric(last)
                    && bytes.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
            }
    }

    private static func isPort(_ text: Substring) -> Bool {
        (1...5).contains(text.utf8.count) && text.utf8.allSatisfy { (48...57).contains($0) }
            && Int(text).map { $0 <= 65535 } == true
    }

    /// Components of lower-case letters and digits, joined by `/`; inside one, separated by `.`, `_`, `__` or dashes.
    private static func isPath(_ text: String) -> Bool {
        text.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { component in
            let bytes = Array(component.utf8)
            guard let first = bytes.first, let last = bytes.last, isLowerAlphanumeric(first), isLowerAlphanumeric(last)
            else { return false }
            var index = 0
            while index < bytes.count {
                if isLowerAlphanumeric(bytes[index]) {
                    index += 1
                    continue
                }
                let start = index
                while index < bytes.count, !isLowerAlphanumeric(bytes[index]) { index += 1 }
                let separator = bytes[start..<index]
                let fits =
                    separator.elementsEqual(".".utf8) || separator.elementsEqual("_".utf8)
                    || separator.elementsEqual("__".utf8) || separator.allSatisfy { $0 == UInt8(ascii: "-") }
                if !fits { return false }
            }
            return true
        }
    }
}

extension Reference: CustomStringConvertible, Codable {
    /// The full name: `docker.io/library/alpine:3.15`.
    public var description: String { repository + suffix }

    /// Decodes from one string.
    public init(from decoder: any Decoder) throws {
        try self.init(parsing: decoder.singleValueContainer().decode(String.self))
    }

    /// Encodes the full name as one string.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// Why a text is no reference; the sentences are docker's.
public enum ReferenceError: Error, Equatable, CustomStringConvertible {
    /// Not `[domain/]path[:tag][@digest]`.
    case invalidFormat
    /// The repository's path has an upper-case letter.
    case uppercase(String)
    /// 64 hexadecimal digits: that would be an image ID.
    case hexadecimalName(String)
    /// More than 255 bytes.
    case nameTooLong
    /// What stands after `@` is no digest.
    case digest(DigestError)

    /// A sentence for people.
    public var description: String {
        switch self {
        case .invalidFormat: "invalid reference format"
        case .uppercase(let path): "invalid reference format: repository name (\(path.prefix(255))) must be lowercase"
        case .hexadecimalName(let text):
            "invalid repository name (\(text)), cannot specify 64-byte hexadecimal strings"
        case .nameTooLong: "repository name must not be more than 255 characters"
        case .digest(let error): "invalid reference format: \(error)"
        }
    }
}
