package import OCI

/// One thing that a garbage collection removes, or would remove, and why.
package struct GarbageItem: Sendable, Hashable, CustomStringConvertible {
    package enum Kind: String, Sendable {
        /// A manifest that no tag names and nothing needs: it is deleted now and its bytes go after the grace time.
        case untagged = "untagged manifest"
        /// A manifest that was deleted.
        case manifest = "manifest"
        /// A repository's hold on a blob.
        case link = "blob of a repository"
        /// Bytes.
        case blob = "blob"
        /// Bytes that no row speaks of: a push that died before it was acknowledged.
        case orphan = "orphaned blob"
    }

    package var kind: Kind
    /// Empty for bytes, which belong to no repository.
    package var repository: String
    package var digest: Digest
    /// What removing it frees; 0 for a hold.
    package var bytes: Int64
    package var reason: String

    package var description: String {
        "\(kind.rawValue) \(repository.isEmpty ? "" : "\(repository)@")\(digest): \(reason)"
    }
}
