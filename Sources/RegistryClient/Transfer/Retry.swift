/// Counts tries and waits between them.
struct Retry: Sendable {
    let policy: RetryPolicy
    let clock: RegistryClock
    let onRetry: @Sendable (Int, String) -> Void
    private(set) var failures = 0

    init(_ configuration: RegistryConfiguration, onRetry: (@Sendable (Int, String) -> Void)? = nil) {
        policy = configuration.retry
        clock = configuration.clock
        self.onRetry = onRetry ?? configuration.onRetry
    }

    /// Runs an operation until it succeeds, fails for good, or was tried often enough.
    static func run<Value: Sendable>(
        _ configuration: RegistryConfiguration, onRetry: (@Sendable (Int, String) -> Void)? = nil,
        _ operation: () async throws -> Value
    ) async throws -> Value {
        var retry = Retry(configuration, onRetry: onRetry)
        while true {
            do { return try await operation() } catch { try await retry.wait(after: error) }
        }
    }

    /// Something went well: the next failure is the first again.
    mutating func progressed() { failures = 0 }

    /// Waits before the next try, or throws the error where there is to be none.
    mutating func wait(after error: any Error) async throws {
        try Task.checkCancellation()
        guard let failure = error as? RegistryError, failure.isTransient else { throw error }
        failures += 1
        // Who is not there at all is asked fewer times: mostly it is a wrong name.
        let attempts = failure.code == .unreachable ? min(policy.attempts, 3) : policy.attempts
        if failures >= attempts { throw error }
        guard let pause = delay(after: failure) else { throw error }
        onRetry(
            max(1, Int(clamping: pause.components.seconds + (pause.components.attoseconds > 0 ? 1 : 0))),
            failure.message)
        try await clock.sleep(pause)
    }

    /// Doubling with jitter, or what the registry asks for; nil where it asks for too long.
    private func delay(after error: RegistryError) -> Duration? {
        let doubled = policy.firstDelay * (1 << min(failures - 1, 16))
        let backoff = min(doubled, policy.longestDelay) * (0.5 + clock.random() / 2)
        guard let asked = error.retryAfter else { return backoff }
        let wanted = Duration.seconds(asked)
        return wanted > policy.longestRetryAfter ? nil : max(wanted, backoff)
    }
}
