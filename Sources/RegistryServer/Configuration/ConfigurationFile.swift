import Linux

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension RegistryServerConfiguration {
    /// The file of `--config`: JSON, every key optional. Durations are seconds.
    private struct File: Decodable {
        struct TLS: Decodable {
            var certificate: String
            var key: String
            var clientAuthority: String?
        }

        struct MirrorEntry: Decodable {
            var host: String
            var url: String?
            var user: String?
            var passwordFile: String?
        }

        var listen: String?
        var tls: TLS?
        var auth: String?
        var anonymousPull: [String]?
        var externalAddress: String?
        var trustedProxies: [String]?
        var deletes: Bool?
        var sparse: String?
        var removeUntagged: Bool?
        var graceSeconds: Int?
        var collectionSeconds: Int?
        var uploadLifetimeSeconds: Int?
        var largestBlob: Int64?
        var concurrentUploads: Int?
        var connections: Int?
        var requestSeconds: Int?
        var mirrors: [MirrorEntry]?
        var mirrorRoot: String?
        var mirrorFreshSeconds: Int?
        var mirrorKeepSeconds: Int?
        var mirrorBytes: Int64?
        var mirrorCredentials: String?
        var idleSeconds: Int?
        var shutdownSeconds: Int?

        static let keys: Set<String> = [
            "listen", "tls", "auth", "anonymousPull", "externalAddress", "trustedProxies", "deletes", "sparse",
            "removeUntagged",
            "graceSeconds", "collectionSeconds", "uploadLifetimeSeconds", "largestBlob", "concurrentUploads",
            "connections", "requestSeconds", "idleSeconds", "shutdownSeconds", "mirrors", "mirrorRoot",
            "mirrorFreshSeconds", "mirrorKeepSeconds", "mirrorBytes", "mirrorCredentials",
        ]
    }

    /// Any object's keys.
    private struct Keys: Decodable {
        var names: [String]

        private struct Name: CodingKey {
            var stringValue: String
            var intValue: Int? { nil }
            init(stringValue: String) { self.stringValue = stringValue }
            init?(intValue: Int) { nil }
        }

        init(from decoder: any Decoder) throws {
            names = try decoder.container(keyedBy: Name.self).allKeys.map(\.stringValue)
        }
    }

    /// Takes what a file says over what is here. A key that is not known is refused: a misspelt one must not be lost.
    package mutating func read(file path: String) throws {
        let data = Data(try readFile(path, limit: 1 << 20))
        let file: File
        do {
            let unknown = try JSONDecoder().decode(Keys.self, from: data).names.filter { !File.keys.contains($0) }
            if let name = unknown.sorted().first {
                throw RegistryConfigurationError(
                    "the configuration file `\(path)` has the unknown key `\(name)`: known are "
                        + File.keys.sorted().joined(separator: ", "))
            }
            file = try JSONDecoder().decode(File.self, from: data)
        } catch let error as RegistryConfigurationError {
            throw error
        } catch {
            throw RegistryConfigurationError("the configuration file `\(path)` cannot be read: \(Self.reason(error))")
        }
        if let text = file.listen { listen = try Address(parsing: text) }
        if let tls = file.tls {
            certificates = Certificates(
                certificate: tls.certificate, key: tls.key, clientAuthority: tls.clientAuthority)
        }
        if let text = file.auth {
            authentication = try Self.choice(text, of: "auth", path)
        }
        if let patterns = file.anonymousPull { anonymousPull = try patterns.map { try RepositoryPattern($0) } }
        externalAddress = file.externalAddress ?? externalAddress
        if let addresses = file.trustedProxies { trustedProxies = Set(addresses) }
        policy.deletes = file.deletes ?? policy.deletes
        if let text = file.sparse { policy.sparse = try Self.choice(text, of: "sparse", path) }
        policy.removesUntagged = file.removeUntagged ?? policy.removesUntagged
        policy.largestBlob = file.largestBlob ?? policy.largestBlob
        policy.concurrentUploads = file.concurrentUploads ?? policy.concurrentUploads
        if let seconds = file.graceSeconds { policy.grace = .seconds(max(seconds, 0)) }
        if let seconds = file.uploadLifetimeSeconds { policy.uploadLifetime = .seconds(max(seconds, 1)) }
        if let seconds = file.collectionSeconds { collectionInterval = .seconds(max(seconds, 1)) }
        if let entries = file.mirrors {
            mirrors.upstreams = try entries.map { entry in
                var upstream = try Upstream(parsing: entry.host + (entry.url.map { "=\($0)" } ?? ""))
                if (entry.user == nil) != (entry.passwordFile == nil) {
                    throw RegistryConfigurationError("the mirror `\(entry.host)` needs both `user` and `passwordFile`")
                }
                upstream.user = entry.user
                upstream.passwordFile = entry.passwordFile
                return upstream
            }
        }
        mirrors.root = file.mirrorRoot ?? mirrors.root
        mirrors.credentialsDirectory = file.mirrorCredentials ?? mirrors.credentialsDirectory
        mirrors.limit = file.mirrorBytes ?? mirrors.limit
        if let seconds = file.mirrorFreshSeconds { mirrors.freshness = .seconds(max(seconds, 0)) }
        if let seconds = file.mirrorKeepSeconds { mirrors.keep = .seconds(max(seconds, 1)) }
        if let count = file.connections { limits.connections = max(count, 1) }
        if let seconds = file.requestSeconds { limits.requestTime = .seconds(max(seconds, 1)) }
        if let seconds = file.idleSeconds { limits.idleTime = .seconds(max(seconds, 1)) }
        if let seconds = file.shutdownSeconds { limits.shutdownTime = .seconds(max(seconds, 0)) }
    }

    private static func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ text: String, of key: String, _ path: String
    ) throws(RegistryConfigurationError) -> Choice {
        if let choice = Choice(rawValue: text) { return choice }
        let words = Choice.allCases.map(\.rawValue).joined(separator: ", ")
        throw RegistryConfigurationError("`\(key)` of `\(path)` is `\(text)`: want \(words)")
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
            DecodingError.dataCorrupted(let context):
            let path = context.codingPath.map(\.stringValue).joined(separator: ".")
            return path.isEmpty ? "it is no JSON object" : "`\(path)` has the wrong type"
        case DecodingError.keyNotFound(let key, _): return "`\(key.stringValue)` is missing"
        default: return "\(error)"
        }
    }
}
