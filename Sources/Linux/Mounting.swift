import CLinux
import Glibc

/// A file system being made or a mount not yet (or not to be) attached: a descriptor of the kernel's mount API.
///
/// The old mount(2) cuts its options at 4096 bytes without a word, so nothing here uses it.
package struct DetachedMount: ~Copyable, Sendable {
    fileprivate let descriptor: OwnedDescriptor

    /// The descriptor, for handing to another file system as a lower directory.
    package var raw: Int32 { descriptor.raw }

    /// Attaches it at a directory.
    package consuming func attach(at target: String) throws(SystemError) {
        try unsafe check(clinux_move_mount(descriptor.raw, AT_FDCWD, target), "mount at", target)
    }

    /// Attaches it at what a handle names, whatever links its path went through.
    package consuming func attach(to target: borrowing OwnedDescriptor, _ subject: String) throws(SystemError) {
        try check(clinux_move_mount_onto(descriptor.raw, target.raw), "mount at", subject)
    }
}

/// Options of a new file system.
package enum MountOption: Sendable {
    case flag(String)
    case text(String, String)
    /// A descriptor, as overlayfs takes its layers.
    case descriptor(String, Int32)
}

/// Makes a file system instance, not attached anywhere.
///
/// - Parameters:
///   - kind: the kernel's name: `erofs`, `overlay`, `tmpfs`.
///   - options: applied in order.
///   - readOnly: of the mount.
package func makeFileSystem(_ kind: String, _ options: [MountOption], readOnly: Bool) throws(SystemError)
    -> DetachedMount
{
    let context = unsafe OwnedDescriptor(owning: try check(clinux_fsopen(kind), "open file system", kind))
    func configure(_ result: Int32, _ what: String) throws(SystemError) {
        if result < 0 {
            var error = SystemError(errno: -result, operation: "configure \(kind) with", subject: what)
            if let message = kernelMessage(context) { error.subject += " (\(message))" }
            throw error
        }
    }
    for option in options {
        switch option {
        case .flag(let name): unsafe try configure(clinux_fsconfig(context.raw, 0, name, nil, 0), name)
        case .text(let name, let value):
            let result = unsafe value.withCString { unsafe clinux_fsconfig(context.raw, 1, name, $0, 0) }
            try configure(result, "\(name)=\(value)")
        case .descriptor(let name, let fd): unsafe try configure(clinux_fsconfig(context.raw, 5, name, nil, fd), name)
        }
    }
    if readOnly, kind == "erofs" { unsafe try configure(clinux_fsconfig(context.raw, 0, "ro", nil, 0), "ro") }
    try configure(clinux_fsconfig(context.raw, 6 /* CREATE */, nil, nil, 0), "its options")
    let attributes: UInt32 = readOnly ? 1 : 0  // MOUNT_ATTR_RDONLY
    return DetachedMount(
        descriptor: OwnedDescriptor(owning: try check(clinux_fsmount(context.raw, attributes), "mount", kind)))
}

/// What the kernel says about the last failure on a file system context.
private func kernelMessage(_ context: borrowing OwnedDescriptor) -> String? {
    guard let bytes = try? readSome(from: context.raw, upTo: 1024), !bytes.isEmpty else { return nil }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").joined(separator: "; ")
}

/// A detached copy of a mount that is attached somewhere.
package func cloneMount(at path: String) throws(SystemError) -> DetachedMount {
    unsafe DetachedMount(
        descriptor: OwnedDescriptor(
            owning: try check(clinux_open_tree(AT_FDCWD, path, 1 /* OPEN_TREE_CLONE */), "open mount", path)))
}

/// Detaches the mount at a path.
///
/// - Parameter lazily: let go at once and finish when the last user is gone.
package func unmount(_ path: String, lazily: Bool = false) throws(SystemError) {
    try unsafe check(clinux_umount(path, lazily ? 2 : 0), "unmount", path)
}

/// Whether a path is a mount point.
package func isMountPoint(_ path: String) throws(SystemError) -> Bool {
    try FileStatus.ifExists(path)?.isMountRoot ?? false
}
