import Content
import Linux
import OCI
import RegistryClient
import SQL
import Snapshots

extension ImageService {
    /// Verifies everything in the store against its digest, and with `repair` mends what is damaged.
    ///
    /// The database is compared with itself and with the documents, each blob is read, each layer is made again from its
    /// blob and compared. What is found damaged is distrusted at once: nothing serves, mounts or pushes it until it is mended.
    package func check(repair: Bool, progress: @escaping ProgressHandler) async throws -> CheckReport {
        let lease = try blobs.lease()
        defer { lease.release() }
        var check = StoreCheck(service: self, repairs: repair, lease: lease, progress: progress)
        try await check.run()
        return check.report
    }
}

/// One run of `system check`.
struct StoreCheck {
    let service: ImageService
    let repairs: Bool
    let lease: Lease
    let progress: ProgressHandler
    private(set) var report = CheckReport(blobs: 0, layers: 0, rows: 0, bytes: 0, findings: [])
    private var images: [StoredImage] = []
    /// Blobs that are not as their digests say, and were not mended.
    private var badBlobs: Set<Digest> = []

    init(service: ImageService, repairs: Bool, lease: Lease, progress: @escaping ProgressHandler) {
        self.service = service
        self.repairs = repairs
        self.lease = lease
        self.progress = progress
    }

    private var blobs: BlobStore { service.blobs }
    private var driver: any SnapshotDriver { service.driver }

    mutating func run() async throws {
        try await checkDatabase()
        try await checkBlobs()
        try await checkLayers()
        try await checkLayout()
        if repairs {
            let service = service
            try await service.blocking {
                try service.driver.removeLeftovers()
                try service.collect()
            }
        }
    }

    private mutating func note(
        _ kind: CheckFinding.Kind, _ subject: String, _ problem: String, affects: [String] = [],
        _ outcome: CheckFinding.Outcome
    ) {
        report.findings.append(
            CheckFinding(kind: kind, subject: subject, problem: problem, affects: affects, outcome: outcome))
    }

    // MARK: The database

    private mutating func checkDatabase() async throws {
        let service = service
        let problems = try await service.blocking { try DatabaseCheck.problems(of: service) }
        if !problems.isEmpty {
            var outcome = CheckFinding.Outcome.found
            if repairs {
                let rebuilt = try await DatabaseRebuild(service: service, lease: lease).run()
                outcome = .repaired("rebuilt from the images in the store: \(rebuilt)")
            }
            for problem in problems { note(.database, service.metadata.path, problem, outcome) }
        }
        do {
            images = try await service.blocking {
                try service.metadata.read { try ImageStore.images(.all, .full, $0) }
            }
        } catch let error as ImageError where error.code == .damaged {
            // Told above. What the database would say is needed is not known: blobs are verified all the same.
            images = []
        }
        report.rows = images.reduce(0) { $0 + 1 + $1.references.count + $1.layers.count }
    }

    // MARK: Blobs

    /// A blob that something needs.
    private struct Need {
        var descriptor: Descriptor
        var names: [String]
        var sources: [String]
    }

    private func needs() throws -> [Digest: Need] {
        var needs: [Digest: Need] = [:]
        for image in images {
            let names = image.references.filter { $0.name.tag != nil }.map(\.name.familiar)
            let sources = image.manifests.flatMap(\.sources) + image.references.map(\.name.repository)
            let needed =
                try [image.config] + image.manifests.map(\.descriptor) + image.manifests.flatMap(\.layers)
                + image.references.map(\.target)
                + image.references.flatMap { try service.neededIndexes(of: $0, platform: image.platform) }
            for descriptor in needed {
                var need = needs[descriptor.digest] ?? Need(descriptor: descriptor, names: [], sources: [])
                need.names += names.filter { !need.names.contains($0) }
                need.sources += sources.filter { !need.sources.contains($0) }
                needs[descriptor.digest] = need
            }
        }
        return needs
    }

    private mutating func checkBlobs() async throws {
        let check = self
        let needs = try await service.blocking { try check.needs() }
        let blobs = blobs
        let present = try await service.blocking { try blobs.digests() }
        let total = present.reduce(0) { $0 + $1.1 }
        var done: Int64 = 0
        for (digest, size) in present.sorted(by: { $0.0 < $1.0 }) {
            try Task.checkCancellation()
            do { try await service.blocking { try blobs.verify(digest) } } catch let error as BlobError {
                try await repairBlob(digest, needs[digest], "\(error)")
            }
            done += size
            progress(.layer(id: "blobs", .checking(done: done, total: total)))
            report.blobs += 1
            report.bytes += size
        }
        let here = Set(present.map(\.0))
        for (digest, need) in needs.sorted(by: { $0.key < $1.key }) where !here.contains(digest) {
            // A layer whose bytes live elsewhere is never here.
            if need.descriptor.mediaType.isForeignLayer { continue }
            try await repairBlob(digest, need, "blob \(digest) is missing")
        }
    }

    private mutating func repairBlob(_ digest: Digest, _ need: Need?, _ problem: String) async throws {
        guard repairs else {
            badBlobs.insert(digest)
            return note(.blob, digest.description, problem, affects: need?.names ?? [], .found)
        }
        let blobs = blobs
        guard let need else {
            try await service.blocking { try blobs.remove(digest) }
            return note(.blob, digest.description, problem, .repaired("removed: nothing needs it"))
        }
        try lease.add(digest)
        var failure = "no registry is known to have it: pull or load its image again"
        for repository in need.sources {
            guard let reference = try? Reference(parsing: repository) else { continue }
            do {
                try await service.blocking { try blobs.remove(digest) }
                let source = service.client.source(for: reference)
                try await blobs.write(need.descriptor, from: source) { _ in }
                return note(
                    .blob, digest.description, problem, affects: need.names,
                    .repaired("fetched again from \(reference.familiarRepository)"))
            } catch {
                if error is CancellationError { throw error }
                failure = "cannot fetch it again: \(error)"
            }
        }
        badBlobs.insert(digest)
        note(.blob, digest.description, problem, affects: need.names, .unrepaired(failure))
    }

    // MARK: Layers

    private mutating func checkLayers() async throws {
        var layers: [Digest: (blobs: [Descriptor], names: [String])] = [:]
        for image in images {
            let names = image.references.filter { $0.name.tag != nil }.map(\.name.familiar)
            for (position, layer) in image.layers.enumerated() {
                var known = layers[layer.diffID] ?? ([], [])
                known.blobs += image.manifests.compactMap { $0.layers.count > position ? $0.layers[position] : nil }
                known.names += names.filter { !known.names.contains($0) }
                layers[layer.diffID] = known
            }
        }
        var done: Int64 = 0
        for (diffID, layer) in layers.sorted(by: { $0.key < $1.key }) {
            try Task.checkCancellation()
            let good = layer.blobs.first { !badBlobs.contains($0.digest) && blobs.size(of: $0.digest) == $0.size }
            if let problem = try await problem(of: diffID, blob: good) {
                try await repairLayer(diffID, good, problem, affects: layer.names)
            }
            done += 1
            progress(.layer(id: "layers", .checking(done: done, total: Int64(layers.count))))
            report.layers += 1
            report.bytes += (try? driver.storedBytes(of: diffID)) ?? 0
        }
    }

    /// What is wrong with a layer; nil where nothing is.
    private func problem(of diffID: Digest, blob: Descriptor?) async throws -> String? {
        let driver = driver
        do {
            guard try driver.record(of: diffID) != nil else { throw SnapshotError.notFound(diffID) }
            // Without its blob there is nothing to compare it with but how its file was left.
            guard let blob else {
                try driver.checkSeal(diffID)
                return nil
            }
            let build = try LayerBuild(
                "\(diffID)", size: blob.size, expecting: diffID, writer: try driver.verifier(of: diffID), bounds: .none)
            do {
                let reader = try await blobs.open(blob, from: 0)
                defer { reader.cancel() }
                while let chunk = try await reader.next() { try await build.write(chunk) }
                _ = try await build.finish()
            } catch {
                await build.abandon()
                throw error
            }
            return nil
        } catch let error as SnapshotError { return "\(error)" } catch let error as ImageError
            where error.code == .damaged
        { return error.message }
    }

    private mutating func repairLayer(
        _ diffID: Digest, _ blob: Descriptor?, _ problem: String, affects: [String]
    ) async throws {
        let service = service
        guard repairs else {
            try await service.blocking { try service.driver.distrust(diffID) }
            return note(.layer, diffID.description, problem, affects: affects, .found)
        }
        guard let blob else {
            try await service.blocking { try service.driver.distrust(diffID) }
            return note(
                .layer, diffID.description, problem, affects: affects,
                .unrepaired("its blob is not here: pull or load its image again"))
        }
        try lease.add(diffID)
        let pull = LayerPull(
            service: service, blob: blob, diffID: diffID, source: blobs, bounds: service.layerBounds, lease: lease
        ) { _ in }
        do {
            _ = try await pull.rebuild()
            note(.layer, diffID.description, problem, affects: affects, .repaired("made again from its blob"))
        } catch {
            if error is CancellationError { throw error }
            note(.layer, diffID.description, problem, affects: affects, .unrepaired("\(error)"))
        }
    }

    // MARK: The layout

    private mutating func checkLayout() async throws {
        let service = service
        let repairs = repairs
        let problem: String?
        do {
            problem = try await service.blocking { () throws -> String? in
                let entries = try service.metadata.read { Layout.entries(of: try ImageStore.images(.live, .full, $0)) }
                guard let problem = try service.blobs.layoutProblem(expecting: entries) else { return nil }
                if repairs {
                    try service.blobs.repairLayout()
                    try service.publishIndex()
                }
                return problem
            }
        } catch let error as ImageError where error.code == .damaged { return }
        if let problem {
            note(
                .layout, "\(service.options.root)/oci", problem,
                repairs ? .repaired("written again from the database") : .found)
        }
    }
}
