/// What a registry allows and how long it keeps what nobody needs.
package struct RegistryPolicy: Sendable, Hashable {
    /// What a manifest may refer to without the repository having it.
    package enum Sparse: String, Sendable, Hashable, CaseIterable {
        /// Nothing: whatever is pushed can be pulled whole.
        case none
        /// An index may list manifests that are not here: some platforms of a mirrored image.
        case indexes
        /// An image may lack layers too, and an index whatever it lists.
        case images
    }

    package var sparse = Sparse.none
    /// The largest blob, in bytes.
    package var largestBlob: Int64 = 1 << 40
    /// The most request bodies that are taken at a time.
    package var concurrentUploads = 256
    /// How long an upload lives after its last byte.
    package var uploadLifetime: Duration = .seconds(24 * 3600)
    /// How long garbage collection lets be what lost its last user, and a deleted tag can be brought back.
    package var grace: Duration = .seconds(24 * 3600)
    /// Whether garbage collection deletes manifests that no tag and no index names.
    package var removesUntagged = false
    /// How long the event log reaches back.
    package var eventLifetime: Duration = .seconds(90 * 86_400)
    /// Whether tags, manifests and blobs may be deleted over the API.
    package var deletes = true

    package init() {}
}

extension Duration {
    var milliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}
