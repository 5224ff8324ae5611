import Glibc
import Linux
import OCI
import Synchronization
import TestSupport
import Testing

/// 64 clients push, pull and delete in several repositories while garbage is collected and retention applied: no error, no
/// lost blob, bounded memory. For `STRATA_SOAK_SECONDS` seconds, 15 where that is not set; `make soak` takes two minutes.
struct RegistrySoakTests {
    private static let clients = 64
    private static let peakLimit = 150 << 20
    /// How long nothing is collected that somebody builds on; a push that takes longer may have to begin anew.
    private static let grace = Duration.seconds(8)

    private static var seconds: Int {
        unsafe getenv("STRATA_SOAK_SECONDS").flatMap { unsafe Int(String(cString: $0)) } ?? 15
    }

    @Test func manyClientsLoseNothingWhileGarbageIsCollected() async throws {
        let strata = try StrataProcess()
        let port = try freePort()
        try strata.succeed("registry", "retention", "set", "soak/*", "temp-*: newest 5")
        let server = try strata.start([
            "registry", "serve", "--listen", "127.0.0.1:\(port)", "--gc-interval", "1s",
            "--grace", "\(Self.grace.components.seconds)s", "--remove-untagged",
        ])
        try await server.waits(for: "http", "the registry does not serve")
        let ledger = SoakLedger()
        let end = ContinuousClock.now + .seconds(Self.seconds)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<Self.clients {
                group.addTask {
                    try await onThread(named: "soak-client") {
                        var client = SoakClient(number, WireSession(port: port), ledger, grace: Self.grace)
                        client.run(until: end)
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(ledger.problems.isEmpty, "\(ledger.problems.joined(separator: "\n"))")
        try await onThread(named: "soak-verify") {
            var client = SoakClient(0, WireSession(port: port), ledger, grace: Self.grace)
            client.verifyAll()
        }
        #expect(ledger.problems.isEmpty, "\(ledger.problems.joined(separator: "\n"))")
        let counts = ledger.counts
        #expect(counts.pushed > Self.clients && counts.pulled > Self.clients && counts.deleted > 0, "\(counts)")
        // What was going on meanwhile.
        try await server.waits(for: "collected garbage", "no garbage was collected", seconds: 60)
        try await server.waits(for: "applied retention", "no retention was applied", seconds: 60)
        let check = try strata.run("registry", "check")
        #expect(check.status == 0 && check.output.contains("Everything is as it must be"), "\(check)")
        let peak = try Self.peak(of: server.pid)
        let sentence =
            "soak: \(Self.clients) clients, \(Self.seconds) s: \(counts.pushed) pushed, \(counts.pulled) pulled, "
            + "\(counts.deleted) deleted, \(counts.restarted) begun anew; server's peak \(peak >> 20) MiB"
        print(sentence)
        #expect(peak < Self.peakLimit, "the server took \(peak >> 20) MiB")
        server.signal(15)
        let result = try server.finish()
        #expect(result.status == 0, "\(result.status)")
        let errors = result.errorOutput.split(separator: "\n").filter { $0.contains(" error ") }
        #expect(errors.isEmpty, "\(errors.prefix(10).joined(separator: "\n"))")
    }

    /// The most memory that a process ever had.
    private static func peak(of pid: Int32) throws -> Int {
        let line = try runShell("grep VmHWM /proc/\(pid)/status", in: "/")
        return (line.split(separator: " ").compactMap { Int($0) }.first ?? .max >> 10) << 10
    }
}

/// What the registry said yes to, and what went wrong.
private final class SoakLedger: Sendable {
    struct Image: Sendable {
        var repository: String
        var tag: String
        var manifest: [UInt8]
        var layers: [Digest]
        /// Whether retention may take it.
        var isTemporary: Bool
    }

    struct Counts: Sendable {
        var pushed = 0
        var pulled = 0
        var deleted = 0
        var restarted = 0
    }

    private struct State {
        var images: [Image] = []
        var counts = Counts()
        var problems: [String] = []
    }

    private let state = Mutex(State())

    var problems: [String] { state.withLock { $0.problems } }
    var counts: Counts { state.withLock { $0.counts } }
    var images: [Image] { state.withLock { $0.images } }

    func pushed(_ image: Image) {
        state.withLock {
            $0.images.append(image)
            $0.counts.pushed += 1
        }
    }

    func pulled() { state.withLock { $0.counts.pulled += 1 } }
    func deleted() { state.withLock { $0.counts.deleted += 1 } }
    func restarted() { state.withLock { $0.counts.restarted += 1 } }

    /// Twenty tell the story.
    func problem(_ text: String) { state.withLock { if $0.problems.count < 20 { $0.problems.append(text) } } }

    /// Some image to pull, lately pushed or long ago.
    func any(_ random: Int) -> Image? {
        state.withLock { $0.images.isEmpty ? nil : $0.images[random % $0.images.count] }
    }

    /// Takes an image out of what must be there, before it is deleted.
    func take(_ random: Int) -> Image? {
        state.withLock { state in
            if state.images.isEmpty { return nil }
            let index = random % state.images.count
            if state.images[index].isTemporary { return nil }
            return state.images.remove(at: index)
        }
    }
}

/// One client: pushes, pulls and deletes in turn, each time in another way.
private struct SoakClient {
    private static let repositories = 6
    private static let sharedLayers = 8
    private static let manifestType = "application/vnd.oci.image.manifest.v1+json"

    private struct Refused: Error { var text: String }

    private let number: Int
    private let session: WireSession
    private let ledger: SoakLedger
    private let grace: Duration
    private var random: UInt64

    init(_ number: Int, _ session: WireSession, _ ledger: SoakLedger, grace: Duration) {
        self.number = number
        self.session = session
        self.ledger = ledger
        self.grace = grace
        random = UInt64(number) &* 0x9e37_79b9_7f4a_7c15 | 1
    }

    mutating func run(until end: ContinuousClock.Instant) {
        var turn = 0
        while ContinuousClock.now < end {
            turn += 1
            do {
                try push(turn)
                try pull()
                if turn % 3 == 0 { try delete() }
                if turn % 5 == 0 { try abandon(turn) }
            } catch let error as Refused {
                ledger.problem("client \(number), turn \(turn): \(error.text)")
            } catch {
                ledger.problem("client \(number), turn \(turn): \(error)")
                session.close()
            }
        }
    }

    mutating func verifyAll() {
        var verified: Set<String> = []
        for image in ledger.images where !image.isTemporary {
            do {
                try pullManifest(image)
                for layer in image.layers where verified.insert("\(image.repository) \(layer)").inserted {
                    try pullBlob(layer, of: image.repository)
                }
            } catch { ledger.problem("at the end, \(image.repository):\(image.tag): \(error)") }
        }
    }

    private mutating func next(_ limit: Int) -> Int {
        random ^= random << 13
        random ^= random >> 7
        random ^= random << 17
        return Int(random >> 33) % limit
    }

    private mutating func bytes(_ count: Int, _ seed: Int) -> [UInt8] {
        let stamp = Array("\(seed) \(next(1 << 30)) \(number)".utf8)
        return stamp + [UInt8](repeating: UInt8(truncatingIfNeeded: seed), count: max(count - stamp.count, 0))
    }

    private static func shared(_ index: Int) -> [UInt8] {
        [UInt8](repeating: UInt8(index), count: 20_000 + index * 30_000) + Array("shared \(index)".utf8)
    }

    // MARK: Pushing

    private mutating func push(_ turn: Int) throws {
        let repository = "soak/r\(next(Self.repositories))"
        // One in twenty is large.
        let own = bytes(turn % 20 == number % 20 ? 8 << 20 : 5000 + next(120_000), turn)
        let config = bytes(300, turn)
        let shared = [next(Self.sharedLayers), next(Self.sharedLayers)]
        let started = ContinuousClock.now
        var entries: [String] = []
        var layers: [Digest] = []
        for data in [config, own] + shared.map(Self.shared) {
            let digest = Digest.sha256(of: data)
            try pushBlob(data, digest, to: repository, isOwn: layers.count < 2)
            layers.append(digest)
            let kind = layers.count == 1 ? "config.v1+json" : "layer.v1.tar"
            entries.append(
                #"{"mediaType":"application/vnd.oci.image.\#(kind)","digest":"\#(digest)","size":\#(data.count)}"#)
        }
        let manifest = Array(
            """
            {"schemaVersion":2,"mediaType":"\(Self.manifestType)","config":\(entries[0]),\
            "layers":[\(entries[1...].joined(separator: ","))]}
            """.utf8)
        let isTemporary = turn % 4 == 1
        let tag = "\(isTemporary ? "temp" : "keep")-\(number)-\(turn)"
        let put = try session.send(
            "PUT", "/v2/\(repository)/manifests/\(tag)", headers: ["Content-Type": Self.manifestType], body: manifest)
        if put.status == 404 || put.status == 400, ContinuousClock.now - started > grace / 2 {
            // What was pushed first may have been collected: a client that is slower than the grace time begins anew.
            return ledger.restarted()
        }
        try want(put, 201, "manifest \(tag) of \(repository)")
        if put["Docker-Content-Digest"] != "\(Digest.sha256(of: manifest))" {
            throw Refused(text: "wrong digest of \(tag)")
        }
        ledger.pushed(
            .init(repository: repository, tag: tag, manifest: manifest, layers: layers, isTemporary: isTemporary))
    }

    private mutating func pushBlob(_ data: [UInt8], _ digest: Digest, to repository: String, isOwn: Bool) throws {
        let uploads = "/v2/\(repository)/blobs/uploads/"
        if !isOwn {
            let head = try session.send("HEAD", "/v2/\(repository)/blobs/\(digest)")
            if head.status == 200 { return }
            try want(head, 404, "HEAD of \(digest)")
            let other = "soak/r\(next(Self.repositories))"
            let mount = try session.send("POST", "\(uploads)?mount=\(digest)&from=\(other)", body: [])
            if mount.status == 201 { return }
            try want(mount, 202, "mount of \(digest)")
            try cancel(mount)
        }
        switch next(3) {
        case 0: try want(session.send("POST", "\(uploads)?digest=\(digest)", body: data), 201, "blob in one request")
        case 1:
            let location = try start(uploads)
            try want(session.send("PUT", "\(location)?digest=\(digest)", body: data), 201, "blob in two requests")
        default:
            let location = try start(uploads)
            var offset = 0
            while offset < data.count * 3 / 4 {
                let part = Array(data[offset..<min(offset + data.count / 3 + 1, data.count)])
                let answer = try session.send(
                    "PATCH", location, headers: ["Content-Range": "\(offset)-\(offset + part.count - 1)"], body: part)
                try want(answer, 202, "chunk at \(offset) of \(data.count)")
                offset += part.count
            }
            let end = try session.send("PUT", "\(location)?digest=\(digest)", body: Array(data[offset...]))
            try want(end, 201, "last chunk")
        }
    }

    private func start(_ uploads: String) throws -> String {
        let start = try session.send("POST", uploads, body: [])
        try want(start, 202, "start of an upload")
        guard let location = start["Location"] else { throw Refused(text: "an upload without a Location") }
        return location
    }

    private func cancel(_ upload: WireSession.Answer) throws {
        guard let location = upload["Location"] else { throw Refused(text: "an upload without a Location") }
        try want(session.send("DELETE", location), 204, "cancel of an upload")
    }

    /// Begins an upload and loses interest, or says so.
    private mutating func abandon(_ turn: Int) throws {
        let location = try start("/v2/soak/r\(next(Self.repositories))/blobs/uploads/")
        try want(session.send("PATCH", location, body: bytes(3000, turn)), 202, "chunk")
        if next(2) == 0 { try want(session.send("DELETE", location), 204, "cancel of an upload") }
    }

    // MARK: Pulling and deleting

    private mutating func pull() throws {
        guard let image = ledger.any(next(1 << 20)) else { return }
        do {
            try pullManifest(image)
            for layer in image.layers { try pullBlob(layer, of: image.repository) }
            ledger.pulled()
        } catch let error as Refused {
            // Taken by retention, or deleted by another client since it was chosen.
            if image.isTemporary || !ledger.images.contains(where: { $0.tag == image.tag }) { return }
            throw error
        }
    }

    private func pullManifest(_ image: SoakLedger.Image) throws {
        let answer = try session.send("GET", "/v2/\(image.repository)/manifests/\(image.tag)")
        try want(answer, 200, "pull of \(image.repository):\(image.tag)")
        if answer.body != image.manifest {
            ledger.problem("\(image.repository):\(image.tag) is another manifest than was pushed")
        }
    }

    private func pullBlob(_ digest: Digest, of repository: String) throws {
        let answer = try session.send("GET", "/v2/\(repository)/blobs/\(digest)")
        try want(answer, 200, "blob \(digest) of \(repository)")
        if Digest.sha256(of: answer.body) != digest {
            ledger.problem("blob \(digest) of \(repository) has other bytes: \(answer.body.count)")
        }
    }

    private mutating func delete() throws {
        guard let image = ledger.take(next(1 << 20)) else { return }
        let reference = next(2) == 0 ? image.tag : "\(Digest.sha256(of: image.manifest))"
        let answer = try session.send("DELETE", "/v2/\(image.repository)/manifests/\(reference)")
        try want(answer, 202, "delete of \(image.repository):\(reference)")
        try want(
            session.send("GET", "/v2/\(image.repository)/manifests/\(image.tag)"), 404,
            "\(image.repository):\(image.tag) after its delete")
        ledger.deleted()
    }

    private func want(_ answer: WireSession.Answer, _ status: Int, _ what: String) throws {
        if answer.status != status {
            throw Refused(text: "\(what): want \(status), got \(answer.status) \(answer.text.prefix(300))")
        }
    }
}
