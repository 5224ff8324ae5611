import OCI
import TestSupport

/// An image of one layer that a `FaultServer` serves, rightly or wrongly.
struct FakeImage: Sendable {
    var layer: [UInt8]
    var config: [UInt8]
    var manifest: [UInt8]
    let layerDigest: Digest
    let configDigest: Digest
    var manifestType = "application/vnd.oci.image.manifest.v1+json"

    /// - Parameters:
    ///   - layer: the blob, as it is served.
    ///   - diffID: what the config says of it; the digest of the blob where it is not compressed.
    ///   - diffIDs: how often the config says it.
    init(layer: [UInt8], diffID: Digest? = nil, diffIDs: Int = 1) {
        self.layer = layer
        layerDigest = Digest.sha256(of: layer)
        let list = Array(repeating: "\"\(diffID ?? layerDigest)\"", count: diffIDs).joined(separator: ",")
        config = Array(
            #"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[\#(list)]}}"#.utf8)
        configDigest = Digest.sha256(of: config)
        manifest = Array(
            """
            {"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":\
            {"mediaType":"application/vnd.oci.image.config.v1+json","digest":"\(configDigest)","size":\(config.count)},\
            "layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"\(layerDigest)","size":\
            \(layer.count)}]}
            """.utf8)
    }

    /// The answer of a registry that does as it should.
    func answer(_ exchange: HTTPExchange) -> ServerReply {
        if exchange.path == "/v2/" { return ServerReply(200) }
        if exchange.path.contains("/manifests/") {
            return ServerReply(
                200,
                headers: [("Content-Type", manifestType), ("Docker-Content-Digest", "\(Digest.sha256(of: manifest))")],
                .bytes(manifest))
        }
        if exchange.path.hasSuffix("/blobs/\(configDigest)") { return ServerReply(200, .bytes(config)) }
        guard exchange.path.hasSuffix("/blobs/\(layerDigest)") else { return ServerReply(404) }
        guard let range = exchange.header("Range"), let start = Int(range.dropFirst(6).prefix { $0 != "-" }) else {
            return ServerReply(200, .bytes(layer))
        }
        return ServerReply(
            206, headers: [("Content-Range", "bytes \(start)-\(layer.count - 1)/\(layer.count)")],
            .bytes(Array(layer[start...])))
    }
}
