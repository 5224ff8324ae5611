package import OCI

/// An image as the database has it.
package struct StoredImage: Sendable, Equatable {
    /// The row.
    var row: Int64
    /// The image ID: the config's digest.
    package var id: Digest { config.digest }
    /// The config's descriptor.
    package var config: Descriptor
    package var platform: Platform
    /// Seconds since 1970.
    package var created: Int64?
    /// Bytes of all its layers' files.
    package var size: Int64
    /// When it came here, seconds since 1970.
    package var added: Int64
    /// The step that removed it, where it is only kept for undo.
    package var removedBy: Int64?
    package var labels: [String: String] = [:]
    /// Its manifests, oldest first; never empty.
    package var manifests: [StoredManifest] = []
    /// Its layers, base first.
    package var layers: [StoredLayer] = []
    /// The names it has, sorted.
    package var references: [StoredReference] = []

    /// Names with a tag, sorted.
    package var tags: [StoredReference] { references.filter { $0.name.tag != nil } }
    /// Names with a digest, sorted.
    package var digests: [StoredReference] { references.filter { $0.name.digest != nil } }

    /// What must be here for it to be whole: config, manifests, blobs, and layers by their diffIDs.
    var parts: [Digest] {
        [id] + manifests.flatMap { [$0.descriptor.digest] + $0.layers.map(\.digest) } + layers.map(\.diffID)
    }

    /// The manifest that a reference of the image chose; the newest where none is asked for.
    package func manifest(for reference: StoredReference? = nil) -> StoredManifest? {
        let wanted = (reference ?? references.last)?.manifest
        return manifests.first { $0.descriptor.digest == wanted } ?? manifests.last
    }
}

/// A manifest of an image.
package struct StoredManifest: Sendable, Equatable {
    var row: Int64
    /// Media type, digest and size.
    package var descriptor: Descriptor
    /// The layers' blobs, base first; urls are in the manifest's own bytes only. Empty in summaries.
    package var layers: [Descriptor] = []
    /// Repositories known to have it, full names.
    package var sources: [String] = []
}

/// A layer by its diffID.
package struct StoredLayer: Sendable, Equatable {
    var row: Int64
    package var diffID: Digest
    /// Bytes of its files.
    package var size: Int64
    /// Entries in it.
    package var files: Int
}

/// A full name with a tag or a digest.
package struct StoredReference: Sendable, Equatable {
    package var name: Reference
    /// The manifest of the image.
    package var manifest: Digest
    /// What the registry served under the name: the manifest, or the index that led to it.
    package var target: Descriptor
    /// When it last moved, seconds since 1970.
    package var updated: Int64

    package init(name: Reference, manifest: Digest, target: Descriptor, updated: Int64) {
        self.name = name
        self.manifest = manifest
        self.target = target
        self.updated = updated
    }
}
