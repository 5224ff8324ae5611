import Content
import Linux
package import Logging
import OCI
import RegistryClient
import Synchronization

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The registries that this one mirrors: asks them for what is not here or may have changed, keeps what they gave.
///
/// What a digest names never changes and is asked for once. A tag counts as known for `MirrorPolicy.freshness`; then its
/// registry is asked by HEAD what it names. Where it cannot be reached, what is here is given, and said to be old.
package final class Mirrors: Sendable {
    /// A mirrored repository.
    struct Place: Sendable {
        var upstream: Upstream
        /// Its name here.
        var name: RepositoryName
        /// Its name at its own registry.
        var repository: Reference
    }

    let registry: Registry
    let policy: MirrorPolicy
    let counts = Mutex(Counts())
    private let client: RegistryClient
    private let logger: Logger
    /// When a tag was last asked for, in milliseconds since 1970.
    private let asked = Mutex<[String: Int64]>([:])
    private let manifests = SharedWork<Bool>()
    private let openings = SharedWork<BlobDownload?>()
    private let underWay = Mutex<[String: (download: BlobDownload, task: Task<Void, Never>)]>([:])
    private let isTrimming = Mutex(false)

    /// What was asked of the mirrors.
    struct Counts: Sendable {
        var here: Int64 = 0
        var fetched: Int64 = 0
        var stale: Int64 = 0
        var bytes: Int64 = 0
    }

    /// The counts for metrics.
    var counters: [(name: String, help: String, value: Int64)] {
        let now = counts.withLock { $0 }
        return [
            ("mirror_here_total", "Mirrored content that was here, and current.", now.here),
            ("mirror_fetched_total", "Mirrored content that was fetched from its registry.", now.fetched),
            ("mirror_fetched_bytes_total", "Bytes fetched from other registries.", now.bytes),
            ("mirror_stale_total", "Answers that may have been out of date.", now.stale),
        ]
    }

    package init(_ registry: Registry, _ policy: MirrorPolicy, logger: Logger) throws {
        self.registry = registry
        self.policy = policy
        self.logger = logger
        // The machine's certificates and proxies; nobody's credentials but those that were given for this.
        var configuration = RegistryConfiguration.fromEnvironment(ProcessInfo.processInfo.environment)
        configuration.registriesConfigPaths = []
        configuration.dockerDaemonConfigPath = nil
        configuration.dockerConfigDirectory = policy.credentialsDirectory
        configuration.trustsLoopback = false
        configuration.insecureRegistries = Set(policy.upstreams.filter(\.isPlain).map(\.registry))
        configuration.maxConcurrency = 64
        // A client waits: what is here is better than what may come later.
        configuration.connectTimeout = .seconds(5)
        configuration.answerTimeout = .seconds(20)
        configuration.retry = RetryPolicy(
            attempts: 2, firstDelay: .milliseconds(200), longestDelay: .seconds(2), longestRetryAfter: .seconds(2))
        for upstream in policy.upstreams {
            guard let user = upstream.user, let path = upstream.passwordFile else { continue }
            let text = String(decoding: try readFile(path, limit: 64 << 10), as: UTF8.self)
            let password = String(text.prefix { $0 != "\n" && $0 != "\r\n" })
            configuration.credentials[upstream.registry] = .basic(user: user, secret: Secret(password))
        }
        client = RegistryClient(configuration: configuration)
    }

    /// Ends every transfer and forgets what it brought so far.
    package func stop() async {
        await openings.cancel()
        let tasks = underWay.withLock { $0.values.map(\.task) }
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
        await manifests.cancel()
        await client.shutdown()
    }

    // MARK: Names

    /// The mirrored repository of a name here; nil where it is none.
    func place(_ name: RepositoryName) -> Place? {
        guard let slash = name.description.firstIndex(of: "/") else { return nil }
        let folder = name.description[..<slash]
        let rest = name.description[name.description.index(after: slash)...]
        guard let upstream = policy.upstreams.first(where: { $0.folder == folder }),
            let full = try? upstream.name(of: rest),
            let reference = try? Reference(
                parsing: "\(upstream.location)/\(full.description.dropFirst(upstream.folder.utf8.count + 1))")
        else { return nil }
        return Place(upstream: upstream, name: full, repository: reference)
    }

    /// The route that a request means: what it names may be meant for another registry.
    ///
    /// - `?ns=docker.io`, which containerd sends to mirrors, says which;
    /// - a name may begin with it: `docker.io/alpine`;
    /// - docker's `registry-mirrors` says nothing: what is not here is read from the root mirror.
    func meaning(_ route: RegistryRoute, _ namespace: String?, isReading: Bool) async throws -> RegistryRoute {
        guard let name = route.repository else { return route }
        if let namespace {
            guard let upstream = policy.upstreams.first(where: { $0.host == namespace.lowercased() }) else {
                throw RegistryFailure(
                    .nameUnknown, status: 404, "`\(namespace.prefix(255))` is not mirrored here: ask it itself")
            }
            return route.renamed(try upstream.name(of: name.description))
        }
        if let place = place(name) { return route.renamed(place.name) }
        if isReading, let root = policy.root, let upstream = policy.upstreams.first(where: { $0.host == root }),
            try await registry.database.read({ try $0.repository(name) }) == nil
        {
            return route.renamed(try upstream.name(of: name.description))
        }
        return route
    }

    // MARK: Manifests

    /// Sees to it that a manifest is here, and is what its registry has now.
    ///
    /// - Returns: whether it may be out of date.
    func refresh(_ reference: ManifestReference, _ place: Place) async throws -> Bool {
        let key = "\(place.name) \(reference)"
        let known = try await registry.database.read { try $0.manifest(reference, in: place.name) }
        if known != nil, try await !isDue(reference, place, key) {
            countHere()
            return false
        }
        return try await manifests.run(key) { try await self.fetch(reference, place, key, known: known) }
    }

    /// Whether what is here is to be asked for again: a tag may have moved.
    private func isDue(_ reference: ManifestReference, _ place: Place, _ key: String) async throws -> Bool {
        guard case .tag(let tag) = reference else { return false }
        let last = asked.withLock { $0[key] } ?? .min / 2
        if registry.now() - last < policy.freshness.milliseconds { return false }
        // A tag that may not move here is not asked for again.
        return try await !registry.database.read { try $0.isImmutable(tag.description, of: place.name) }
    }

    private func countHere() { counts.withLock { $0.here += 1 } }

    private static let mostAsked = 20_000

    private func fetch(_ reference: ManifestReference, _ place: Place, _ key: String, known: ManifestRecord?)
        async throws
        -> Bool
    {
        let upstream =
            switch reference {
            case .tag(let tag): try place.repository.with(tag: tag.description)
            case .digest(let digest): place.repository.with(digest: digest)
            }
        do {
            let current = known == nil ? nil : try await client.head(upstream)?.digest
            if current == nil || current != known?.digest {
                let resolved = try await client.resolve(upstream)
                try await registry.keep(
                    resolved.bytes, resolved.descriptor, as: reference, in: place.name, by: Self.actor(place))
                counts.withLock { count in
                    count.fetched += 1
                    count.bytes += Int64(resolved.bytes.count)
                }
            } else {
                countHere()
            }
            if case .tag = reference {
                let now = registry.now()
                asked.withLock { asked in
                    // Forgotten, it is only asked for again.
                    if asked.count >= Self.mostAsked { asked = [:] }
                    asked[key] = now
                }
            }
            return false
        } catch let error as RegistryError where [.manifestUnknown, .nameUnknown].contains(error.code) {
            if case .tag = reference, known != nil {
                try await registry.deleteManifest(reference, from: place.name, by: Self.actor(place))
            }
            throw RegistryFailure.manifestUnknown(reference, place.name)
        } catch let error as RegistryError where !Self.isRefusal(error) && known != nil {
            logger.warning(
                "mirrored content may be out of date",
                metadata: ["repository": "\(place.name)", "reference": "\(reference)", "error": "\(error)"])
            counts.withLock { $0.stale += 1 }
            return true
        } catch {
            throw failure(error, place)
        }
    }

    /// Who is said to have pushed what came from a registry: no account can have this name.
    static func actor(_ place: Place) -> String { "mirror of \(place.upstream.host)" }

    private static func isRefusal(_ error: RegistryError) -> Bool {
        [.unauthorized, .denied, .blocked, .configuration].contains(error.code)
    }

    /// What a client is told of an upstream's failure.
    private func failure(_ error: any Error, _ place: Place) -> any Error {
        let host = place.upstream.host
        switch error {
        case let error as RegistryError where error.code == .tooManyRequests:
            return RegistryFailure(
                .tooManyRequests, status: 429,
                "`\(host)` gives no more for now: \(error.message); log the mirror in there"
            ).with(header: "Retry-After", "\(error.retryAfter ?? 60)")
        case let error as RegistryError where Self.isRefusal(error):
            // Docker Hub says so of what does not exist, too.
            return RegistryFailure(
                .nameUnknown, status: 404,
                "`\(host)` does not give `\(place.repository.path)`: \(error.message); if it is there, the mirror needs "
                    + "credentials for it")
        case let error as RegistryError where [.blobUnknown, .manifestUnknown, .nameUnknown].contains(error.code):
            return RegistryFailure(.nameUnknown, status: 404, "`\(host)` does not have it: \(error.message)")
        case let error as RegistryError:
            return RegistryFailure(
                .unknown, status: 502, "`\(host)` cannot be asked and there is no copy here: \(error.message)")
        case let error as DocumentError:
            return RegistryFailure(.unknown, status: 502, "`\(host)` gave no manifest: \(error)")
        case BlobError.notFound(let digest): return RegistryFailure.blobUnknown(digest)
        case let error as BlobError:
            return RegistryFailure(.unknown, status: 502, "`\(host)` gave other bytes: \(error)")
        default: return error
        }
    }

    // MARK: Tags

    /// The tags at the upstream; those that are here, where it cannot be asked.
    func tags(_ place: Place) async throws -> (tags: [String], isStale: Bool) {
        do { return (try await client.tags(of: place.repository), false) } catch {
            let isGone = (error as? RegistryError).map { Self.isRefusal($0) || $0.code == .nameUnknown } ?? true
            let here = try? await registry.database.read {
                try $0.tags(of: place.name, after: "", limit: Int(Int32.max))
            }
            guard !isGone, let here, !here.isEmpty else { throw failure(error, place) }
            counts.withLock { $0.stale += 1 }
            return (here, true)
        }
    }

    /// The manifests that refer to one at the upstream; nil where it cannot be asked.
    func referrers(of digest: Digest, _ place: Place) async throws -> [Descriptor]? {
        do { return try await client.referrers(of: digest, in: place.repository) } catch {
            if let error = error as? RegistryError, !Self.isRefusal(error) {
                counts.withLock { $0.stale += 1 }
                return nil
            }
            throw failure(error, place)
        }
    }

    // MARK: Blobs

    /// The size of a blob: of the manifest that lists it here, or as its registry says.
    func size(of digest: Digest, _ place: Place) async throws -> (bytes: Int64, isListed: Bool) {
        if let size = try await registry.database.read({ try $0.size(of: digest, listedIn: place.name) }) {
            return (size, true)
        }
        do {
            guard let size = try await client.size(of: digest, in: place.repository) else {
                throw RegistryFailure.blobUnknown(digest)
            }
            return (size, false)
        } catch let error as RegistryFailure { throw error } catch { throw failure(error, place) }
    }

    /// Starts to get a blob, or joins who gets it.
    ///
    /// - Returns: nil where it came to be here meanwhile.
    func download(_ digest: Digest, _ place: Place) async throws -> BlobDownload? {
        let key = "\(place.name) \(digest)"
        return try await openings.run(key) { try await self.open(digest, place, key) }
    }

    private func open(_ digest: Digest, _ place: Place, _ key: String) async throws -> BlobDownload? {
        if let download = underWay.withLock({ $0[key]?.download }) { return download }
        if try await registry.database.read({ try $0.blob(digest, in: place.name) }) != nil { return nil }
        let (size, isListed) = try await size(of: digest, place)
        if size > registry.policy.largestBlob {
            throw RegistryFailure(
                .sizeInvalid, status: 413,
                "blob \(digest) has \(size) bytes: this registry takes at most \(registry.policy.largestBlob)")
        }
        // What a manifest of this repository names was given by its registry: another repository's bytes will do.
        if isListed, try await registry.mount(digest, from: nil, to: place.name) { return nil }
        let reader: any BlobReader
        do {
            let descriptor = Descriptor(
                mediaType: MediaType(rawValue: "application/octet-stream"), digest: digest, size: size)
            reader = try await client.source(for: place.repository).open(descriptor, from: 0)
        } catch { throw failure(error, place) }
        let id = try await registry.startUpload(to: place.name, hashing: digest.algorithm)
        let download = try await registry.withUpload(id, of: place.name) { BlobDownload(size: size, file: $0.file) }
        underWay.withLock { underWay in
            let task = Task.detached { [self] in
                await transfer(reader, id, digest, place, download)
                self.underWay.withLock { $0[key] = nil }
            }
            underWay[key] = (download, task)
        }
        return download
    }

    private func transfer(
        _ reader: any BlobReader, _ id: UploadID, _ digest: Digest, _ place: Place, _ download: BlobDownload
    ) async {
        do {
            try await registry.withUpload(id, of: place.name) { upload in
                while let chunk = try await reader.next() {
                    try await Workers.run { try unsafe chunk.withUnsafeBytes { try unsafe upload.append($0) } }
                    download.advance(to: upload.offset)
                }
                try await registry.finish(upload, id, as: digest, in: place.name)
            }
            download.end(.success(()))
            counts.withLock { count in
                count.fetched += 1
                count.bytes += download.size
            }
        } catch {
            reader.cancel()
            try? await registry.cancelUpload(id, of: place.name)
            let failure = failure(error, place)
            download.end(.failure(failure))
            logger.warning(
                "a mirrored blob did not come",
                metadata: ["repository": "\(place.name)", "digest": "\(digest)", "error": "\(failure)"])
            return
        }
        do { try await trimSoon() } catch {
            logger.error("failed to let go of mirrored content", metadata: ["error": "\(error)"])
        }
    }

    // MARK: Bounds

    /// Lets go of what nobody pulled for long, and, above the bound, of what was pulled longest ago.
    @discardableResult
    package func trim() async throws -> Int {
        let removed = try await registry.trimMirrors(policy)
        if removed > 0 {
            logger.notice("let go of mirrored content", metadata: ["manifests": "\(removed)"])
            try await registry.collectGarbage()
        }
        return removed
    }

    /// After a download: the bound must not wait for the next hour.
    private func trimSoon() async throws {
        guard let limit = policy.limit else { return }
        let folders = policy.upstreams.map(\.folder)
        if try await registry.database.read({ try $0.mirroredBytes(folders) }) <= limit { return }
        let isFirst = isTrimming.withLock { isTrimming in
            defer { isTrimming = true }
            return !isTrimming
        }
        if !isFirst { return }
        defer { isTrimming.withLock { $0 = false } }
        // Pulls that are only counted yet say what is in use.
        try await registry.flushPulls()
        try await trim()
    }
}
