#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The `Retry-After` header: seconds, or a date (RFC 9110 section 10.2.3).
enum RetryAfter {
    /// Seconds to wait from now; nil where the header says neither.
    static func seconds(_ header: String) -> Int64? { seconds(header, now: Int64(Date().timeIntervalSince1970)) }

    static func seconds(_ header: String, now: Int64) -> Int64? {
        if !header.isEmpty, header.utf8.count <= 10, header.utf8.allSatisfy({ (48...57).contains($0) }) {
            return Int64(header)
        }
        return httpDate(header).map { max(0, $0 - now) }
    }

    /// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`.
    static func httpDate(_ text: String) -> Int64? {
        let parts = text.split(separator: " ", omittingEmptySubsequences: false)
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard parts.count == 6, parts[0].utf8.count == 4, parts[0].hasSuffix(","), parts[5] == "GMT",
            let day = number(parts[1], 2), (1...31).contains(day), let month = months.firstIndex(of: String(parts[2])),
            let year = number(parts[3], 4), year >= 1970
        else { return nil }
        let clock = parts[4].split(separator: ":", omittingEmptySubsequences: false)
        guard clock.count == 3, let hour = number(clock[0], 2), hour < 24, let minute = number(clock[1], 2),
            minute < 60,
            let second = number(clock[2], 2), second <= 60
        else { return nil }
        // Days since 1970 of a date in the proleptic Gregorian calendar, with years that begin in March.
        let shifted = month < 2 ? year - 1 : year
        let dayOfYear = (153 * ((month + 10) % 12) + 2) / 5 + day - 1
        let days = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + dayOfYear - 719_468
        return Int64(days * 86_400 + hour * 3600 + minute * 60 + second)
    }

    private static func number(_ text: Substring, _ digits: Int) -> Int? {
        text.utf8.count == digits && text.utf8.allSatisfy { (48...57).contains($0) } ? Int(text) : nil
    }
}
