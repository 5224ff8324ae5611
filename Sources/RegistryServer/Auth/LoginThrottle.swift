import Synchronization

/// Slows down guessing: after some wrong passwords a pair of address and name waits, each time twice as long, and so does an
/// address that tries many names. Others are not locked out by it.
final class LoginThrottle: Sendable {
    private struct Failures {
        var count = 0
        /// Milliseconds since 1970.
        var last: Int64 = 0
        var until: Int64 = 0
    }

    /// Wrong passwords that cost nothing yet.
    private static let free = (pair: 5, address: 30)
    private static let longest: Int64 = 300_000
    /// After so long without a failure everything is forgotten.
    private static let memory: Int64 = 900_000
    private static let limit = 20_000

    private let failures = Mutex<[String: Failures]>([:])

    /// Refuses a try that comes too early, and tells when it may come.
    func check(_ name: String, from address: String, now: Int64) throws(RegistryFailure) {
        let until = failures.withLock { failures in
            max(failures["\(address) \(name)"]?.until ?? 0, failures[address]?.until ?? 0)
        }
        if until <= now { return }
        let seconds = (until - now + 999) / 1000
        throw RegistryFailure(
            .tooManyRequests, status: 429,
            "too many wrong passwords: try again in \(seconds) second\(seconds == 1 ? "" : "s")"
        ).with(header: "Retry-After", "\(seconds)")
    }

    func failed(_ name: String, from address: String, now: Int64) {
        failures.withLock { failures in
            if failures.count >= Self.limit { failures = failures.filter { now - $0.value.last < Self.memory } }
            if failures.count >= Self.limit { failures.removeAll() }
            for (key, free) in [("\(address) \(name)", Self.free.pair), (address, Self.free.address)] {
                var entry = failures[key] ?? Failures()
                if now - entry.last > Self.memory { entry = Failures() }
                entry.count += 1
                entry.last = now
                let over = entry.count - free
                if over >= 0 { entry.until = now + min(1000 << Int64(min(over, 20)), Self.longest) }
                failures[key] = entry
            }
        }
    }

    /// A right password ends the waiting of its pair; the address keeps its count.
    func succeeded(_ name: String, from address: String) {
        failures.withLock { $0["\(address) \(name)"] = nil }
    }
}
