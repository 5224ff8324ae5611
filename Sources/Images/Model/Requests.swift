package import OCI

/// The form of a saved archive.
package enum SaveFormat: String, Sendable, CaseIterable {
    /// docker-archive and OCI layout in one tar, as docker 25 and later write.
    case docker
    /// An OCI layout alone.
    case oci
}

/// Whose `--filter` grammar to parse.
package enum FilterVerb: Sendable { case list, prune }

/// What `load` brought: docker prints the reference where there is one, else the ID.
package struct LoadedImage: Sendable, Equatable {
    package var id: Digest
    package var reference: Reference?

    package init(id: Digest, reference: Reference?) {
        self.id = id
        self.reference = reference
    }
}

/// Whether a pull changed what the name means here.
package enum PullOutcome: Sendable, Equatable { case downloaded, upToDate }
