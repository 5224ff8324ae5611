/// Names a blob: what it is, how large, and its digest. Implements image-spec descriptor.md.
public struct Descriptor: Hashable, Sendable, Codable {
    /// What the bytes are.
    public var mediaType: MediaType
    /// The digest of the bytes.
    public var digest: Digest
    /// The number of bytes; never negative.
    public var size: Int64
    /// Where else the bytes may be had (foreign layers).
    public var urls: [String]?
    /// Free annotations.
    public var annotations: [String: String]?
    /// The platform an index entry is for.
    public var platform: Platform?
    /// The kind of artifact a manifest describes.
    public var artifactType: MediaType?

    /// Makes a descriptor.
    ///
    /// - Parameters:
    ///   - mediaType: what the bytes are.
    ///   - digest: the digest of the bytes.
    ///   - size: the number of bytes.
    ///   - urls: where else the bytes may be had.
    ///   - annotations: free annotations.
    ///   - platform: the platform, in an index.
    ///   - artifactType: the kind of artifact.
    public init(
        mediaType: MediaType, digest: Digest, size: Int64, urls: [String]? = nil,
        annotations: [String: String]? = nil, platform: Platform? = nil, artifactType: MediaType? = nil
    ) {
        self.mediaType = mediaType
        self.digest = digest
        self.size = size
        self.urls = urls
        self.annotations = annotations
        self.platform = platform
        self.artifactType = artifactType
    }

    /// Decodes, refusing a negative size.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        mediaType = try values.decodeIfPresent(MediaType.self, forKey: .mediaType) ?? MediaType(rawValue: "")
        digest = try values.decode(Digest.self, forKey: .digest)
        size = try values.decode(Int64.self, forKey: .size)
        urls = try values.decodeIfPresent([String].self, forKey: .urls)
        annotations = try values.decodeIfPresent([String: String].self, forKey: .annotations)
        platform = try values.decodeIfPresent(Platform.self, forKey: .platform)
        artifactType = try values.decodeIfPresent(MediaType.self, forKey: .artifactType)
        if size < 0 { throw DocumentError.invalid("descriptor of \(digest) has the negative size \(size)") }
    }
}
