import Linux

/// Sizes and times in docker's words.
package enum Units {
    /// `5.59MB`: decimal units, as many significant digits as asked for.
    package static func size(_ bytes: Int64, digits: Int = 3) -> String {
        let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"]
        var value = Double(bytes)
        var unit = 0
        while value >= 1000, unit < units.count - 1 {
            value /= 1000
            unit += 1
        }
        return GoFormat.format("%.\(digits)g", [.double(value)]) + units[unit]
    }

    /// `5 days`, `About an hour`.
    package static func duration(_ seconds: Int64) -> String {
        let minutes = seconds / 60
        // docker rounds hours to the nearest.
        let hours = Int64((Double(seconds) / 3600).rounded())
        switch seconds {
        case ..<1: return "Less than a second"
        case 1: return "1 second"
        case ..<60: return "\(seconds) seconds"
        default: break
        }
        if minutes == 1 { return "About a minute" }
        if minutes < 60 { return "\(minutes) minutes" }
        if hours == 1 { return "About an hour" }
        if hours < 48 { return "\(hours) hours" }
        if hours < 24 * 7 * 2 { return "\(hours / 24) days" }
        if hours < 24 * 30 * 2 { return "\(hours / 24 / 7) weeks" }
        if hours < 24 * 365 * 2 { return "\(hours / 24 / 30) months" }
        return "\(hours / 24 / 365) years"
    }

    /// `5 days ago`; `N/A` where the time is not known.
    package static func ago(_ time: Int64?, now: Int64 = wallClockSeconds()) -> String {
        time.map { "\(duration(now - $0)) ago" } ?? "N/A"
    }
}
