/// `Content-Range: bytes FIRST-LAST/TOTAL` (RFC 9110 section 14.4).
struct ContentRange: Sendable, Equatable {
    var first: Int64
    var last: Int64
    /// nil where the server does not say it (`*`).
    var total: Int64?

    init?(parsing text: String) {
        guard text.lowercased().hasPrefix("bytes ") else { return nil }
        let parts = text.dropFirst(6).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let first = Self.number(ends[0]), let last = Self.number(ends[1]), first <= last else {
            return nil
        }
        self.first = first
        self.last = last
        if parts[1] != "*" {
            guard let total = Self.number(parts[1]), total > last else { return nil }
            self.total = total
        }
    }

    static func number(_ text: some StringProtocol) -> Int64? {
        text.utf8.allSatisfy { (48...57).contains($0) } ? Int64(text) : nil
    }
}
