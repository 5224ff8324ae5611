import CLinux
import Glibc

/// An overlay to be mounted: read-only directories, one above the other, and on top of them where writes go.
package struct Overlay: Sendable {
    /// How the kernel is told the lower directories.
    package enum Method: Sendable, CaseIterable {
        /// As descriptors: Linux 6.13 and later.
        case descriptors
        /// One path after another: Linux 6.8 and later.
        case paths
        /// All in one option of mount(2): any Linux, up to a few hundred layers.
        case legacy
    }

    /// Directories that take the writes.
    package struct Upper: Sendable, Equatable {
        /// What was written.
        package var directory: String
        /// Overlayfs's own, empty, on the same file system.
        package var work: String
        /// What is written need not survive a power loss: unmounting does not wait for the disk. Overlayfs marks the work
        /// directory and mounts it once only.
        package var isVolatile: Bool

        package init(directory: String, work: String, isVolatile: Bool = false) {
            self.directory = directory
            self.work = work
            self.isVolatile = isVolatile
        }
    }

    /// Shown as the mount's source.
    package var name: String
    package var upper: Upper?
    /// Uses `user.overlay.*` attributes in place of `trusted.overlay.*`: what a user namespace may read and write.
    package var usesUserAttributes: Bool
    package var readOnly: Bool

    package init(name: String, upper: Upper? = nil, usesUserAttributes: Bool = false, readOnly: Bool) {
        self.name = name
        self.upper = upper
        self.usesUserAttributes = usesUserAttributes
        self.readOnly = readOnly
    }

    /// Mounts it.
    ///
    /// - Parameters:
    ///   - lowers: the directories, topmost first: a descriptor and the path it was opened at. The kernel shows the path,
    ///     and by it `mountTable` tells whom an overlay uses.
    ///   - method: nil finds the newest one that this kernel knows.
    package func mount(over lowers: [(descriptor: Int32, path: String)], at target: String, by method: Method? = nil)
        throws(SystemError)
    {
        if let method { return try mount(lowers, at: target, method) }
        // EINVAL says that the kernel does not know the option, but also that it dislikes the directories; so the last
        // try's error is the one to tell.
        do { return try mount(lowers, at: target, .descriptors) } catch {
            guard error.errno == EINVAL, kernelIsOlder(than: (6, 13)) else { throw error }
        }
        do { return try mount(lowers, at: target, .paths) } catch {
            guard error.errno == EINVAL, kernelIsOlder(than: (6, 8)) else { throw error }
        }
        try mount(lowers, at: target, .legacy)
    }

    private func kernelIsOlder(than version: (Int, Int)) -> Bool {
        let running = kernelRelease()
        return (running.major, running.minor) < version
    }

    private func mount(_ lowers: [(descriptor: Int32, path: String)], at target: String, _ method: Method)
        throws(SystemError)
    {
        switch method {
        case .descriptors: try attach(lowers.map { .descriptor("lowerdir+", $0.descriptor) }, at: target)
        case .paths:
            // The kernel takes 255 bytes of a value; a longer path goes through the descriptor.
            try attach(
                lowers.map { lower in
                    .text(
                        "lowerdir+", lower.path.utf8.count < 256 ? lower.path : "/proc/self/fd/\(lower.descriptor)")
                }, at: target)
        case .legacy: try mountLegacy(lowers, at: target)
        }
    }

    private var upperOptions: [(name: String, value: String?)] {
        var options: [(String, String?)] = []
        if let upper { options += [("upperdir", upper.directory), ("workdir", upper.work)] }
        if upper?.isVolatile == true { options.append(("volatile", nil)) }
        if usesUserAttributes { options.append(("userxattr", nil)) }
        // The kernel's configuration sets the defaults of these. A layer must hold whole files and whole directories, so
        // that it can be packed without the layers below it: no redirects, no metadata-only copies, no index of links.
        options += [("index", "off"), ("metacopy", "off")]
        // `userxattr` implies that no redirects are made and refuses to hear about it.
        if !usesUserAttributes { options.append(("redirect_dir", "nofollow")) }
        return options
    }

    private func attach(_ lowers: [MountOption], at target: String) throws(SystemError) {
        var options: [MountOption] = [.text("source", name)] + lowers
        // Both must outlive the configuration: long paths are reached through them.
        let directories = try upper.map { upper throws(SystemError) in
            try UpperDescriptors(open(upper.directory, .handle), open(upper.work, .handle))
        }
        for option in upperOptions {
            switch (option.name, option.value) {
            case (let name, nil): options.append(.flag(name))
            case ("upperdir", .some(let path)):
                options.append(.text("upperdir", directories?.path(of: path) ?? path))
            case ("workdir", .some(let path)):
                options.append(.text("workdir", directories?.workPath(of: path) ?? path))
            case (let name, .some(let value)): options.append(.text(name, value))
            }
        }
        try makeFileSystem("overlay", options, readOnly: readOnly).attach(at: target)
    }

    /// Ways to name the upper directories within the 255 bytes that the kernel takes of an option.
    private struct UpperDescriptors: ~Copyable {
        let directory: OwnedDescriptor
        let work: OwnedDescriptor

        init(_ directory: consuming OwnedDescriptor, _ work: consuming OwnedDescriptor) {
            self.directory = directory
            self.work = work
        }

        func path(of path: String) -> String { path.utf8.count < 256 ? path : "/proc/self/fd/\(directory.raw)" }
        func workPath(of path: String) -> String { path.utf8.count < 256 ? path : "/proc/self/fd/\(work.raw)" }
    }

    private func mountLegacy(_ lowers: [(descriptor: Int32, path: String)], at target: String) throws(SystemError) {
        // Descriptors make the options short, and free of characters that would need escaping.
        var options = ["lowerdir=" + lowers.map { "/proc/self/fd/\($0.descriptor)" }.joined(separator: ":")]
        var held: [Int32] = []
        defer { held.forEach { close($0) } }
        for option in upperOptions {
            guard let value = option.value else {
                options.append(option.name)
                continue
            }
            guard option.name.hasSuffix("dir") else {
                // Kernels before 6.6 call the first of these unknown; there `nofollow` is what no redirects is called.
                options.append("\(option.name)=\(value)")
                continue
            }
            held.append(try open(value, .handle).release())
            options.append("\(option.name)=/proc/self/fd/\(held.last ?? -1)")
        }
        let text = options.joined(separator: ",")
        // The kernel copies one page of it and drops the rest without a word.
        guard text.utf8.count < 4096 else {
            throw SystemError(
                errno: E2BIG, operation: "mount \(lowers.count) layers with this kernel at", subject: target)
        }
        let flags: UInt = readOnly ? 1 : 0  // MS_RDONLY
        try unsafe check(clinux_mount(name, target, "overlay", flags, text), "mount at", target)
    }
}
