import Crypto

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// An event as receivers get it: CloudEvents 1.0 in structured JSON mode.
package struct CloudEvent: Sendable, Hashable, Codable {
    package var specversion = "1.0"
    /// Unique within the source: the event's number in the registry's log. The same event delivered twice has the same.
    package var id: String
    /// The registry's address.
    package var source: String
    /// `dev.strata.registry.push` and its like; open: more kinds will come.
    package var type: String
    /// The repository.
    package var subject: String
    /// RFC 3339, UTC.
    package var time: String
    package var datacontenttype = "application/json"
    package var data: [String: String]

    package init(id: String, source: String, type: String, subject: String, at seconds: Int64, data: [String: String]) {
        self.id = id
        self.source = source
        self.type = type
        self.subject = subject
        time = Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
        self.data = data
    }

    /// The exact bytes that are signed and sent: keys sorted, so that a replay is the same.
    package func encoded() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(self))
    }
}

/// Proves to a receiver that a delivery is the registry's, and fresh: `t=<seconds>,v1=<HMAC-SHA-256 of "t.body">`.
package enum WebhookSignature {
    /// The header that carries it.
    package static let header = "Strata-Signature"

    /// Signs a body at a time (seconds since 1970).
    package static func sign(_ body: [UInt8], secret: [UInt8], at seconds: Int64) -> String {
        "t=\(seconds),v1=\(code(body, secret: secret, at: seconds))"
    }

    /// What a receiver does: the signature fits the body, and is not older (or newer) than `tolerance` seconds.
    package static func verify(
        _ signature: String, of body: [UInt8], secret: [UInt8], now: Int64, tolerance: Int64 = 300
    ) -> Bool {
        var time: Int64?
        var codes: [Substring] = []
        for part in signature.split(separator: ",") {
            if part.hasPrefix("t=") { time = Int64(part.dropFirst(2)) }
            if part.hasPrefix("v1=") { codes.append(part.dropFirst(3)) }
        }
        guard let time, abs(now - time) <= tolerance else { return false }
        let expected = Array(code(body, secret: secret, at: time).utf8)
        return codes.contains { given in
            let given = Array(given.utf8)
            return given.count == expected.count && zip(given, expected).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
        }
    }

    private static func code(_ body: [UInt8], secret: [UInt8], at seconds: Int64) -> String {
        var hmac = HMAC<SHA256>(key: SymmetricKey(data: secret))
        hmac.update(data: Array("\(seconds).".utf8))
        hmac.update(data: body)
        let digits = Array("0123456789abcdef")
        return String(hmac.finalize().flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }
}

/// When a delivery that failed is tried again: after 10 s, then twice as long each time, at most an hour apart, for three days.
package enum DeliverySchedule {
    package static let longestSeconds: Int64 = 3600
    package static let giveUpSeconds: Int64 = 3 * 86_400

    /// Seconds to wait after a failed attempt; nil when it is time to give up.
    ///
    /// - Parameters:
    ///   - attempt: how many attempts were made, at least 1.
    ///   - age: seconds since the first of them.
    ///   - jitter: from 0 to 1, spreads deliveries that failed together.
    package static func delay(afterAttempt attempt: Int, age: Int64, jitter: Double) -> Int64? {
        if age >= giveUpSeconds { return nil }
        let doubled = attempt >= 10 ? longestSeconds : min(10 << Int64(max(attempt - 1, 0)), longestSeconds)
        return doubled + Int64(Double(doubled) * 0.2 * min(max(jitter, 0), 1))
    }
}
