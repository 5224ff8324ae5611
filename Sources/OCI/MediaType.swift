/// A media type as descriptors and `Content-Type` headers carry it.
///
/// Open: unknown types are kept as they came (artifacts have types of their own). Implements image-spec media-types.md
/// and docker's schema 2 types beside it.
public struct MediaType: Hashable, Sendable, RawRepresentable, Codable, CustomStringConvertible {
    /// The type's text, without parameters.
    public let rawValue: String

    /// Makes a media type of its text; parameters after `;` are dropped.
    public init(rawValue: String) {
        let end = rawValue.utf8.firstIndex { $0 == UInt8(ascii: ";") || $0 == UInt8(ascii: " ") }
        self.rawValue = end.map { String(rawValue[..<$0]) } ?? rawValue
    }

    init(_ text: String) { rawValue = text }

    /// The type's text.
    public var description: String { rawValue }

    /// OCI image index.
    public static let ociIndex = MediaType("application/vnd.oci.image.index.v1+json")
    /// OCI image manifest.
    public static let ociManifest = MediaType("application/vnd.oci.image.manifest.v1+json")
    /// OCI image config.
    public static let ociConfig = MediaType("application/vnd.oci.image.config.v1+json")
    /// OCI layer, uncompressed.
    public static let ociLayer = MediaType("application/vnd.oci.image.layer.v1.tar")
    /// OCI layer, gzip.
    public static let ociLayerGzip = MediaType("application/vnd.oci.image.layer.v1.tar+gzip")
    /// OCI layer, zstd.
    public static let ociLayerZstd = MediaType("application/vnd.oci.image.layer.v1.tar+zstd")
    /// The empty JSON object, `{}`.
    public static let ociEmpty = MediaType("application/vnd.oci.empty.v1+json")
    /// Docker manifest list.
    public static let dockerIndex = MediaType("application/vnd.docker.distribution.manifest.list.v2+json")
    /// Docker schema 2 manifest.
    public static let dockerManifest = MediaType("application/vnd.docker.distribution.manifest.v2+json")
    /// Docker schema 1 manifest, which registries stopped to serve: refused with a clear word.
    public static let dockerSchema1 = MediaType("application/vnd.docker.distribution.manifest.v1+prettyjws")
    /// Docker image config.
    public static let dockerConfig = MediaType("application/vnd.docker.container.image.v1+json")
    /// Docker layer, gzip.
    public static let dockerLayerGzip = MediaType("application/vnd.docker.image.rootfs.diff.tar.gzip")
    /// Docker layer, uncompressed.
    public static let dockerLayer = MediaType("application/vnd.docker.image.rootfs.diff.tar")
    /// Docker layer, zstd.
    public static let dockerLayerZstd = MediaType("application/vnd.docker.image.rootfs.diff.tar.zstd")
    /// Docker foreign layer: its bytes live elsewhere.
    public static let dockerForeignLayer = MediaType("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")

    /// An index or manifest list.
    public var isIndex: Bool { self == .ociIndex || self == .dockerIndex }
    /// An image (or artifact) manifest.
    public var isManifest: Bool { self == .ociManifest || self == .dockerManifest }
    /// An image config of either family.
    public var isConfig: Bool { self == .ociConfig || self == .dockerConfig }
    /// A layer whose distribution is restricted; never pushed.
    public var isForeignLayer: Bool {
        self == .dockerForeignLayer || rawValue.hasPrefix("application/vnd.oci.image.layer.nondistributable.")
    }
    /// A file system layer of either family.
    public var isLayer: Bool {
        rawValue.hasPrefix("application/vnd.oci.image.layer.")
            || rawValue.hasPrefix("application/vnd.docker.image.rootfs.")
    }

    /// What a client that wants a manifest says it accepts.
    public static let acceptedManifests: [MediaType] = [.ociIndex, .dockerIndex, .ociManifest, .dockerManifest]

    /// Decodes from one string.
    public init(from decoder: any Decoder) throws {
        self.init(rawValue: try decoder.singleValueContainer().decode(String.self))
    }

    /// Encodes as one string.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }
}
