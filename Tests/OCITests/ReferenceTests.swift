import OCI
import Testing

@Suite struct ReferenceTests {
    struct Good: Sendable {
        var text: String
        var full: String
        var familiar: String
    }

    static let hex = String(repeating: "0123456789abcdef", count: 4)

    @Test(arguments: [
        Good(text: "alpine", full: "docker.io/library/alpine", familiar: "alpine"),
        Good(text: "alpine:3.15", full: "docker.io/library/alpine:3.15", familiar: "alpine:3.15"),
        Good(text: "library/alpine", full: "docker.io/library/alpine", familiar: "alpine"),
        Good(text: "docker.io/alpine", full: "docker.io/library/alpine", familiar: "alpine"),
        Good(text: "index.docker.io/library/alpine", full: "docker.io/library/alpine", familiar: "alpine"),
        Good(text: "a/b", full: "docker.io/a/b", familiar: "a/b"),
        // Without the domain it would be read as another registry's.
        Good(text: "docker.io/a.b/c", full: "docker.io/a.b/c", familiar: "docker.io/a.b/c"),
        // Without it, it would be an image's identifier.
        Good(text: "library/\(hex)", full: "docker.io/library/\(hex)", familiar: "docker.io/library/\(hex)"),
        Good(text: "docker.io/library/a/b", full: "docker.io/library/a/b", familiar: "library/a/b"),
        Good(text: "localhost/a", full: "localhost/a", familiar: "localhost/a"),
        Good(text: "localhost:5000/a", full: "localhost:5000/a", familiar: "localhost:5000/a"),
        Good(text: "host:5000/a/b:x", full: "host:5000/a/b:x", familiar: "host:5000/a/b:x"),
        Good(text: "[::1]:5000/a", full: "[::1]:5000/a", familiar: "[::1]:5000/a"),
        // An upper-case first component can only be a host.
        Good(text: "HOST/a", full: "HOST/a", familiar: "HOST/a"),
        // Without a slash `host:5000` is a name and a tag.
        Good(text: "host:5000", full: "docker.io/library/host:5000", familiar: "host:5000"),
        Good(text: "a.b/c", full: "a.b/c", familiar: "a.b/c"),
        Good(text: "a__b/c-d.e---f", full: "docker.io/a__b/c-d.e---f", familiar: "a__b/c-d.e---f"),
        Good(
            text: "host:5000/a/b:t@sha256:\(hex)", full: "host:5000/a/b:t@sha256:\(hex)",
            familiar: "host:5000/a/b:t@sha256:\(hex)"),
    ]) func parses(_ good: Good) throws {
        let reference = try Reference(parsing: good.text)
        #expect(reference.description == good.full)
        #expect(reference.familiar == good.familiar)
        #expect(try Reference(parsing: reference.description) == reference)
        #expect(try Reference(parsing: reference.familiar) == reference)
    }

    @Test(arguments: [
        ("", ReferenceError.invalidFormat), ("-a", .invalidFormat), ("a//b", .invalidFormat), ("a/", .invalidFormat),
        ("/a", .invalidFormat), ("a:", .invalidFormat), ("a:-x", .invalidFormat), ("a..b", .invalidFormat),
        ("a___b", .invalidFormat), ("a b", .invalidFormat), ("a\u{0}b", .invalidFormat), ("é", .invalidFormat),
        ("host:99999/a", .invalidFormat), ("host:/a", .invalidFormat), ("[::1/a", .invalidFormat),
        ("-host.x/a", .invalidFormat), ("a:b:c", .invalidFormat), ("../a", .invalidFormat), ("a/../b", .invalidFormat),
        ("Alpine", .uppercase("library/Alpine")), ("x/Alpine", .uppercase("x/Alpine")),
        (hex, .hexadecimalName(hex)),
        ("a@sha256:12", .digest(.malformed("sha256:12"))), ("a@md5:12", .digest(.unsupportedAlgorithm("md5"))),
        (String(repeating: "a", count: 256), .nameTooLong), (String(repeating: "a", count: 5000), .nameTooLong),
    ]) func refuses(_ text: String, _ expected: ReferenceError) {
        let error = #expect(throws: ReferenceError.self) { _ = try Reference(parsing: text) }
        #expect(error == expected)
    }

    @Test func tagsAreBounded() throws {
        _ = try Reference(parsing: "a:" + String(repeating: "t", count: 128))
        #expect(throws: ReferenceError.invalidFormat) {
            _ = try Reference(parsing: "a:" + String(repeating: "t", count: 129))
        }
    }

    @Test func latestOnlyWhereNothingStands() throws {
        #expect(try Reference(parsing: "a").withDefaultTag.familiar == "a:latest")
        #expect(try Reference(parsing: "a:b").withDefaultTag.familiar == "a:b")
        #expect(try Reference(parsing: "a@sha256:\(Self.hex)").withDefaultTag.tag == nil)
    }
}

@Suite struct DigestTests {
    @Test func emptyInputHasTheKnownDigest() throws {
        let known = try Digest(parsing: "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(Digest.sha256(of: []) == known)
        #expect(known.short == "e3b0c44298fc")
        var hasher = DigestHasher(.sha512)
        hasher.update([UInt8]("abc".utf8))
        #expect(hasher.finalize().description.hasPrefix("sha512:ddaf35a193617abacc417349ae204131"))
    }

    @Test(arguments: [
        "", "sha256", "sha256:", "sha256:00", "sha256:" + String(repeating: "G", count: 64),
        "sha256:" + String(repeating: "A", count: 64), "sha256:../" + String(repeating: "a", count: 61),
    ])
    func malformed(_ text: String) {
        #expect(throws: DigestError.self) { _ = try Digest(parsing: text) }
    }
}

@Suite struct PlatformTests {
    @Test(arguments: [
        ("linux/amd64", "linux/amd64"), ("linux/x86_64", "linux/amd64"), ("LINUX/AMD64", "linux/amd64"),
        ("linux/aarch64", "linux/arm64"), ("linux/arm64/v8", "linux/arm64"), ("linux/arm", "linux/arm/v7"),
        ("linux/arm/7", "linux/arm/v7"), ("linux/armhf", "linux/arm/v7"), ("linux/armel", "linux/arm/v6"),
        ("linux/i386", "linux/386"), ("linux/s390x", "linux/s390x"), ("arm64", "linux/arm64"),
        ("macos/arm64", "darwin/arm64"), ("linux", Platform.current.description),
    ]) func normalises(_ text: String, _ expected: String) throws {
        #expect(try Platform(parsing: text).description == expected)
    }

    @Test(arguments: ["", "/", "linux/", "a/b/c/d", "linux/am d64", "linux//v7", "nonsense"])
    func refuses(_ text: String) { #expect(throws: PlatformError.self) { _ = try Platform(parsing: text) } }

    private func entry(_ text: String, _ byte: UInt8) throws -> Descriptor {
        Descriptor(mediaType: .ociManifest, digest: .sha256(of: [byte]), size: 1, platform: try Platform(parsing: text))
    }

    @Test func choosesTheBestThatRuns() throws {
        let arm6 = try entry("linux/arm/v6", 1)
        let arm7 = try entry("linux/arm/v7", 2)
        let i386 = try entry("linux/386", 3)
        let attestation = Descriptor(
            mediaType: .ociManifest, digest: .sha256(of: [9]), size: 1,
            platform: Platform(os: "unknown", architecture: "unknown"))
        let all = [attestation, arm6, i386, arm7]
        #expect(try Platform(parsing: "linux/arm64").select(from: all) == arm7)
        #expect(try Platform(parsing: "linux/arm/v6").select(from: all) == arm6)
        #expect(try Platform(parsing: "linux/arm/v5").select(from: all) == nil)
        #expect(try Platform(parsing: "linux/amd64").select(from: all) == i386)
        #expect(try Platform(parsing: "linux/s390x").select(from: all) == nil)
    }
}
