import OCI

/// The parts of an image archive that are neither blobs nor manifests, as docker and the image-spec name them.
enum ArchiveLayout {
    /// An entry of docker's `manifest.json`.
    struct DockerEntry: Codable, Sendable {
        var config: String
        var repoTags: [String]?
        var layers: [String]

        enum CodingKeys: String, CodingKey {
            case config = "Config"
            case repoTags = "RepoTags"
            case layers = "Layers"
        }

        init(config: String, repoTags: [String]?, layers: [String]) {
            self.config = config
            self.repoTags = repoTags
            self.layers = layers
        }

        /// docker writes null for an image without layers.
        init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: CodingKeys.self)
            config = try values.decode(String.self, forKey: .config)
            repoTags = try values.decodeIfPresent([String].self, forKey: .repoTags)
            layers = try values.decodeIfPresent([String].self, forKey: .layers) ?? []
        }
    }

    /// The file `oci-layout`.
    struct Marker: Decodable, Sendable {
        var imageLayoutVersion: String
    }

    static let dockerManifest = "manifest.json"
    static let index = "index.json"
    static let marker = "oci-layout"
    static let markerText = #"{"imageLayoutVersion":"1.0.0"}"#
    /// The most images of one archive.
    static let images = 4096
    /// The largest `manifest.json` or `index.json`.
    static let indexBytes = 16 << 20

    static func path(of digest: Digest) -> String { "blobs/\(digest.algorithm.rawValue)/\(digest.hex)" }
}
