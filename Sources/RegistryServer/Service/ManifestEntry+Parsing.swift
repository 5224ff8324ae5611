package import OCI

extension ManifestEntry {
    /// Checks a manifest as far as its bytes tell.
    ///
    /// - Parameters:
    ///   - bytes: the exact bytes.
    ///   - mediaType: the request's `Content-Type`; nil where it has none.
    ///   - reference: what it is pushed as; a digest must be that of the bytes.
    ///   - sparse: what may be missing.
    package init(
        parsing bytes: [UInt8], mediaType: MediaType?, as reference: ManifestReference, sparse: RegistryPolicy.Sparse
    ) throws(RegistryFailure) {
        var algorithm = Digest.Algorithm.sha256
        if case .digest(let digest) = reference { algorithm = digest.algorithm }
        var hasher = DigestHasher(algorithm)
        hasher.update(bytes)
        digest = hasher.finalize()
        if case .digest(let expected) = reference, expected != digest {
            throw .digestInvalid("the manifest has the digest \(digest), not \(expected)")
        }
        let document: ManifestDocument
        do { document = try ManifestDocument(parsing: bytes, mediaType: mediaType) } catch {
            throw .manifestInvalid("\(error)")
        }
        self.bytes = bytes
        switch document {
        case .manifest(let image):
            let value = image.value
            self.mediaType = value.mediaType ?? mediaType.flatMap { $0.isManifest ? $0 : nil } ?? .ociManifest
            subject = value.subject?.digest
            artifactType = value.artifactType.nonEmpty ?? value.config.mediaType
            annotations = value.annotations ?? [:]
            // Content that lives elsewhere is not pushed: image-spec "Non-Distributable Layers", docker's foreign layers.
            let layers = value.layers.filter { !$0.mediaType.isForeignLayer && ($0.urls ?? []).isEmpty }
            references = [Reference(digest: value.config.digest, size: value.config.size, kind: .blob)]
            references += layers.map {
                Reference(digest: $0.digest, size: $0.size, kind: .blob, mayBeMissing: sparse == .images)
            }
        case .index(let index):
            let value = index.value
            self.mediaType = value.mediaType ?? mediaType.flatMap { $0.isIndex ? $0 : nil } ?? .ociIndex
            subject = value.subject?.digest
            artifactType = value.artifactType.nonEmpty
            annotations = value.annotations ?? [:]
            // Build caches are indexes that list layers and a config beside manifests.
            references = value.manifests.map { entry in
                Reference(
                    digest: entry.digest, size: entry.size,
                    kind: entry.mediaType.isLayer || entry.mediaType.rawValue.contains(".cacheconfig.")
                        ? .blob : .manifest,
                    mayBeMissing: sparse != .none)
            }
        }
    }
}

extension MediaType? {
    fileprivate var nonEmpty: MediaType? { flatMap { $0.rawValue.isEmpty ? nil : $0 } }
}
