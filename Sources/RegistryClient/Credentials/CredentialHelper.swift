import NIOPosix
import OCI

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A program `docker-credential-NAME` that keeps credentials (docker-credential-helpers' protocol).
struct CredentialHelper: Sendable {
    let name: String
    private let searchPath: String?
    private static let tokenUser = "<token>"

    private struct Entry: Codable, Sendable {
        var ServerURL: String?
        var Username: String
        var Secret: String
    }

    /// nil where the name could not be part of a program's name.
    init?(_ name: String, searchPath: String? = nil) {
        guard (1...64).contains(name.utf8.count),
            name.utf8.allSatisfy({
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || "._-".utf8.contains($0)
            })
        else { return nil }
        self.name = name
        self.searchPath = searchPath
    }

    private var program: String { "docker-credential-\(name)" }

    func get(_ server: String) async throws -> Credential? {
        let result = try await run("get", Array("\(server)\n".utf8))
        if result.status != 0 {
            let said = text(result)
            if said.contains("credentials not found") { return nil }
            throw failure("get", said)
        }
        let entry: Entry
        do {
            entry = try Document<Entry>(parsing: result.output, kind: "answer of `\(program)`", limit: 1 << 20).value
        } catch { throw failure("get", "\(error)") }
        if entry.Username.isEmpty, entry.Secret.isEmpty { return nil }
        if entry.Username == Self.tokenUser { return .identityToken(Secret(entry.Secret)) }
        return .basic(user: entry.Username, secret: Secret(entry.Secret))
    }

    func store(_ credential: Credential, server: String) async throws {
        let entry: Entry
        switch credential {
        case .basic(let user, let secret): entry = Entry(ServerURL: server, Username: user, Secret: secret.reveal())
        case .identityToken(let token), .registryToken(let token):
            entry = Entry(ServerURL: server, Username: Self.tokenUser, Secret: token.reveal())
        }
        let result = try await run("store", Array(JSONEncoder().encode(entry)))
        if result.status != 0 { throw failure("store", text(result)) }
    }

    func erase(_ server: String) async throws {
        let result = try await run("erase", Array("\(server)\n".utf8))
        let said = text(result)
        if result.status != 0, !said.contains("credentials not found") { throw failure("erase", said) }
    }

    /// User names by server.
    func list() async throws -> [String: String] {
        let result = try await run("list", [])
        if result.status != 0 { throw failure("list", text(result)) }
        do {
            return try Document<[String: String]>(
                parsing: result.output, kind: "answer of `\(program)`", limit: 1 << 20
            ).value
        } catch { throw failure("list", "\(error)") }
    }

    private func run(_ action: String, _ input: [UInt8]) async throws -> ChildProcess.Result {
        // A thread of its own: a helper may ask a person for a password and take its time.
        let thread = NIOThreadPool(numberOfThreads: 1)
        thread.start()
        defer { thread.shutdownGracefully { _ in } }
        let found = (searchPath ?? "").split(separator: ":").map { "\($0)/\(program)" }.first(
            where: HostFile.isExecutable)
        let process = ChildProcess(name: found ?? program, arguments: [action], input: input)
        do {
            return try await thread.runIfActive { try process.run() }
        } catch let error as ChildProcess.Failure {
            throw failure(action, "\(error)")
        }
    }

    private func text(_ result: ChildProcess.Result) -> String {
        let bytes = result.output.isEmpty ? result.errorOutput : result.output
        return RegistryError.clean(String(decoding: bytes.prefix(2000), as: UTF8.self), limit: 500)
    }

    private func failure(_ action: String, _ said: String) -> RegistryError {
        RegistryError(
            .configuration, "credential helper `\(program) \(action)` failed: \(said)",
            hint:
                "install `\(program)`, or take `\(name)` out of `credsStore` and `credHelpers` in docker's config.json")
    }
}
