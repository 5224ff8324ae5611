import Content
import OCI
import SQL

/// What `index.json` lists: every name of every image, so that other tools find them and the database can be rebuilt.
enum Layout {
    /// image-spec annotations.md: what skopeo, umoci and others look for.
    static let nameAnnotation = "org.opencontainers.image.ref.name"
    /// The full name, as containerd writes it.
    static let containerdAnnotation = "io.containerd.image.name"
    /// What the registry served under the name, where it was an index: `TYPE DIGEST SIZE`.
    static let targetAnnotation = "dev.strata.target"
    /// When the name last moved, seconds since 1970.
    static let updatedAnnotation = "dev.strata.updated"
    /// Repositories that have the manifest, separated by blanks.
    static let sourcesAnnotation = "dev.strata.sources"

    /// The entries for some images: one for each name, and one for each manifest without.
    static func entries(of images: [StoredImage]) -> [Descriptor] {
        var entries: [Descriptor] = []
        for image in images {
            for manifest in image.manifests {
                let names = image.references.filter { $0.manifest == manifest.descriptor.digest }
                entries += names.map { entry(image, manifest, $0) }
                if names.isEmpty { entries.append(entry(image, manifest, nil)) }
            }
        }
        return entries
    }

    private static func entry(
        _ image: StoredImage, _ manifest: StoredManifest, _ reference: StoredReference?
    ) -> Descriptor {
        var entry = manifest.descriptor
        entry.platform = image.platform
        var annotations: [String: String] = [:]
        if !manifest.sources.isEmpty { annotations[sourcesAnnotation] = manifest.sources.joined(separator: " ") }
        if let reference {
            // Other tools take entries by tag; a name with a digest is for rebuilding only.
            if reference.name.tag != nil { annotations[nameAnnotation] = reference.name.stored }
            annotations[containerdAnnotation] = reference.name.stored
            annotations[updatedAnnotation] = "\(reference.updated)"
            if reference.target.digest != manifest.descriptor.digest {
                let target = reference.target
                annotations[targetAnnotation] = "\(target.mediaType) \(target.digest) \(target.size)"
            }
        }
        entry.annotations = annotations.isEmpty ? nil : annotations
        return entry
    }
}

extension ImageService {
    /// Lets `index.json` say what the database says. Comes after every step, and before any blob is removed.
    func publishIndex() throws {
        try Self.explaining {
            try blobs.writeIndex {
                try metadata.read { Layout.entries(of: try ImageStore.images(.live, .full, $0)) }
            }
        }
    }
}
