package import OCI

/// One entry of a repository's tag history: which digest a tag was given, when, by whom. Entries are only ever appended,
/// and each holds the hash of the one before, so that nobody can change or leave out an old one without it showing.
package struct HistoryEntry: Sendable, Hashable {
    /// Counts from 1 within a repository, without gaps.
    package var sequence: Int64
    package var repository: String
    package var tag: String
    /// Nil where the tag was removed.
    package var digest: Digest?
    /// Seconds since 1970.
    package var at: Int64
    /// Who did it; empty for anonymous.
    package var by: String
    /// The hash of the entry before; nil for the first.
    package var previous: Digest?

    package init(
        sequence: Int64, repository: String, tag: String, digest: Digest?, at: Int64, by: String, previous: Digest?
    ) {
        self.sequence = sequence
        self.repository = repository
        self.tag = tag
        self.digest = digest
        self.at = at
        self.by = by
        self.previous = previous
    }

    /// The SHA-256 of the entry: of its fields, each led by its length in bytes, so that no two entries read alike.
    package var hash: Digest {
        var text = "strata tag history v1\n"
        for field in [
            "\(sequence)", repository, tag, digest?.description ?? "", "\(at)", by, previous?.description ?? "",
        ] {
            text += "\(field.utf8.count):\(field)\n"
        }
        return Digest.sha256(of: text.utf8)
    }
}

/// Verifies a repository's history, also offline from an export of it.
package enum HistoryChain {
    /// The first thing that does not fit; nil where the whole chain holds.
    ///
    /// - Parameters:
    ///   - entries: from the first, in order.
    ///   - head: the hash of the last entry as somebody wrote it down; nil where nobody did. Without it a chain that was cut
    ///     short at its end still holds.
    package static func problem(in entries: some Sequence<HistoryEntry>, head: Digest? = nil) -> String? {
        var previous: Digest?
        var sequence: Int64 = 0
        for entry in entries {
            sequence += 1
            if entry.sequence != sequence { return "entry \(sequence) is missing: the next one is \(entry.sequence)" }
            if entry.previous != previous {
                return
                    "entry \(sequence) (tag \(entry.tag)) does not follow from the one before it: one of them was changed"
            }
            previous = entry.hash
        }
        if let head, head != previous { return "the last entry is not the one with the hash \(head)" }
        return nil
    }
}
