#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// RFC 3339 in UTC of seconds since 1970.
func utc(_ seconds: Int64) -> String { Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601) }

/// RFC 3339 in UTC of now.
func utcNow() -> String { Date().formatted(.iso8601) }
