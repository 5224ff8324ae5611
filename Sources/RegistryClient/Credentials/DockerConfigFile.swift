import OCI

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// docker's `config.json`: the parts about credentials, with everything else kept as it is.
struct DockerConfigFile: Sendable {
    static let limit = 4 << 20

    let path: String
    private(set) var root: JSONValue

    /// Reads the file; one that does not exist is empty.
    init(directory: String) throws {
        path = "\(directory)/config.json"
        do {
            guard let bytes = try HostFile.contents(of: path, limit: Self.limit), !bytes.isEmpty else {
                root = .object([:])
                return
            }
            root = try Document<JSONValue>(parsing: bytes, kind: "`\(path)`", limit: Self.limit).value
        } catch {
            throw RegistryError(
                .configuration, "cannot use docker's configuration: \(error)", hint: "mend or remove `\(path)`")
        }
        guard root.object != nil else {
            throw RegistryError(.configuration, "`\(path)` is no JSON object", hint: "mend or remove it")
        }
    }

    /// The helper that keeps a registry's credentials, where one does.
    func helperName(for registry: String) -> String? {
        let helpers = root["credHelpers"]?.object ?? [:]
        for key in Self.keys(for: registry) {
            if let name = helpers[key]?.string { return name.isEmpty ? nil : name }
        }
        return root["credsStore"]?.string.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// The credential that the file itself holds.
    func credential(for registry: String) throws -> Credential? {
        let entries = root["auths"]?.object ?? [:]
        let keys = Self.keys(for: registry)
        let exact = keys.lazy.compactMap { entries[$0] }.first
        // Older clients wrote URLs of any form.
        let loose = entries.sorted { $0.key < $1.key }.first { keys.contains(Self.host(of: $0.key)) }?.value
        guard let entry = exact ?? loose else { return nil }
        if let token = entry["identitytoken"]?.string, !token.isEmpty { return .identityToken(Secret(token)) }
        if let token = entry["registrytoken"]?.string, !token.isEmpty { return .registryToken(Secret(token)) }
        if let text = entry["auth"]?.string, !text.isEmpty {
            guard let bytes = Base64.decode(text), let colon = bytes.firstIndex(of: UInt8(ascii: ":")) else {
                throw RegistryError(
                    .configuration, "`\(path)`: the `auth` of `\(registry)` is not base64 of user:password",
                    hint: "log in again with `strata login \(registry)`")
            }
            var secret = bytes[(colon + 1)...]
            while secret.last == 0 { secret.removeLast() }
            return .basic(
                user: String(decoding: bytes[..<colon], as: UTF8.self),
                secret: Secret(String(decoding: secret, as: UTF8.self)))
        }
        if let user = entry["username"]?.string, let password = entry["password"]?.string, !user.isEmpty {
            return .basic(user: user, secret: Secret(password))
        }
        return nil
    }

    /// The servers that have an entry, by the key they stand under.
    var servers: [String: String?] {
        (root["auths"]?.object ?? [:]).mapValues { entry in
            entry["auth"]?.string.flatMap(Base64.decode)
                .flatMap { bytes in
                    bytes.firstIndex(of: UInt8(ascii: ":")).map { String(decoding: bytes[..<$0], as: UTF8.self) }
                }
        }
    }

    /// Puts a credential into the file; nil where a helper keeps it and only the registry is noted.
    mutating func set(_ credential: Credential?, for registry: String) {
        var entry = JSONValue.object([:])
        switch credential {
        case .basic(let user, let secret):
            entry["auth"] = .string(Base64.encode(Array("\(user):\(secret.reveal())".utf8)))
        case .identityToken(let token): entry["identitytoken"] = .string(token.reveal())
        case .registryToken(let token): entry["registrytoken"] = .string(token.reveal())
        case nil: break
        }
        var entries = root["auths"] ?? .object([:])
        entries[Self.storageKey(for: registry)] = entry
        root["auths"] = entries
    }

    /// Removes every entry of a registry; false where there was none.
    mutating func remove(_ registry: String) -> Bool {
        guard var entries = root["auths"]?.object else { return false }
        let keys = Self.keys(for: registry)
        let found = entries.keys.filter { keys.contains($0) || keys.contains(Self.host(of: $0)) }
        for key in found { entries[key] = nil }
        root["auths"] = .object(entries)
        return !found.isEmpty
    }

    func write() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try HostFile.replace(path, with: Array(encoder.encode(root)) + [UInt8(ascii: "\n")])
    }

    /// The key that docker writes.
    static func storageKey(for registry: String) -> String {
        registry == Reference.defaultDomain ? DockerHub.credentialKey : registry
    }

    /// The keys that a registry's entry may stand under, docker's own first.
    static func keys(for registry: String) -> [String] {
        if registry == Reference.defaultDomain {
            return [DockerHub.credentialKey, Reference.defaultDomain, "index.docker.io", DockerHub.host]
        }
        return [
            registry, "https://\(registry)", "http://\(registry)", "https://\(registry)/", "https://\(registry)/v2/",
        ]
    }

    private static func host(of key: String) -> String {
        var rest = key[...]
        for prefix in ["https://", "http://"] where rest.hasPrefix(prefix) { rest = rest.dropFirst(prefix.count) }
        return String(rest.prefix { $0 != "/" })
    }
}
