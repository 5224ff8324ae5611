/// An image manifest: one config and its layers. Implements image-spec manifest.md and docker's schema 2.
public struct Manifest: Sendable, Hashable, Codable {
    /// Always 2.
    public var schemaVersion: Int
    /// The document's own media type, where it says it.
    public var mediaType: MediaType?
    /// The kind of artifact, where this is one.
    public var artifactType: MediaType?
    /// The image's config.
    public var config: Descriptor
    /// The layers, base first.
    public var layers: [Descriptor]
    /// The manifest this one refers to.
    public var subject: Descriptor?
    /// Free annotations.
    public var annotations: [String: String]?

    /// Makes a manifest.
    public init(
        mediaType: MediaType = .ociManifest, config: Descriptor, layers: [Descriptor], subject: Descriptor? = nil,
        annotations: [String: String]? = nil
    ) {
        schemaVersion = 2
        self.mediaType = mediaType
        self.config = config
        self.layers = layers
        self.subject = subject
        self.annotations = annotations
    }
}

/// An image index (a manifest list): manifests for several platforms. Implements image-spec image-index.md.
public struct Index: Sendable, Hashable, Codable {
    /// Always 2.
    public var schemaVersion: Int
    /// The document's own media type, where it says it.
    public var mediaType: MediaType?
    /// The kind of artifact, where this is one.
    public var artifactType: MediaType?
    /// The manifests, in the publisher's order of preference.
    public var manifests: [Descriptor]
    /// The manifest this one refers to.
    public var subject: Descriptor?
    /// Free annotations.
    public var annotations: [String: String]?

    /// Makes an index.
    public init(
        mediaType: MediaType = .ociIndex, manifests: [Descriptor], annotations: [String: String]? = nil
    ) {
        schemaVersion = 2
        self.mediaType = mediaType
        self.manifests = manifests
        self.annotations = annotations
    }
}

/// What a manifest URL or blob may hold.
public enum ManifestDocument: Sendable {
    /// One image.
    case manifest(Document<Manifest>)
    /// Several.
    case index(Document<Index>)

    /// The exact bytes.
    public var bytes: [UInt8] {
        switch self {
        case .manifest(let document): document.bytes
        case .index(let document): document.bytes
        }
    }

    /// Parses the bytes that a registry, layout or archive gave.
    ///
    /// The document's own `mediaType` must agree with the outer one (image-spec manifest.md, `mediaType`), and a
    /// document may not be both an index and a manifest: that ambiguity is CVE-2021-41190.
    ///
    /// - Parameters:
    ///   - bytes: the exact bytes.
    ///   - mediaType: what the descriptor or the `Content-Type` header says; nil where nothing says.
    public init(parsing bytes: [UInt8], mediaType: MediaType?) throws(DocumentError) {
        struct Shape: Decodable, Sendable {
            struct Anything: Decodable, Sendable { init(from decoder: any Decoder) {} }
            var schemaVersion: Int?
            var mediaType: MediaType?
            var config: Anything?
            var layers: Anything?
            var manifests: Anything?
            var fsLayers: Anything?
        }
        let shape = try Document<Shape>(parsing: bytes, kind: "manifest", limit: Limits.manifestBytes).value
        if shape.fsLayers != nil || shape.schemaVersion == 1 {
            throw .unsupported(
                "\(MediaType.dockerSchema1): docker schema 1 is obsolete; push the image again with a current client")
        }
        if shape.manifests != nil, shape.config != nil || shape.layers != nil {
            throw .invalid("a manifest may not have both `manifests` and `config` or `layers`")
        }
        let known = { (type: MediaType) in type.isIndex || type.isManifest }
        if let inner = shape.mediaType, let outer = mediaType, known(outer), inner != outer {
            throw .invalid("the manifest says its media type is `\(inner)`, but was announced as `\(outer)`")
        }
        let type = shape.mediaType ?? mediaType.flatMap { known($0) ? $0 : nil }
        switch type {
        case .some(let type) where type.isIndex: self = .index(try Self.index(bytes))
        case .some(let type) where type.isManifest: self = .manifest(try Self.manifest(bytes))
        case .some(let type): throw .unsupported(type.rawValue)
        case nil: self = shape.manifests != nil ? .index(try Self.index(bytes)) : .manifest(try Self.manifest(bytes))
        }
    }

    private static func manifest(_ bytes: [UInt8]) throws(DocumentError) -> Document<Manifest> {
        let document = try Document<Manifest>(parsing: bytes, kind: "manifest", limit: Limits.manifestBytes)
        if document.value.schemaVersion != 2 { throw .invalid("manifest schema version is not 2") }
        if document.value.layers.count > Limits.layers {
            throw .invalid(
                "the image has \(document.value.layers.count) layers, more than the \(Limits.layers) that a kernel can stack"
            )
        }
        return document
    }

    private static func index(_ bytes: [UInt8]) throws(DocumentError) -> Document<Index> {
        let document = try Document<Index>(parsing: bytes, kind: "index", limit: Limits.manifestBytes)
        if document.value.schemaVersion != 2 { throw .invalid("index schema version is not 2") }
        if document.value.manifests.count > Limits.indexEntries {
            throw .invalid("the index has \(document.value.manifests.count) entries, more than \(Limits.indexEntries)")
        }
        return document
    }
}
