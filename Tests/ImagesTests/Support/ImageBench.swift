import Glibc
import Linux
import OCI
import RegistryClient
import Snapshots
import Synchronization
import TestSupport

@testable import Images

/// An image service over a store of its own in a temporary directory.
final class ImageBench: Sendable {
    let directory: TemporaryDirectory
    let client: RegistryClient
    let service: ImageService
    private let told = Mutex<[ProgressEvent]>([])

    private init(_ kind: SnapshotKind) throws {
        directory = try TemporaryDirectory()
        client = RegistryClient(configuration: RegistryConfiguration())
        let options = StoreOptions(root: directory.path + "/store", runDirectory: directory.path + "/run")
        try makeDirectory(options.root, permissions: 0o700)
        service = try ImageService(
            options: options, client: client,
            driver: try SnapshotDrivers.choose(root: options.root, named: kind.rawValue),
            now: { 1_700_000_000 })
    }

    /// Works with a service; its client is closed and its store removed at the end.
    static func run(_ kind: SnapshotKind = .erofs, _ body: (ImageBench) async throws -> Void) async throws {
        let bench = try ImageBench(kind)
        do { try await body(bench) } catch {
            await bench.client.shutdown()
            throw error
        }
        await bench.client.shutdown()
    }

    var path: String { directory.path }

    /// What was told since the last time.
    func takeEvents() -> [ProgressEvent] {
        told.withLock { told in
            defer { told = [] }
            return told
        }
    }

    var progress: ProgressHandler {
        { event in self.told.withLock { $0.append(event) } }
    }

    /// A shell script in the bench's directory.
    @discardableResult
    func shell(_ script: String) throws -> String { try runShell(script, in: path) }

    /// Loads a file.
    @discardableResult
    func load(_ file: String, platform: Platform? = nil) async throws -> [LoadedImage] {
        let input = try open(file.hasPrefix("/") ? file : "\(path)/\(file)", .read)
        return try await service.load(from: input.raw, platform: platform, progress: progress)
    }

    /// Loads what a shell script prints, through a pipe.
    @discardableResult
    func load(piped script: String, platform: Platform? = nil) async throws -> [LoadedImage] {
        try shell("rm -f pipe; mkfifo pipe")
        async let written = onThread(named: "writer") { [path] in try runShell("( \(script) ) > pipe", in: path) }
        let input = try await onThread(named: "open") { [path] in
            Shared(try open("\(path)/pipe", .read))
        }
        let loaded = try await service.load(from: input.value.raw, platform: platform, progress: progress)
        _ = try await written
        return loaded
    }

    private final class Shared: Sendable {
        let value: OwnedDescriptor
        init(_ value: consuming OwnedDescriptor) { self.value = value }
    }

    /// Saves to a file.
    func save(
        _ names: [String], as file: String, format: SaveFormat = .docker, platform: Platform? = nil
    ) async throws {
        let output = try open("\(path)/\(file)", .write)
        try await service.save(names, format: format, platform: platform, to: output.raw, progress: progress)
    }

    /// What lies in the store but in the database: blobs, layers, ingests, leases; empty after something left no trace.
    func contents() throws -> [String] {
        try shell("cd store && find oci/blobs layers ingest leases seals -type f | sort").split(separator: "\n").map(
            String.init)
    }

    /// A layout directory `name` with the image `latest` of layers that shell commands write.
    func layout(_ name: String, layers: [String]) throws {
        try LayoutBuilder.image(in: "\(path)/\(name)", layers: layers)
    }
}

/// Shell commands that write small layer tars.
enum SmallLayer {
    /// A layer of files with contents.
    static func files(_ files: [String: String]) -> String {
        var script = "d=$(mktemp -d); "
        for (path, text) in files.sorted(by: { $0.key < $1.key }) {
            script += "mkdir -p \"$d/$(dirname '\(path)')\"; printf '%s' '\(text)' > \"$d/\(path)\"; "
        }
        return script + "tar -C \"$d\" --sort=name --owner=0 --group=0 --mtime=@1600000000 -cf - .; rm -rf \"$d\""
    }
}
