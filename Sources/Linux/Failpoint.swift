import Glibc

/// Named places at which a test may let the process die, to prove that dying there leaves no lie.
///
/// `STRATA_FAILPOINT=NAME` kills the process with SIGKILL where it reaches `NAME`; `NAME:3` the third time.
package enum Failpoint {
    private static let armed: (name: String, passes: Counter)? = {
        guard let value = unsafe getenv("STRATA_FAILPOINT") else { return nil }
        let parts = unsafe String(cString: value).split(separator: ":", maxSplits: 1)
        guard let name = parts.first else { return nil }
        return (String(name), Counter(parts.count == 2 ? Int(parts[1]) ?? 1 : 1))
    }()

    private final class Counter: Sendable {
        private let left: Monitor<Int>
        init(_ count: Int) { left = Monitor(count) }
        /// Whether this is the pass to die at.
        func pass() -> Bool {
            left.withLock { left in
                left -= 1
                return left == 0
            }
        }
    }

    /// Dies here where a test asks for it. Costs a comparison with nil otherwise.
    package static func reach(_ name: @autoclosure () -> String) {
        guard let armed, armed.name == name(), armed.passes.pass() else { return }
        kill(getpid(), SIGKILL)
    }
}
