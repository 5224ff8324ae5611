package import Linux
package import OCI

/// Stacks layers into root file systems.
///
/// Each layer file is mounted once per machine, at `RUN/layers/<hex>`, and shared by every overlay above it; a layer that
/// is a tree needs no mount. Which layers are in use is read from the kernel's own table of mounts, so a process that was
/// killed leaves no wrong count: what it left mounted and unused goes with the next `releaseUnused`.
///
/// `RUN/layers.lock` is held from before a layer is found mounted until the overlay above it is attached, shared; to mount
/// or unmount layers, exclusively.
package final class LayerMounts: Sendable {
    /// As many as overlayfs stacks.
    package static let maximumLayers = 500

    private let driver: any SnapshotDriver
    private let directory: String
    private let usesUserAttributes: Bool
    private let method: Overlay.Method?

    /// - Parameters:
    ///   - runDirectory: a directory that a reboot empties.
    ///   - usesUserAttributes: overlayfs keeps to `user.overlay.*`; the default is what this process's privileges ask for.
    ///   - method: nil for the newest that the kernel knows.
    package init(
        driver: any SnapshotDriver, runDirectory: String, usesUserAttributes: Bool = !isInitialUserNamespace(),
        method: Overlay.Method? = nil
    ) throws {
        self.driver = driver
        self.usesUserAttributes = usesUserAttributes
        self.method = method
        // Setuid files of the images must not be reachable for others.
        for name in ["", "/layers", "/empty", "/empty/1", "/empty/2", "/views"] {
            try makeDirectories(runDirectory + name, permissions: 0o700)
        }
        // By its real path, which is what the kernel's table of mounts shows.
        let handle = try open(runDirectory, .handle)
        directory = try readLink("/proc/self/fd/\(handle.raw)")
    }

    private var lockPath: String { directory + "/layers.lock" }
    private func mountPoint(of diffID: Digest) -> String { "\(directory)/layers/\(diffID.hex)" }

    // MARK: Root file systems

    /// Mounts a container's root file system.
    ///
    /// - Parameters:
    ///   - layers: of the image, lowest first.
    ///   - upper: takes what is written; nil for a root that cannot be written to.
    ///   - work: overlayfs's own directory beside `upper`.
    ///   - target: an existing directory with nothing mounted on it.
    ///   - readOnly: refuses writes although there is an upper directory.
    ///   - isVolatile: what is written need not survive a power loss; such an upper directory is mounted once only.
    /// - Throws: `SnapshotError.notFound`, `.damaged`, `.unsupported`; a `SystemError`.
    package func mountRoot(
        layers: [Digest], upper: String?, work: String?, at target: String, readOnly: Bool, isVolatile: Bool = false
    ) throws {
        var overlay = Overlay(
            name: "strata", usesUserAttributes: usesUserAttributes, readOnly: readOnly || upper == nil)
        if let upper, let work { overlay.upper = .init(directory: upper, work: work, isVolatile: isVolatile) }
        if try isMountPoint(target) {
            throw SystemError(errno: 16 /* EBUSY */, operation: "mount at", subject: target)
        }
        try withLowers(layers) { try mount(overlay, over: $0, at: target) }
    }

    private func mount(_ overlay: Overlay, over lowers: [Lower], at target: String) throws {
        var lowers = lowers
        // The kernel wants something below an upper directory, and two directories where there is none.
        let needed = overlay.upper == nil ? 2 : 1
        for number in 1...2 where lowers.count < needed { lowers.append(try Lower("\(directory)/empty/\(number)")) }
        try overlay.mount(over: lowers.map { ($0.descriptor.raw, $0.path) }, at: target, by: method)
    }

    /// Mounts an image's file tree, read-only.
    package func mountView(layers: [Digest], at target: String) throws {
        try mountRoot(layers: layers, upper: nil, work: nil, at: target, readOnly: true)
    }

    /// Unmounts what `mountRoot` or `mountView` mounted, with all that is mounted below it, and the layers that nothing
    /// uses any more; what is not mounted is fine. A process that still works inside keeps its files until it ends.
    package func unmountRoot(at target: String) throws {
        while try isMountPoint(target) {
            do { try unmount(target) } catch {
                guard error.kind == .busy else { throw error }
                try unmount(target, lazily: true)
            }
        }
        try releaseUnused()
    }

    /// Gives the root of an image's file tree while the body runs.
    ///
    /// Open paths in it only by `open(_:_:inside:)` or by entry: the image's symbolic links are not to be trusted.
    package func withView<Value>(layers: [Digest], _ body: (borrowing OwnedDescriptor) throws -> Value) throws -> Value
    {
        let root = try withLowers(layers) { lowers in
            let target = "\(directory)/views/\(uniqueSuffix())"
            try makeDirectory(target, permissions: 0o700)
            defer { try? removeDirectory(target) }
            let overlay = Overlay(name: "strata", usesUserAttributes: usesUserAttributes, readOnly: true)
            try mount(overlay, over: lowers, at: target)
            // From here on the descriptor alone keeps the mount: nothing is left behind however this ends.
            defer { try? unmount(target, lazily: true) }
            return try Directory(open(target, .directory))
        }
        let result = Result { try body(root.descriptor) }
        try releaseUnused()
        return try result.get()
    }

    /// Lets a descriptor be a closure's result.
    private final class Directory: Sendable {
        let descriptor: OwnedDescriptor
        init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }
    }

    /// Gives the directories of layers, topmost first, each once, mounted while the body runs.
    package func withLowerPaths<Result>(layers: [Digest], _ body: ([String]) throws -> Result) throws -> Result {
        try withLowers(layers) { try body($0.map(\.path)) }
    }

    /// Unmounts the layers that no overlay uses, and removes what killed processes left in the run directory.
    package func releaseUnused() throws {
        let lock = try FileLock.wait(lockPath, .exclusive)
        defer { withExtendedLifetime(lock) {} }
        let used = try layersInUse()
        for name in try names(in: directory + "/layers") ?? [] where !used.contains(name) {
            let path = "\(directory)/layers/\(name)"
            guard try FileStatus.ifExists(path)?.kind == .directory else { continue }
            do {
                while try isMountPoint(path) { try unmount(path) }
                try removeDirectory(path)
                try removeFile(sealPath(path))
            } catch {
                // Somebody looks into it by hand.
                if error.kind != .busy { throw error }
            }
        }
        for name in try names(in: directory + "/views") ?? [] {
            // These exist only under the lock that is held here, so this one's process died.
            let path = "\(directory)/views/\(name)"
            while try isMountPoint(path) { try unmount(path, lazily: true) }
            try? removeDirectory(path)
        }
    }

    /// The names below `RUN/layers` that the overlays of this mount namespace use.
    private func layersInUse() throws -> Set<String> {
        var used: Set<String> = []
        for entry in try mountTable() where entry.kind == "overlay" {
            for option in entry.options {
                guard option.hasPrefix("lowerdir") else { continue }
                for path in option.drop(while: { $0 != "=" }).dropFirst().split(separator: ":") {
                    guard let slash = path.lastIndex(of: "/") else { continue }
                    // Another store's layer of the same name. A path with escapes is not looked into: it counts.
                    if path.hasPrefix("/"), !path.contains("\\"), !path.hasPrefix(directory + "/layers/") { continue }
                    used.insert(String(path[path.index(after: slash)...]))
                }
            }
        }
        return used
    }

    // MARK: Layers

    /// A lower directory, held open.
    private final class Lower: Sendable {
        let descriptor: OwnedDescriptor
        let path: String

        init(_ path: String) throws {
            descriptor = try open(path, .handle)
            self.path = path
        }
    }

    /// Gives the directories of layers, topmost first.
    private func withLowers<Result>(_ layers: [Digest], _ body: ([Lower]) throws -> Result) throws -> Result {
        // The kernel refuses to stack a directory twice. The lower one of two equal layers shows nowhere: whatever it adds
        // or hides, the upper one does too.
        var seen: Set<Digest> = []
        let stack = layers.reversed().filter { seen.insert($0).inserted }
        var sources: [LayerSource] = []
        for diffID in stack {
            sources.append(try driver.source(of: diffID))
            if sources.last?.isRootOpaque == true { break }
        }
        guard sources.count <= Self.maximumLayers else {
            throw SnapshotError.unsupported(
                "the image has \(sources.count) layers; overlayfs stacks \(Self.maximumLayers) at most")
        }
        do {
            let lock = try FileLock.wait(lockPath, .shared)
            defer { withExtendedLifetime(lock) {} }
            if try sources.allSatisfy(isReady) { return try body(try sources.map(lower)) }
        }
        let lock = try FileLock.wait(lockPath, .exclusive)
        defer { withExtendedLifetime(lock) {} }
        for source in sources { try makeReady(source) }
        return try body(try sources.map(lower))
    }

    private func lower(of source: LayerSource) throws -> Lower {
        try Lower(source.kind == .erofs ? mountPoint(of: source.diffID) : source.path)
    }

    private func sealPath(_ mountPoint: String) -> String { mountPoint + ".seal" }

    /// Whether a layer was found good in this boot, and is mounted where it needs to be.
    private func isReady(_ source: LayerSource) throws -> Bool {
        let point = mountPoint(of: source.diffID)
        // A mounted layer file that was replaced since is still the old file.
        guard let seal = try? readFile(sealPath(point), limit: 4096), seal == state(of: source) else { return false }
        return try source.kind == .directory || isMountPoint(point)
    }

    private func state(of source: LayerSource) -> [UInt8] { Array("\(bootIdentity()) \(source.seal)".utf8) }

    private func makeReady(_ source: LayerSource) throws {
        if try isReady(source) { return }
        let point = mountPoint(of: source.diffID)
        if source.kind == .directory { try driver.checkSeal(source.diffID) }
        // The old file's overlays keep it.
        while try isMountPoint(point) { try unmount(point, lazily: true) }
        try writeAtomically(state(of: source), to: sealPath(point), durable: false)
        guard source.kind == .erofs else { return }
        try makeDirectory(point, permissions: 0o700)
        let file = try open(source.path, .read)
        // The kernel takes 255 bytes of a path.
        let path = source.path.utf8.count < 256 ? source.path : "/proc/self/fd/\(file.raw)"
        do {
            try makeFileSystem("erofs", [.text("source", path)], readOnly: true).attach(at: point)
        } catch {
            guard error.kind == .notSupported || error.kind == .permission else { throw error }
            throw SnapshotError.unsupported(
                "layer \(source.diffID) is an EROFS file, which cannot be mounted here (\(error)): "
                    + "mount it as root on Linux 6.12 or later, or remove the image and pull it with `--driver directory`"
            )
        }
    }
}
