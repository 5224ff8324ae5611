import Content
import Linux
import OCI
import Snapshots

/// Brings one layer here: its blob and what can be mounted of it, in one pass over the bytes.
///
/// Shared by whatever brings layers from a `BlobSource`: pull, load, repair.
struct LayerPull {
    let service: ImageService
    /// The blob as its manifest names it.
    let blob: Descriptor
    let diffID: Digest
    let source: any BlobSource
    let bounds: LayerBuild.Bounds
    /// Held for the blob and the layer before this starts.
    let lease: Lease
    let progress: @Sendable (LayerStatus) -> Void

    private var blobs: BlobStore { service.blobs }
    private var driver: any SnapshotDriver { service.driver }
    private var name: String { blob.digest.description }

    /// - Returns: what the layer holds.
    func run() async throws -> LayerContents {
        try lease.add([blob.digest, diffID])
        let layer = try await onThread(named: "layer") { [driver, diffID] in try Self.whole(diffID, driver) }
        let isBlobHere = try await onThread(named: "blob") { [blobs, blob] in try Self.isHere(blob, blobs) }
        switch (layer, isBlobHere) {
        case (let contents?, true):
            progress(.alreadyExists)
            return contents
        case (let contents?, false):
            // Another compression of a layer that is here: only the blob is needed, and that it is the same tar.
            if let fetched = try await fetch(building: false) { return fetched.contents ?? contents }
            return try await run()
        case (nil, true): return try await rebuild()
        case (nil, false):
            if let contents = try await fetch(building: true)?.contents { return contents }
            // Another process brought the blob meanwhile.
            return try await run()
        }
    }

    /// What is stored of a layer; nil where it is not here or was touched: it is made again then.
    static func whole(_ diffID: Digest, _ driver: any SnapshotDriver) throws -> LayerContents? {
        guard let record = try driver.record(of: diffID) else { return nil }
        do { try driver.checkSeal(diffID) } catch is SnapshotError { return nil }
        return record.contents
    }

    /// Whether a blob is here, whole. One that is damaged is taken away, so that it is fetched again.
    static func isHere(_ blob: Descriptor, _ blobs: BlobStore) throws -> Bool {
        guard let size = blobs.size(of: blob.digest) else { return false }
        do {
            if size != blob.size { throw BlobError.damaged(blob.digest, "its file has \(size) bytes") }
            try blobs.checkSeal(blob.digest)
            return true
        } catch let error as BlobError {
            guard case .damaged = error else { return false }
            try blobs.remove(blob.digest)
            return false
        }
    }

    /// Makes the layer of the blob that is here.
    func rebuild() async throws -> LayerContents {
        let scratch = try blobs.makeScratchDirectory()
        let path = scratch.path
        let build = try LayerBuild(
            name, size: blob.size, expecting: diffID, writer: try driver.beginLayer(in: path), bounds: bounds)
        do {
            let reader = try await blobs.open(blob, from: 0)
            defer { reader.cancel() }
            var done: Int64 = 0
            while let chunk = try await reader.next() {
                try await build.write(chunk)
                done += Int64(chunk.count)
                progress(.extracting(done: done, total: blob.size))
            }
            let contents = try await commit(try await build.finish(), stagedIn: path)
            progress(.pullComplete)
            _ = consume scratch
            return contents
        } catch {
            await build.abandon()
            throw ImageService.explained(error)
        }
    }

    private func commit(_ result: LayerBuild.Result, stagedIn scratch: String) async throws -> LayerContents {
        guard let contents = result.contents else { throw CancellationError() }
        return try await onThread(named: "layer") { [driver, diffID] in
            try driver.commit(contents, stagedIn: scratch, as: diffID).contents
        }
    }

    /// Downloads the blob and, in the same pass, makes the layer; or only checks that it is the layer's tar.
    ///
    /// - Returns: nil where the blob came here by another process.
    private func fetch(building: Bool) async throws -> LayerBuild.Result? {
        var mayHaveBadStart = true
        while true {
            let ingest = try await blobs.beginIngest(blob) { [progress, blob] done in
                progress(.waitingForOther(done: done, total: blob.size))
            }
            guard let ingest else { return nil }
            do { return try await fetch(into: ingest, building: building) } catch {
                let error = ImageService.explained(error)
                guard await leave(ingest, after: error), ingest.offset > 0, mayHaveBadStart else { throw error }
                // What an earlier, interrupted try left may be what was wrong: once more, from the beginning.
                mayHaveBadStart = false
            }
        }
    }

    /// Leaves an ingest after an error: bytes that may be good are kept for the next try, bad ones are not.
    ///
    /// - Returns: whether the bytes were bad.
    private func leave(_ ingest: BlobIngest, after error: any Error) async -> Bool {
        var isBad = false
        switch error {
        case let error as BlobError: if case .notFound = error {} else { isBad = true }
        case let error as ImageError: isBad = error.code == .invalid || error.code == .noSpace
        default: break
        }
        if isBad { await ingest.cancel() } else { await ingest.suspend() }
        return isBad
    }

    private func fetch(into ingest: BlobIngest, building: Bool) async throws -> LayerBuild.Result {
        let scratch = ingest.scratchDirectory
        let build = try LayerBuild(
            name, size: blob.size, expecting: diffID, writer: building ? try driver.beginLayer(in: scratch) : nil,
            bounds: bounds)
        do {
            try await download(into: ingest, build)
            progress(.verifying)
            // The blob first: a wrong digest is the better word for what a broken stream is a consequence of.
            try await ingest.verify()
            progress(.downloadComplete)
            var result = try await build.finish()
            Failpoint.reach("layer-built")
            if building { result.contents = try await commit(result, stagedIn: scratch) }
            Failpoint.reach("layer-committed")
            try await ingest.commit()
            Failpoint.reach("blob-committed")
            progress(.pullComplete)
            return result
        } catch {
            await build.abandon()
            throw error
        }
    }

    private func download(into ingest: BlobIngest, _ build: LayerBuild) async throws {
        try bounds.space?.require(blob.size - ingest.offset, for: "layer \(name)")
        var position: Int64 = 0
        try await ingest.replay { chunk in
            try await build.write(chunk)
            position += Int64(chunk.count)
            progress(.downloading(done: position, total: blob.size))
        }
        guard position < blob.size || blob.size == 0 else { return }
        let reader = try await source.open(blob, from: position)
        defer { reader.cancel() }
        // A source that cannot start in the middle gives again what is here.
        var skip = position - reader.offset
        while var chunk = try await reader.next() {
            if skip > 0 {
                let dropped = min(skip, Int64(chunk.count))
                skip -= dropped
                chunk.removeFirst(Int(dropped))
                if chunk.isEmpty { continue }
            }
            position += Int64(chunk.count)
            if position > blob.size {
                throw BlobError.sizeMismatch(blob.digest, expected: blob.size, actual: position)
            }
            try bounds.space?.spend(Int64(chunk.count), on: "layer \(name)")
            try await ingest.write(chunk)
            try await build.write(chunk)
            Failpoint.reach("chunk")
            progress(.downloading(done: position, total: blob.size))
        }
    }
}
