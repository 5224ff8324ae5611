import Linux
import OCI
import RegistryClient

private let username = Flag.string("username", "u", "Username")
private let password = Flag.string("password", "p", "Password or Personal Access Token (PAT)")
private let passwordStdin = Flag.bool(
    "password-stdin", nil, "Take the Password or Personal Access Token (PAT) from stdin")

extension Command {
    static let login = Command(
        "login", "[SERVER]", "Authenticate to a registry",
        details: "Defaults to Docker Hub if no server is specified. Credentials are kept where docker keeps them: in "
            + "config.json or with the credential helper that it names.",
        flags: [username.spec, password.spec, passwordStdin.spec], count: .atMost(1)
    ) { call in
        let console = call.console
        let server = try registry(call)
        if call[passwordStdin], call[password] != nil {
            throw UsageWords(description: "--password and --password-stdin are mutually exclusive")
        }
        if call[passwordStdin], call[username] == nil {
            throw UsageWords(description: "Must provide --username with --password-stdin")
        }
        guard let user = call[username] ?? console.ask("Username: "), !user.isEmpty else {
            throw UsageWords(description: "Non-null Username Required")
        }
        let secret: String
        if call[passwordStdin] {
            secret = try wholeInput()
        } else if let given = call[password] {
            console.warn("Using --password via the CLI is insecure. Use --password-stdin.")
            secret = given
        } else {
            secret = console.ask("Password: ", hidden: true) ?? ""
        }
        if secret.isEmpty { throw UsageWords(description: "Password Required") }
        let outcome = try await call.session.client().login(host: server, user: user, secret: Secret(secret))
        if case .file(let path) = try await store(call).save(outcome.credential, for: server) {
            console.warn("Your credentials are stored unencrypted in '\(path)'.")
        }
        if !outcome.wasChecked { console.warn("\(server) asks for no credentials: nothing was checked") }
        console.line("Login Succeeded")
        return 0
    }

    static let logout = Command(
        "logout", "[SERVER]", "Log out from a registry",
        details: "If no server is specified, the default is Docker Hub.", count: .atMost(1)
    ) { call in
        let server = try registry(call)
        if try await store(call).erase(server) {
            call.console.line("Removing login credentials for \(server)")
        } else {
            call.console.line("Not logged in to \(server)")
        }
        return 0
    }
}

/// Standard input to its end, without the line feed that ends it.
func wholeInput() throws -> String {
    var bytes: [UInt8] = []
    while bytes.count < 1 << 20 {
        let chunk = try readSome(from: 0, upTo: 64 << 10, "standard input")
        if chunk.isEmpty { break }
        bytes += chunk
    }
    while bytes.last == 10 || bytes.last == 13 { bytes.removeLast() }
    return String(decoding: bytes, as: UTF8.self)
}

/// The registry that the argument names: with or without a scheme, as docker takes it.
private func registry(_ call: Call) throws -> String {
    guard var text = call.arguments.first, !text.isEmpty else { return Reference.defaultDomain }
    for scheme in ["https://", "http://"] where text.hasPrefix(scheme) { text.removeFirst(scheme.count) }
    if let slash = text.firstIndex(of: "/") { text = String(text[..<slash]) }
    if ["docker.io", "index.docker.io", "registry-1.docker.io"].contains(text) { return Reference.defaultDomain }
    // A name without a dot or a port would be a repository of Docker Hub in a reference; here it can only be a host.
    guard let reference = try? Reference(parsing: "\(text)/x"), reference.domain == text || !text.contains(":") else {
        throw UsageWords(description: "\(text) is no registry: want host or host:port")
    }
    return text
}

private func store(_ call: Call) throws -> CredentialStore {
    guard let directory = RegistryConfiguration.fromEnvironment(call.session.settings.environment).dockerConfigDirectory
    else { throw UsageWords(description: "no place for credentials: neither HOME nor DOCKER_CONFIG is set") }
    return CredentialStore(directory: directory)
}
