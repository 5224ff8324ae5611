/// What is garbage, as conditions of SQL over the state as it is, so that a preview and the collection after it agree.
/// `$1` is the cutoff: what lost its last user before it may go.
enum GarbageRules {
    /// `m` of `repository_manifests`: deleted by a request, longer ago than the grace time.
    static let manifest = "(m.deleted IS NOT NULL AND m.deleted < $1)"

    /// `l` of `repository_blobs`: neither touched nor deleted within the grace time, and no manifest that stays needs it.
    static let link = """
        (l.touched < $1 AND (l.deleted IS NULL OR l.deleted < $1) AND NOT EXISTS (
            SELECT 1 FROM manifest_references f
            JOIN repository_manifests m ON m.repository = f.repository AND m.digest = f.manifest
            WHERE f.repository = l.repository AND f.digest = l.digest AND NOT \(manifest)))
        """

    /// `b` of `blobs`: no repository keeps it.
    static let blob = "NOT EXISTS (SELECT 1 FROM repository_blobs l WHERE l.digest = b.digest AND NOT \(link))"

    /// `m` of `repository_manifests`: no tag names it, no index lists it, it is about nothing that is here, it was pushed
    /// before the cutoff, and no tag that ever named it changed since then (so that a deleted tag can come back).
    static let untagged = """
        (m.deleted IS NULL AND m.pushed < $1
        AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.repository = m.repository AND t.digest = m.digest)
        AND NOT EXISTS (
            SELECT 1 FROM manifest_references f
            JOIN repository_manifests i ON i.repository = f.repository AND i.digest = f.manifest
            WHERE f.repository = m.repository AND f.digest = m.digest AND i.deleted IS NULL)
        AND (m.subject IS NULL OR NOT EXISTS (
            SELECT 1 FROM repository_manifests s
            WHERE s.repository = m.repository AND s.digest = m.subject AND s.deleted IS NULL))
        AND NOT EXISTS (
            SELECT 1 FROM tag_history h JOIN tag_history later
            ON later.repository = h.repository AND later.tag = h.tag AND later.at * 1000 >= $1
            WHERE h.repository = m.repository AND h.digest = m.digest))
        """
}
