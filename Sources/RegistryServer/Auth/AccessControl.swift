import NIOPosix
import Synchronization

/// Who asks, and what of his rights the request may use.
struct Caller: Sendable {
    var principal: Principal
    /// What a bearer token is limited to; nil where the whole account speaks.
    var token: [TokenSigner.Access]?
    /// Whether any credential was shown, be it of an anonymous token.
    var isKnown: Bool

    static let nobody = Caller(principal: .anonymous, token: nil, isKnown: false)
}

/// Accounts and rights as they are now.
struct AccessSnapshot: Sendable {
    var generation: Int64
    var accounts: [String: StoredAccount]
    var policy: AccessPolicy
}

/// Decides who somebody is and what he may do. Rights are looked up when they are used, also those a token carries: what is
/// taken away works no more at once, or within `staleness` where another process took it.
package final class AccessControl: Sendable {
    typealias Authentication = RegistryServerConfiguration.Authentication

    private struct Cached {
        var snapshot: AccessSnapshot
        var checked: ContinuousClock.Instant
    }

    private static let staleness = Duration.milliseconds(200)

    let database: RegistryDatabase
    let mode: Authentication
    let now: @Sendable () -> Int64
    private let anonymousPull: [AccessRule]
    /// Whether `automatic` lets everybody in while there are no accounts.
    private let opensWithoutAccounts: Bool
    private let cached = Mutex<Cached?>(nil)
    private let credentials = CredentialCache()
    private let throttle = LoginThrottle()
    /// Password hashes take memory and time on purpose: two at a time.
    private let hashers: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: 2)
        pool.start()
        return pool
    }()

    package init(
        _ database: RegistryDatabase, mode: RegistryServerConfiguration.Authentication = .automatic,
        anonymousPull: [RepositoryPattern] = [], opensWithoutAccounts: Bool = true,
        now: @escaping @Sendable () -> Int64
    ) {
        self.database = database
        self.mode = mode
        self.anonymousPull = anonymousPull.map { AccessRule(subject: .anonymous, pattern: $0, actions: [.pull]) }
        self.opensWithoutAccounts = opensWithoutAccounts
        self.now = now
    }

    deinit { hashers.shutdownGracefully { _ in } }

    // MARK: State

    /// The state, at most `staleness` old.
    func snapshot() async throws -> AccessSnapshot {
        let known = cached.withLock { $0 }
        if let known, known.checked.duration(to: .now) < Self.staleness { return known.snapshot }
        let anonymous = anonymousPull
        let asked = ContinuousClock.now
        let snapshot = try await database.read { records in
            let generation = try records.accessGeneration()
            if let known, known.snapshot.generation == generation { return known.snapshot }
            let accounts = try records.storedAccounts()
            return AccessSnapshot(
                generation: generation,
                accounts: Dictionary(accounts.map { ($0.account.name, $0) }) { first, _ in first },
                policy: AccessPolicy(rules: try records.rules() + anonymous))
        }
        cached.withLock { cached in
            if cached.map({ $0.snapshot.generation <= snapshot.generation }) ?? true {
                cached = Cached(snapshot: snapshot, checked: asked)
            }
        }
        return snapshot
    }

    /// Forgets the state: the next question looks at the database.
    func renew() { cached.withLock { $0 = nil } }

    /// Changes accounts or rights, with a line in the audit log, in one transaction.
    package func change<Value: Sendable>(
        _ entry: AuditEntry, _ body: @escaping @Sendable (RegistryRecords) throws -> Value
    ) async throws -> Value {
        let value = try await database.write { records in
            let value = try body(records)
            try records.audit(entry)
            return value
        }
        renew()
        return value
    }

    /// Whether everybody may do everything.
    func isOpen() async throws -> Bool {
        switch mode {
        case .none: true
        case .token, .basic: false
        case .automatic: opensWithoutAccounts ? try await snapshot().accounts.isEmpty : false
        }
    }

    /// What a caller may do to a repository.
    func actions(of caller: Caller, on name: RepositoryName) async throws -> Set<RepositoryAction> {
        if try await isOpen() { return Set(RepositoryAction.allCases) }
        let rights = try await rights(of: caller.principal, on: name.description)
        guard let token = caller.token else { return rights }
        let granted = token.filter { $0.type == "repository" && $0.name == name.description }
            .flatMap(\.actions).reduce(into: Set<RepositoryAction>()) { set, action in
                if action == "*" { set.formUnion(RepositoryAction.allCases) }
                if let action = RepositoryAction(rawValue: action) { set.formUnion(action.implied) }
            }
        return rights.intersection(granted)
    }

    /// What an account may do to a repository, whatever a token says.
    func rights(of principal: Principal, on name: String) async throws -> Set<RepositoryAction> {
        if try await isOpen() { return Set(RepositoryAction.allCases) }
        return try await snapshot().policy.actions(of: principal, on: name)
    }

    /// Answers for many repositories at once.
    func reader(_ principal: Principal) async throws -> @Sendable (String) -> Bool {
        if try await isOpen() { return { _ in true } }
        let policy = try await snapshot().policy
        return { policy.actions(of: principal, on: $0).contains(.pull) }
    }

    /// The account as it is now; nil where it is gone, disabled or expired.
    func principal(named name: String) async throws -> Principal? {
        let now = now()
        guard let stored = try await snapshot().accounts[name], Self.isUsable(stored.account, at: now) else {
            return nil
        }
        return stored.account.principal
    }

    private static func isUsable(_ account: Account, at now: Int64) -> Bool {
        !account.isDisabled && account.expires.map { $0 > now } ?? true
    }

    // MARK: Passwords

    /// Checks a name and its password or secret.
    ///
    /// - Parameter isLogin: whether this is somebody who logs in, for the audit log, or one of many requests.
    func authenticate(name: String, password: String, from address: String, isLogin: Bool = false) async throws
        -> Principal
    {
        let now = now()
        try throttle.check(name, from: address, now: now)
        var stored = try await snapshot().accounts[name]
        if stored?.account.kind != .user || !credentials.contains(name, password, stored: stored?.hash ?? "") {
            // Made or renewed a moment ago by another process: nobody is refused for what is out of date.
            renew()
            stored = try await snapshot().accounts[name]
        }
        let matches = try await matches(name, password, stored, from: address, at: now)
        guard let stored, matches, Self.isUsable(stored.account, at: now) else {
            if matches { throttle.failed(name, from: address, now: now) }
            let reason =
                switch (stored, matches) {
                case (nil, _): "no such account"
                case (_, false): "wrong password"
                case (let stored?, true): stored.account.isDisabled ? "disabled" : "expired"
                }
            try await audit("login.failed", actor: "", address: address, subject: name, detail: reason)
            // The same words whether there is such an account; who knows the password is told more.
            guard let stored, matches else {
                throw RegistryFailure(.unauthorized, status: 401, "wrong user name or password")
            }
            throw RegistryFailure(
                .unauthorized, status: 401,
                stored.account.isDisabled
                    ? "the account `\(name)` is disabled: ask the registry's administrator"
                    : "the secret of `\(name)` has expired: make a new one (`strata registry robot renew \(name)`)")
        }
        throttle.succeeded(name, from: address)
        if isLogin { try await audit("login", actor: name, address: address, subject: name, detail: "") }
        return stored.account.principal
    }

    private func matches(
        _ name: String, _ password: String, _ stored: StoredAccount?, from address: String, at now: Int64
    ) async throws -> Bool {
        if let stored, stored.account.kind == .robot {
            let matches = RobotSecret.matches(password, stored.hash)
            if !matches { throttle.failed(name, from: address, now: now) }
            return matches
        }
        if let stored, credentials.contains(name, password, stored: stored.hash) { return true }
        let encoded = stored?.hash
        let matches = try await hashers.runIfActive { [throttle] in
            // Many tries at once wait here for their turn: those before them count already.
            try throttle.check(name, from: address, now: now)
            // As long as for an account that is there: the time must not tell names.
            let hash = encoded.map { try? PasswordHash(encoded: $0) } ?? Self.decoy
            if let hash, hash.matches(password), encoded != nil { return true }
            throttle.failed(name, from: address, now: now)
            return false
        }
        if matches, let stored { credentials.insert(name, password, stored: stored.hash) }
        return matches
    }

    private static let decoy = try? PasswordHash(of: randomText())

    func hash(_ password: String) async throws -> String {
        try await hashers.runIfActive { try PasswordHash(of: password).encoded }
    }

    func audit(_ action: String, actor: String, address: String, subject: String, detail: String) async throws {
        let entry = AuditEntry(
            at: now(), actor: actor, address: address, action: action, subject: subject, detail: detail)
        try await database.write { try $0.audit(entry) }
    }
}
