import OCI
import Testing

@Suite struct DocumentTests {
    static let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    static let config = #"{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"\#(digest)","size":2}"#

    private func parse(_ text: String, as type: MediaType? = nil) throws(DocumentError) -> ManifestDocument {
        try ManifestDocument(parsing: Array(text.utf8), mediaType: type)
    }

    @Test func keepsTheExactBytes() throws {
        let text = #"{ "schemaVersion": 2,  "config": \#(Self.config), "layers": [] , "strange": [1]}"#
        guard case .manifest(let document) = try parse(text) else {
            Issue.record("no manifest")
            return
        }
        #expect(document.bytes == Array(text.utf8))
        #expect(document.digest == Digest.sha256(of: Array(text.utf8)))
        #expect(document.value.config.size == 2)
    }

    @Test(arguments: [
        #"{"schemaVersion":2,"manifests":[],"config":\#(config)}"#,  // both kinds: CVE-2021-41190
        #"{"schemaVersion":2,"manifests":[],"layers":[]}"#,
        #"{"schemaVersion":1,"fsLayers":[]}"#,
        #"{"schemaVersion":3,"config":\#(config),"layers":[]}"#,
        #"{"schemaVersion":2,"mediaType":"text/plain","config":\#(config),"layers":[]}"#,
        #"{"schemaVersion":2,"config":\#(config)}"#,
        #"{"schemaVersion":2,"config":{"mediaType":"x","digest":"sha256:00","size":1},"layers":[]}"#,
        #"{"schemaVersion":2,"config":{"mediaType":"x","digest":"\#(digest)","size":-1},"layers":[]}"#,
        #"{"schemaVersion":2,"config":{"mediaType":"x","digest":"\#(digest)","size":99999999999999999999},"layers":[]}"#,
        #"{"schemaVersion":2"#, "", "[]", "null", "\u{0}",
    ]) func refuses(_ text: String) {
        #expect(throws: DocumentError.self) { _ = try parse(text) }
    }

    @Test func outerAndInnerMediaTypeMustAgree() {
        let index = #"{"schemaVersion":2,"mediaType":"\#(MediaType.ociIndex)","manifests":[]}"#
        #expect(throws: DocumentError.self) { _ = try parse(index, as: .ociManifest) }
        #expect(throws: Never.self) { _ = try parse(index, as: .ociIndex) }
        #expect(throws: Never.self) { _ = try parse(index, as: MediaType(rawValue: "application/json; charset=utf-8")) }
    }

    @Test func depthIsBoundedBeforeParsing() {
        let deep = String(repeating: "[", count: 10_000) + String(repeating: "]", count: 10_000)
        #expect(throws: DocumentError.tooDeep) { _ = try parse(#"{"a":\#(deep)}"#) }
        // Brackets inside strings do not nest.
        let quoted =
            #"{"schemaVersion":2,"config":\#(Self.config),"layers":[],"x":"\#(String(repeating: "[\\\"", count: 100))"}"#
        #expect(throws: Never.self) { _ = try parse(quoted) }
    }

    @Test func sizeAndCountsAreBounded() {
        let long = #"{"x":"\#(String(repeating: "a", count: Limits.manifestBytes))"}"#
        #expect(throws: DocumentError.self) { _ = try parse(long) }
        let layer = #"{"mediaType":"\#(MediaType.ociLayer)","digest":"\#(Self.digest)","size":1}"#
        let many = Array(repeating: layer, count: Limits.layers + 1).joined(separator: ",")
        #expect(throws: DocumentError.self) {
            _ = try parse(#"{"schemaVersion":2,"config":\#(Self.config),"layers":[\#(many)]}"#)
        }
    }

    @Test func configNeedsADiffIDForEveryLayer() throws {
        let text = #"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["\#(Self.digest)"]}}"#
        #expect(try ImageConfig.parse(Array(text.utf8), layers: 1).value.rootfs.diffIDs.count == 1)
        #expect(throws: DocumentError.self) { _ = try ImageConfig.parse(Array(text.utf8), layers: 2) }
        #expect(throws: DocumentError.self) { _ = try ImageConfig.parse(Array(text.utf8), layers: 0) }
    }
}
