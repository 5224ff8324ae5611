import Linux

/// Moments in docker's forms, in this machine's time zone.
package enum Times {
    /// `2021-11-24 20:19:40 +0000 UTC`.
    package static func local(_ seconds: Int64) -> String { localTime(seconds, "%Y-%m-%d %H:%M:%S %z %Z") }

    /// RFC 3339: `2021-11-24T20:19:40Z`.
    package static func rfc3339(_ seconds: Int64) -> String {
        let text = localTime(seconds, "%Y-%m-%dT%H:%M:%S%z")
        if text.hasSuffix("+0000") { return text.dropLast(5) + "Z" }
        return text.dropLast(2) + ":" + text.suffix(2)
    }
}
