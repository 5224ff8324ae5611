import Synchronization

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// RFC 3339 in UTC of seconds since 1970.
func utc(_ seconds: Int64) -> String { Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601) }

/// RFC 3339 in UTC of now, made once a second.
enum Clock {
    private static let last = Mutex((second: Int64.min, text: ""))

    static func now() -> String {
        let second = Int64(Date().timeIntervalSince1970)
        return last.withLock { last in
            if last.second != second { last = (second, utc(second)) }
            return last.text
        }
    }
}
