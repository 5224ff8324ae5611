import Archive
import Glibc
package import Linux
import Synchronization

/// Which snapshot driver serves a store.
package enum SnapshotDrivers {
    /// The environment variable that decides where no option does.
    package static let variable = "STRATA_SNAPSHOTTER"

    /// The driver for a store: the one that is named, else EROFS where the kernel mounts layer files of this store for this
    /// process, else directories.
    ///
    /// - Parameters:
    ///   - root: of the store; its `layers` directory is made where it is missing.
    ///   - runDirectory: remembers what was found out of the kernel until the next boot; nil remembers nothing.
    ///   - named: `erofs`, `directory`, or nil to look at `STRATA_SNAPSHOTTER` and then at the kernel.
    /// - Throws: `SnapshotError.unsupported` for another name; `SystemError`.
    package static func choose(root: String, runDirectory: String? = nil, named: String?) throws -> any SnapshotDriver {
        let layers = root + "/layers"
        switch try decide(root: root, runDirectory: runDirectory, named: named).kind {
        case .erofs: return try ErofsDriver(layers: layers)
        case .directory: return try DirectoryDriver(layers: layers)
        }
    }

    /// What `choose` chooses, and why, for people.
    package static func decide(root: String, runDirectory: String? = nil, named: String?) throws -> (
        kind: SnapshotKind, reason: String
    ) {
        if let named { return (try kind(named, from: "the option"), "it was asked for") }
        if let name = unsafe getenv(variable).map({ unsafe String(cString: $0) }), !name.isEmpty {
            return (try kind(name, from: "`\(variable)`"), "`\(variable)` says so")
        }
        if let error = try probe(layers: root + "/layers", runDirectory: runDirectory) {
            return (.directory, "the kernel does not mount EROFS files here: \(error)")
        }
        return (.erofs, "the kernel mounts EROFS files")
    }

    private static func kind(_ name: String, from source: String) throws -> SnapshotKind {
        guard let kind = SnapshotKind(rawValue: name) else {
            throw SnapshotError.unsupported(
                "\(source) names the unknown snapshot driver `\(name)`: use `erofs` or `directory`")
        }
        return kind
    }

    // MARK: What the kernel can do

    private static let probed = Mutex<[String: SystemError?]>([:])

    /// Whether a layer file in this directory can be mounted; nil if so. Found out by mounting an empty one: versions and
    /// privileges say little of what a container, a security module or the file system below allows.
    ///
    /// Mounting and unmounting takes longer than all else that a small command does, so a success is remembered in the run
    /// directory for this boot, this file system and this mount namespace's root.
    package static func probe(layers: String, runDirectory: String? = nil) throws -> SystemError? {
        if let known = probed.withLock({ $0[layers] }) { return known }
        let note = runDirectory.map { $0 + "/erofs-mounts" }
        if let note, let text = try? readFile(note, limit: 4096), text == (try whatHolds(for: layers)) {
            probed.withLock { $0[layers] = .some(nil) }
            return nil
        }
        let result = try mountEmptyLayer(in: layers)
        probed.withLock { $0[layers] = .some(result) }
        // Where there is no run directory yet, the next command remembers.
        if result == nil, let note, let known = try whatHolds(for: layers) {
            try? writeAtomically(known, to: note, durable: false)
        }
        return result
    }

    /// What a remembered success is true for; nil where there is no such directory yet, or only the first user namespace's
    /// root may know.
    private static func whatHolds(for layers: String) throws -> [UInt8]? {
        guard effectiveUserID() == 0, isInitialUserNamespace(), let status = try FileStatus.ifExists(layers) else {
            return nil
        }
        return Array("\(bootIdentity()) \(status.deviceMajor):\(status.deviceMinor) \(layers)".utf8)
    }

    private static func mountEmptyLayer(in layers: String) throws -> SystemError? {
        // Not even tried there: the kernel lets nobody but the first namespace's root mount file systems from files.
        if effectiveUserID() != 0 || !isInitialUserNamespace() {
            return SystemError(errno: EPERM, operation: "mount", subject: "erofs")
        }
        if try FileStatus.ifExists(layers) == nil { try makeDirectories(layers, permissions: 0o700) }
        let path = "\(layers)/.probe-\(uniqueSuffix())"
        defer { try? removeFile(path) }
        let file: SharedDescriptor
        do { file = SharedDescriptor(try open(path, .createNew, permissions: 0o600)) } catch {
            // A store that cannot be written to makes no layers, but shows those that it has.
            guard error.kind == .readOnly || error.kind == .noSpace else { throw error }
            return nil
        }
        var writer = ErofsWriter(output: LayerFileOutput(file, path))
        let summary = try writer.finish()
        try setLength(Int64(summary.imageSize), of: file.descriptor, path)
        let source = path.utf8.count < 256 ? path : "/proc/self/fd/\(file.descriptor.raw)"
        do {
            // Attached nowhere, it goes with its descriptor.
            _ = try makeFileSystem("erofs", [.text("source", source)], readOnly: true)
            return nil
        } catch { return error }
    }
}
