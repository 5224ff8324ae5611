package import Content
import Linux
package import OCI
package import RegistryClient
package import Snapshots

/// The images of a store: what `ImageOperations` promises, over the blobs, the layers and the metadata database.
///
/// No state of its own but open files: any number of services, in any number of processes, may share a store.
package final class ImageService: ImageOperations, Sendable {
    package let options: StoreOptions
    package let client: RegistryClient
    package let blobs: BlobStore
    package let driver: any SnapshotDriver
    package let metadata: ImageStore
    let imageUsers: @Sendable () throws -> [ImageUser]
    let now: @Sendable () -> Int64

    /// Opens the store, making its directories where they are missing.
    ///
    /// - Parameters:
    ///   - driver: made for the same store.
    ///   - imageUsers: the containers there are.
    ///   - now: seconds since 1970.
    package init(
        options: StoreOptions, client: RegistryClient, driver: any SnapshotDriver,
        imageUsers: @escaping @Sendable () throws -> [ImageUser] = { [] },
        now: @escaping @Sendable () -> Int64 = { wallClockSeconds() }
    ) throws {
        self.options = options
        self.client = client
        self.driver = driver
        self.imageUsers = imageUsers
        self.now = now
        let blobs = try BlobStore(root: options.root)
        self.blobs = blobs
        metadata = ImageStore(path: options.root + "/strata.db") {
            // A layout that cannot be read lists something.
            (try? blobs.listedManifests().isEmpty) != true
        }
    }

    /// Runs blocking work on a thread of its own.
    func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await onThread(named: "images", body)
    }

    /// Finds an image by what a person types, for a platform where one is asked for.
    ///
    /// - Throws: `ImageError` with docker's sentence.
    package func find(_ name: String, platform: Platform? = nil) throws -> FoundImage {
        let found = try metadata.read { try ImageStore.find(name, $0) }
        if let platform, !platform.accepts(found.image.platform) {
            throw ImageError(
                .notFound,
                "image with reference \(name) was found but its platform (\(found.image.platform)) does not match the"
                    + " specified platform (\(platform))",
                hint: "pull it for that platform: `strata image pull --platform \(platform)`")
        }
        return found
    }

    /// Finds an image for somebody who is about to use it, and holds it: until the lease ends no process takes its rows or
    /// bytes away, whatever happens to its names.
    ///
    /// - Throws: `ImageError` with docker's sentence.
    package func hold(_ name: String, platform: Platform? = nil) throws -> (found: FoundImage, lease: Lease) {
        let lease = try blobs.lease()
        var held: Digest?
        while true {
            let found = try find(name, platform: platform)
            // Looked up before it was held, it may have gone to a collection that the lease waited for.
            if found.image.id == held { return (found, lease) }
            try lease.add(found.image.parts)
            held = found.image.id
        }
    }

    /// Runs one step: changes names and images in one transaction, writes the journal, and lets `index.json` follow.
    package func step<Result>(
        _ action: StepAction, grace: Int64? = nil, _ body: (inout Step) throws -> Result
    ) throws -> Result {
        let result = try metadata.write { connection in
            var step = Step(action, at: now(), grace: grace ?? options.graceSeconds, connection)
            let result = try body(&step)
            _ = try step.finish()
            return result
        }
        try publishIndex()
        return result
    }

    /// The config of an image, verified.
    package func config(of image: StoredImage) throws -> Document<ImageConfig> {
        let bytes = try Self.explaining { try blobs.readSmall(image.config, limit: Limits.configBytes) }
        return try ImageConfig.parse(bytes, layers: image.layers.count)
    }

    /// A manifest of an image, verified.
    package func document(of manifest: StoredManifest) throws -> Document<Manifest> {
        let bytes = try Self.explaining { try blobs.readSmall(manifest.descriptor, limit: Limits.manifestBytes) }
        guard
            case .manifest(let document) = try ManifestDocument(
                parsing: bytes, mediaType: manifest.descriptor.mediaType)
        else { throw DocumentError.invalid("the manifest \(manifest.descriptor.digest) is an index") }
        return document
    }

    /// Lets errors of the parts be read by people: what is damaged here gets the remedy.
    package static func explaining<Result>(_ body: () throws -> Result) throws -> Result {
        do { return try body() } catch { throw explained(error) }
    }

    /// An error of the parts as people read it.
    package static func explained(_ error: any Error) -> any Error {
        let repair = "run `strata system check --repair`"
        switch error {
        case BlobError.damaged, BlobError.notFound, SnapshotError.damaged, SnapshotError.notFound:
            return ImageError(.damaged, "\(error)", hint: repair)
        case let error as SystemError where error.kind == .noSpace:
            return ImageError(.noSpace, "\(error)", hint: "free some disk space")
        case let error as SystemError where error.kind == .readOnly || error.kind == .permission:
            return ImageError(
                .readOnly, "\(error)", hint: "choose another store with --root or STRATA_ROOT, or run as its owner")
        default: return error
        }
    }
}
