import Linux
import OCI
import TestSupport
import Testing

/// What a hostile or broken registry may serve: each gets a clear error and leaves no trace.
@Suite(.serialized) struct BadInputTests {
    /// A tar of one file, or what a shell command writes.
    private static func tar(_ script: String = "echo hello > data; tar --owner=0 --group=0 -cf out.tar data") throws
        -> [UInt8]
    {
        let folder = try TemporaryDirectory()
        _ = try runShell(script, in: folder.path)
        return try readFile(folder.path + "/out.tar", limit: 64 << 20)
    }

    /// A tar whose only member has a name that tar(1) would not write.
    private static func tar(named name: String, linkTo target: String? = nil, hard: Bool = false) throws -> [UInt8] {
        let kind = target == nil ? "REGTYPE" : hard ? "LNKTYPE" : "SYMTYPE"
        return try tar(
            """
            python3 - <<'P'
            exec("import tarfile")
            archive = tarfile.open("out.tar", "w")
            member = tarfile.TarInfo("\(name)")
            member.type = tarfile.\(kind)
            member.linkname = "\(target ?? "")"
            archive.addfile(member)
            archive.close()
            P
            """)
    }

    private func expectRefusal(
        _ image: FakeImage, _ words: String, _ answer: (@Sendable (HTTPExchange) -> ServerReply)? = nil
    ) async throws {
        let server = try await FaultServer(handler: answer ?? { image.answer($0) })
        let strata = try StrataProcess()
        let result = try strata.run("pull", "\(server.authority)/bad:1")
        #expect(result.status == 1, "\(words): \(result)")
        #expect(result.errorOutput.contains(words), "\(words): \(result)")
        #expect(try strata.succeed("images", "-q").isEmpty)
        let left = try runShell("cd '\(strata.root)'; find oci/blobs/*/* layers/* 2>/dev/null || true")
        #expect(left.isEmpty, "\(words): \(left)")
        #expect(try strata.succeed("system", "check").hasSuffix("Everything is as it should be.\n"))
        await server.stop()
    }

    @Test func aWrongDigest() async throws {
        let image = FakeImage(layer: try Self.tar())
        var other = image.layer
        other[600] ^= 1
        let served = other
        try await expectRefusal(image, "has digest") { exchange in
            exchange.path.hasSuffix("/blobs/\(image.layerDigest)")
                ? ServerReply(200, .bytes(served)) : image.answer(exchange)
        }
    }

    @Test func aBodyThatNeverEnds() async throws {
        let image = FakeImage(layer: try Self.tar())
        try await expectRefusal(image, "too long") { exchange in
            exchange.path.hasSuffix("/blobs/\(image.layerDigest)")
                ? ServerReply(200, .endless([UInt8](repeating: 0, count: 64 << 10))) : image.answer(exchange)
        }
    }

    @Test func aManifestThatNeverEnds() async throws {
        let image = FakeImage(layer: try Self.tar())
        try await expectRefusal(image, "limit") { exchange in
            exchange.path.contains("/manifests/") && exchange.method == "GET"
                ? ServerReply(200, .endless([UInt8](repeating: 32, count: 64 << 10))) : image.answer(exchange)
        }
    }

    @Test func aLayerThatUnpacksToSomethingElse() async throws {
        try await expectRefusal(FakeImage(layer: try Self.tar(), diffID: Digest.sha256(of: [])), "unpacks to")
    }

    @Test func aConfigWithFewerLayersThanTheManifest() async throws {
        try await expectRefusal(FakeImage(layer: try Self.tar(), diffIDs: 0), "names 0 diffIDs for 1 layers")
    }

    @Test func aStreamCutShort() async throws {
        let gzip = try Self.tar("head -c 100000 /dev/urandom > data; tar -c data | gzip -nc | head -c 50000 > out.tar")
        try await expectRefusal(FakeImage(layer: gzip), "cut off")
    }

    @Test func jsonTenThousandLevelsDeep() async throws {
        var image = FakeImage(layer: try Self.tar())
        image.manifest = Array((String(repeating: "[", count: 10_000) + String(repeating: "]", count: 10_000)).utf8)
        try await expectRefusal(image, "nested deeper than")
    }

    @Test func indexesInACircle() async throws {
        // Whatever digest is asked for, the answer is an index that lists one more: no digest can be right for ever.
        let image = FakeImage(layer: try Self.tar())
        try await expectRefusal(image, "not sha256:") { exchange in
            guard exchange.path.contains("/manifests/") else { return image.answer(exchange) }
            let digest = Digest.sha256(of: Array(exchange.path.utf8))
            let index = """
                {"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[\
                {"mediaType":"application/vnd.oci.image.index.v1+json","digest":"\(digest)","size":100,\
                "platform":{"os":"linux","architecture":"amd64"}}]}
                """
            return ServerReply(
                200, headers: [("Content-Type", "application/vnd.oci.image.index.v1+json")], .bytes(Array(index.utf8)))
        }
    }

    @Test func anArtifactThatIsNoImage() async throws {
        var image = FakeImage(layer: try Self.tar())
        image.manifest = Array(
            String(decoding: image.manifest, as: UTF8.self)
                .replacing("image.config.v1+json", with: "helm.config.v1+json").utf8)
        try await expectRefusal(image, "not a container image")
    }

    @Test(
        arguments: [
            ("../../etc/cron.d/evil", nil, false), ("a/../../../evil", nil, false),
            ("link", "../../../etc/passwd", true),
        ] as [(String, String?, Bool)])
    func aTarThatClimbsOut(name: String, target: String?, hard: Bool) async throws {
        try await expectRefusal(
            FakeImage(layer: try Self.tar(named: name, linkTo: target, hard: hard)), "layer sha256:")
    }

    @Test func aReadOnlyStoreSaysSo() throws {
        let strata = try StrataProcess()
        try strata.succeed("images")
        _ = try runShell("mount --bind '\(strata.root)' '\(strata.root)' && mount -o remount,ro,bind '\(strata.root)'")
        let result = try strata.run("import", "-", input: try Self.tar())
        #expect(result.status == 1, "\(result)")
        #expect(result.errorOutput.contains("read-only file system"), "\(result)")
        #expect(result.errorOutput.contains("hint: "), "\(result)")
        _ = try runShell("umount '\(strata.root)'")
    }

    @Test func aFullDiskLeavesNothingBehind() async throws {
        let strata = try StrataProcess()
        _ = try runShell("mkdir -p '\(strata.root)' && mount -t tmpfs -o size=100m tmpfs '\(strata.root)'")
        let folder = try TemporaryDirectory()
        _ = try runShell(
            "head -c 60000000 /dev/urandom > data; tar --owner=0 --group=0 -cf out.tar data", in: folder.path)
        let image = FakeImage(layer: try readFile(folder.path + "/out.tar", limit: 128 << 20))
        let server = try await FaultServer { image.answer($0) }
        let result = try strata.run("pull", "\(server.authority)/big:1")
        #expect(result.status == 1, "\(result)")
        #expect(result.errorOutput.contains("no space left"), "\(result)")
        #expect(result.errorOutput.contains("hint: "), "\(result)")
        #expect(
            try runShell(
                "find '\(strata.root)'/oci/blobs/*/* '\(strata.root)'/layers/* '\(strata.root)'/ingest/* 2>/dev/null || true"
            ).isEmpty)
        await server.stop()
        _ = try runShell("umount '\(strata.root)'")
    }
}
