import OCI
import TestSupport

/// The parsers of `OCI`.
enum OCITargets {
    static let all = [reference, digest, platform, manifest, config]

    private static let hex = String(repeating: "0123456789abcdef", count: 4)

    private static let reference = FuzzTarget(
        "reference",
        seeds: [
            "alpine", "docker.io/library/alpine:3.15", "localhost:5000/a/b-c_d.e:t@sha256:\(hex)", "[::1]:5000/a",
            "HOST.example.com/a__b/c---d", "a:b:c", "@sha256:",
        ]
    ) { bytes in
        guard let value = try? Reference(parsing: String(decoding: bytes, as: UTF8.self)) else { return }
        for text in [value.description, value.familiar] {
            try hold((try? Reference(parsing: text)) == value, "`\(text)` is not what it was")
        }
        try hold(!value.path.isEmpty && !value.domain.isEmpty, "a part is empty")
        for part in value.path.split(separator: "/", omittingEmptySubsequences: false) {
            try hold(!part.isEmpty && part != "." && part != "..", "`\(value)` climbs")
        }
    }

    private static let digest = FuzzTarget("digest", seeds: ["sha256:\(hex)", "sha512:\(hex)\(hex)", "md5:0"]) {
        bytes in
        guard let value = try? Digest(parsing: String(decoding: bytes, as: UTF8.self)) else { return }
        try hold((try? Digest(parsing: value.description)) == value, "\(value) is not what it was")
        try hold(!value.hex.contains("/") && !value.hex.contains("."), "\(value) is no file name")
    }

    private static let platform = FuzzTarget("platform", seeds: ["linux/amd64", "linux/arm/v7", "arm64", "linux"]) {
        bytes in
        guard let value = try? Platform(parsing: String(decoding: bytes, as: UTF8.self)) else { return }
        // In the words that images use it may be longer than what is taken.
        if value.description.utf8.count > 128 { return }
        try hold((try? Platform(parsing: value.description)) == value, "\(value) is not what it was")
    }

    private static let manifest = FuzzTarget(
        "manifest",
        seeds: [
            #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:\#(hex)","size":2},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:\#(hex)","size":99,"annotations":{"a":"b"}}],"subject":{"mediaType":"a/b","digest":"sha256:\#(hex)","size":1}}"#,
            #"{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:\#(hex)","size":7,"platform":{"os":"linux","architecture":"arm64","variant":"v8"}}]}"#,
            #"{"schemaVersion":1,"fsLayers":[{"blobSum":"sha256:\#(hex)"}],"history":[{"v1Compatibility":"{\"id\":\"\u00e9\"}"}]}"#,
            String(repeating: "[", count: 10_000) + String(repeating: "]", count: 10_000),
            String(repeating: #"{"a":"#, count: 10_000), #"{"schemaVersion":2e0,"config":null,"layers":[1e999]}"#,
        ]
    ) { bytes in
        guard let document = try? ManifestDocument(parsing: bytes, mediaType: nil) else { return }
        try hold(document.bytes == bytes, "the bytes are not kept")
    }

    private static let config = FuzzTarget(
        "config",
        seeds: [
            #"{"architecture":"amd64","os":"linux","created":"2026-01-01T00:00:00Z","config":{"Env":["A=b"],"Cmd":["/bin/sh"],"Entrypoint":null,"ExposedPorts":{"80/tcp":{}},"Volumes":{"/v":{}},"User":"0:0","Labels":{"a":"b"},"Healthcheck":{"Test":["CMD","a"],"Interval":1000000000}},"rootfs":{"type":"layers","diff_ids":["sha256:\#(hex)"]},"history":[{"created_by":"x","empty_layer":true},{"created_by":"\ud83d\ude00"}]}"#
        ]
    ) { bytes in
        guard let document = try? ImageConfig.parse(bytes, layers: nil) else { return }
        try hold(document.bytes == bytes, "the bytes are not kept")
    }
}
