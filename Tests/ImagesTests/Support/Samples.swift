import OCI
import Snapshots
import Testing

@testable import Images

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Images made of nothing but rows, for tests of the database.
enum Samples {
    /// An image of layers named by numbers; the same numbers are the same layers.
    static func image(
        _ layers: [Int], created: String? = "2024-09-06T12:05:36Z", labels: [String: String] = [:],
        manifestType: MediaType = .ociManifest, source: String? = nil
    ) throws -> NewImage {
        var container = ContainerConfig()
        container.labels = labels.isEmpty ? nil : labels
        let config = ImageConfig(
            platform: Platform(os: "linux", architecture: "amd64"),
            rootfs: .init(diffIDs: layers.map { Digest.sha256(of: Array("layer \($0)".utf8)) }), created: created,
            config: container)
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let configBytes = try Array(encoder.encode(config))
        let manifest = Manifest(
            mediaType: manifestType,
            config: Descriptor(
                mediaType: .ociConfig, digest: Digest.sha256(of: configBytes), size: Int64(configBytes.count)),
            layers: layers.map {
                Descriptor(
                    mediaType: .ociLayerGzip, digest: Digest.sha256(of: Array("blob \($0)".utf8)), size: Int64($0))
            })
        let bytes = try Array(encoder.encode(manifest))
        return NewImage(
            manifest: try Document(parsing: bytes, kind: "manifest", limit: Limits.manifestBytes),
            descriptor: Descriptor(
                mediaType: manifestType, digest: Digest.sha256(of: bytes), size: Int64(bytes.count)),
            config: try Document(parsing: configBytes, kind: "config", limit: Limits.configBytes),
            contents: layers.map { LayerContents(size: Int64($0) * 100, files: $0) },
            source: try source.map { try Reference(parsing: $0) })
    }

    static func name(_ text: String) throws -> Reference { try Reference(parsing: text).withDefaultTag }
}
