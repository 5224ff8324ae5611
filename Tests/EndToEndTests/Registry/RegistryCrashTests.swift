import OCI
import TestSupport
import Testing

/// Killed at random points, a hundred times, while clients upload, put manifests, delete and collect garbage: nothing
/// acknowledged is lost, nothing deleted comes back, nothing dangles.
struct RegistryCrashTests {
    /// What most of the clients do in a round; one of them always pushes.
    private enum Work: Int, CaseIterable { case uploads, manifests, deletes, collection }

    private struct Refused: Error {}

    private static let kills = 100
    private static let flags = [
        // What lost its last user goes soon, while the next pushes run.
        "--gc-interval", "1s", "--grace", "1s", "--remove-untagged",
    ]

    private static func bytes(_ count: Int, _ generator: inout SeededGenerator) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }

    private static func expect(_ status: Int, _ request: () async throws -> WireClient.Answer) async throws
        -> WireClient.Answer
    {
        let answer = try await request()
        if answer.status != status { throw Refused() }
        return answer
    }

    /// Pushes a blob: whole, in two requests, or in chunks.
    private static func upload(
        _ bytes: [UInt8], _ client: WireClient, _ ledger: CrashLedger, _ generator: inout SeededGenerator
    ) async throws -> Digest {
        let digest = Digest.sha256(of: bytes)
        let way = Int.random(in: 0..<3, using: &generator)
        if way == 0 {
            _ = try await expect(201) {
                try await client.send("POST", "/v2/app/blobs/uploads/?digest=\(digest)", body: bytes)
            }
            return digest
        }
        let start = try await expect(202) { try await client.send("POST", "/v2/app/blobs/uploads/", body: []) }
        guard let location = start["Location"] else { throw Refused() }
        let half = way == 1 ? 0 : bytes.count / 2
        if half > 0 {
            _ = try await expect(202) { try await client.send("PATCH", location, body: Array(bytes[..<half])) }
            if Int.random(in: 0..<8, using: &generator) == 0 {
                // Left for whoever comes after the kill.
                ledger.uploading(.init(location: location, bytes: bytes, acknowledged: half))
                return try await upload(bytes, client, ledger, &generator)
            }
        }
        _ = try await expect(201) {
            try await client.send("PUT", "\(location)?digest=\(digest)", body: Array(bytes[half...]))
        }
        return digest
    }

    private static func push(
        _ tag: String, _ round: Int, layer count: Int, _ client: WireClient, _ ledger: CrashLedger,
        _ generator: inout SeededGenerator
    ) async throws {
        let config = bytes(40, &generator)
        let layer = bytes(count, &generator)
        var parts: [String] = []
        var blobs: [Digest] = []
        for blob in [config, layer] {
            let digest = try await upload(blob, client, ledger, &generator)
            blobs.append(digest)
            parts.append(
                #"{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"\#(digest)","size":\#(blob.count)}"#)
        }
        // Several manifests of the same blobs, each a write of its own.
        for number in 0..<(count < 1000 ? 6 : 1) {
            let manifest = Array(
                """
                {"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":\(parts[0]),\
                "layers":[\(parts[1])],"annotations":{"number":"\(number)"}}
                """.utf8)
            let name = "\(tag)-\(number)"
            _ = try await expect(201) {
                try await client.send(
                    "PUT", "/v2/app/manifests/\(name)",
                    headers: ["Content-Type": "application/vnd.oci.image.manifest.v1+json"], body: manifest)
            }
            ledger.pushed(.init(tag: name, manifest: manifest, blobs: blobs, round: round))
        }
    }

    /// Deletes an image: with its manifest, or its tag alone, which garbage collection follows.
    private static func delete(_ client: WireClient, _ ledger: CrashLedger, _ generator: inout SeededGenerator)
        async throws -> Bool
    {
        guard let image = ledger.victim() else { return false }
        let reference = Bool.random(using: &generator) ? image.tag : "\(Digest.sha256(of: image.manifest))"
        _ = try await expect(202) { try await client.send("DELETE", "/v2/app/manifests/\(reference)") }
        ledger.deleted(image.tag)
        return true
    }

    /// One client, until the server is gone.
    private static func work(
        _ work: Work, _ worker: Int, _ round: Int, _ client: WireClient, _ ledger: CrashLedger, _ seed: UInt64
    ) async {
        var generator = SeededGenerator(seed: seed &+ UInt64(round * 16 + worker))
        for number in 0..<10_000 {
            let tag = "t\(round)-\(worker)-\(number)"
            do {
                switch worker == 0 ? .manifests : work {
                case .uploads: try await push(tag, round, layer: 60_000, client, ledger, &generator)
                case .manifests: try await push(tag, round, layer: 500, client, ledger, &generator)
                case .deletes:
                    if try await !delete(client, ledger, &generator) {
                        try await push(tag, round, layer: 500, client, ledger, &generator)
                    }
                case .collection:
                    if worker == 1 {
                        _ = try await expect(200) { try await client.send("POST", "/api/v1/garbage", body: []) }
                        ledger.collected()
                    } else if try await !delete(client, ledger, &generator) {
                        try await push(tag, round, layer: 5000, client, ledger, &generator)
                    }
                }
            } catch {
                return
            }
        }
    }

    @Test func whatWasAcknowledgedOutlivesEveryKill() async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("RegistryCrashTests: seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        let strata = try StrataProcess()
        let ledger = CrashLedger()
        let port = try freePort()
        let client = WireClient(port: port)
        for round in 0..<Self.kills {
            let served = try await ServedRegistry.start(strata, Self.flags, port: port)
            try await verify(ledger.images(of: round - 1), client, "seed \(seed), after kill \(round)")
            try await resume(ledger.takeUploads(), client, "seed \(seed), after kill \(round)")
            let kind = Work.allCases[round % Work.allCases.count]
            let delay = Duration.milliseconds(Int.random(in: 1...200, using: &generator))
            await withTaskGroup(of: Void.self) { group in
                for worker in 0..<4 { group.addTask { await Self.work(kind, worker, round, client, ledger, seed) } }
                group.addTask {
                    try? await Task.sleep(for: delay)
                    served.process.signal(9)
                }
            }
            #expect(try served.process.finish().status == 128 + 9)
            if round % 20 == 19 { try check(strata, "seed \(seed), after kill \(round + 1)") }
        }
        let served = try await ServedRegistry.start(strata, Self.flags, port: port)
        try await verify(ledger.images(), client, "seed \(seed), at the end")
        for tag in ledger.gone {
            #expect(
                try await client.send("HEAD", "/v2/app/manifests/\(tag)").status == 404,
                "seed \(seed): \(tag) came back")
        }
        let counts = ledger.counts
        for kind in ["pushes", "deletes", "collections", "chunks"] {
            #expect(counts[kind, default: 0] > 0, "seed \(seed): no \(kind) were acknowledged: \(counts)")
        }
        print("RegistryCrashTests: \(Self.kills) kills, \(counts)")
        try check(strata, "seed \(seed), at the end")
        try served.stop()
    }

    private func check(_ strata: StrataProcess, _ comment: String) throws {
        let check = try strata.run("registry", "check")
        #expect(check.status == 0 && check.output.contains("Everything is as it must be"), "\(comment): \(check)")
    }

    /// Every image is there, byte for byte, with its blobs.
    private func verify(_ images: [CrashLedger.Image], _ client: WireClient, _ comment: String) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for part in 0..<4 {
                group.addTask {
                    for (number, image) in images.enumerated() where number % 4 == part {
                        let answer = try await client.send("GET", "/v2/app/manifests/\(image.tag)")
                        #expect(
                            answer.status == 200 && answer.body == image.manifest, "\(comment): \(image.tag): \(answer)"
                        )
                        for blob in image.blobs {
                            let head = try await client.send("HEAD", "/v2/app/blobs/\(blob)")
                            #expect(head.status == 200, "\(comment): \(image.tag): \(head)")
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    /// An acknowledged chunk is there too: the upload goes on after it.
    private func resume(_ uploads: [CrashLedger.Upload], _ client: WireClient, _ comment: String) async throws {
        for upload in uploads {
            let status = try await client.send("GET", upload.location)
            let last = status["Range"]?.split(separator: "-").last.flatMap { Int($0) } ?? -1
            #expect(status.status == 204 && last == upload.acknowledged - 1, "\(comment): \(status)")
            let end = try await client.send(
                "PUT", "\(upload.location)?digest=\(Digest.sha256(of: upload.bytes))",
                body: Array(upload.bytes[upload.acknowledged...]))
            #expect(end.status == 201, "\(comment): \(end)")
        }
    }
}
