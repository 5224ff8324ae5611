/// What the `Range` of a GET asks for (RFC 9110 §14).
enum RangeRequest: Sendable, Equatable {
    /// No range, several ranges, or a unit that is none of ours: everything is sent.
    case whole
    case part(Range<Int64>)
    /// Nothing of the blob, or no range at all.
    case unsatisfiable

    init(_ header: String?, size: Int64) {
        guard let header, let equals = header.firstIndex(of: "="), header[..<equals].lowercased() == "bytes" else {
            self = .whole
            return
        }
        let specification = header[header.index(after: equals)...]
        if specification.contains(",") {
            self = .whole
            return
        }
        let bounds = specification.split(separator: "-", omittingEmptySubsequences: false)
        self = .unsatisfiable
        guard bounds.count == 2 else { return }
        switch (Self.number(bounds[0]), Self.number(bounds[1])) {
        case (let first?, let last?):
            if first <= last, first < size { self = .part(first..<min(last + 1, size)) }
        case (let first?, nil):
            if bounds[1].isEmpty, first < size { self = .part(first..<size) }
        case (nil, let suffix?):
            if bounds[0].isEmpty, suffix > 0, size > 0 { self = .part(max(size - suffix, 0)..<size) }
        case (nil, nil): break
        }
    }

    /// Digits only, at most 18 of them: what is larger than any file cannot be a position in one.
    fileprivate static func number(_ text: some StringProtocol) -> Int64? {
        guard (1...18).contains(text.utf8.count), text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int64(text)
    }
}

/// The `Content-Range` of a chunk: distribution-spec "Pushing a blob in chunks", `^[0-9]+-[0-9]+$`, both ends inclusive.
struct ChunkRange: Sendable, Equatable {
    var first: Int64
    var last: Int64

    var count: Int64 { last - first + 1 }

    init?(parsing text: String) {
        let bounds = text.split(separator: "-", omittingEmptySubsequences: false)
        guard bounds.count == 2, let first = RangeRequest.number(bounds[0]), let last = RangeRequest.number(bounds[1]),
            first <= last
        else { return nil }
        self.first = first
        self.last = last
    }
}
