import Containers
import Glibc
import Linux

/// Points in time as docker's `--since` and `until=` take them.
enum Moment {
    /// Nanoseconds since 1970 of a Unix time, a date with or without a time and a zone, or a duration before now.
    static func parse(_ text: String, now: Int64 = wallClockNanoseconds()) throws(ContainerError) -> Int64 {
        if let duration = GoDuration.parse(text), text != "0" { return now - duration }
        if let unix = unix(text) { return unix }
        if let moment = Timestamp.parse(text) ?? local(text) { return moment }
        throw ContainerError(
            .invalid, "failed to parse value as time or duration: \"\(text)\"",
            hint: "want a time such as 2026-01-31T12:00:00, a date, or a duration such as 42m")
    }

    /// `1136073600.000000001`.
    private static func unix(_ text: String) -> Int64? {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let seconds = Int64(parts[0]), seconds.magnitude < 9_000_000_000 else { return nil }
        guard parts.count > 1 else { return seconds * 1_000_000_000 }
        let digits = parts[1].prefix(9)
        guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isNumber }), let fraction = Int64(digits) else {
            return nil
        }
        return seconds * 1_000_000_000
            + fraction * (0..<(9 - digits.count)).reduce(1) { scale, _ in scale * 10 }
    }

    /// `2026-01-31`, `2026-01-31T12:00`, `2026-01-31T12:00:00.5` in this machine's zone.
    private static func local(_ text: String) -> Int64? {
        let halves = text.split(separator: "T", maxSplits: 1, omittingEmptySubsequences: false)
        let date = halves[0].split(separator: "-").map { Int32($0) }
        guard date.count == 3, let year = date[0], let month = date[1], let day = date[2], (1...12).contains(month),
            (1...31).contains(day), (1970...9999).contains(year)
        else { return nil }
        var time = unsafe tm()
        unsafe time.tm_year = year - 1900
        unsafe time.tm_mon = month - 1
        unsafe time.tm_mday = day
        unsafe time.tm_isdst = -1
        var fraction: Int64 = 0
        if halves.count > 1 {
            let clock = halves[1].split(separator: ":", omittingEmptySubsequences: false)
            guard (1...3).contains(clock.count), let hour = Int32(clock[0]), (0..<24).contains(hour) else { return nil }
            unsafe time.tm_hour = hour
            if clock.count > 1 {
                guard let minute = Int32(clock[1]), (0..<60).contains(minute) else { return nil }
                unsafe time.tm_min = minute
            }
            if clock.count > 2 {
                guard let second = unix(String(clock[2])), (0..<61_000_000_000).contains(second) else { return nil }
                unsafe time.tm_sec = Int32(second / 1_000_000_000)
                fraction = second % 1_000_000_000
            }
        }
        let seconds = unsafe mktime(&time)
        return seconds == -1 ? nil : Int64(seconds) * 1_000_000_000 + fraction
    }
}
