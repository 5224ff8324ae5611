import CLinux
import Glibc

/// A lock on a file, shared or exclusive among processes and among openings in one process; it dies with its owner.
package struct FileLock: ~Copyable, Sendable {
    package enum Mode: Sendable { case shared, exclusive }

    private let descriptor: OwnedDescriptor

    private init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }

    // Closing alone would leave the lock to a child that another thread is just starting, until it executes its program.
    deinit { _ = clinux_flock(descriptor.raw, LOCK_UN) }

    /// Takes the lock, waiting as long as it takes. Blocks the thread.
    package static func wait(_ path: String, _ mode: Mode) throws(SystemError) -> FileLock {
        let file = try Linux.open(path, .update)
        while true {
            let result = clinux_flock(file.raw, mode == .shared ? LOCK_SH : LOCK_EX)
            if result == -EINTR { continue }
            try check(result, "lock", path)
            return FileLock(file)
        }
    }

    /// Takes the lock where nobody holds it; nil where somebody does.
    ///
    /// The file may have been removed and made again between opening and locking; then the lock is on a file that no
    /// path names, and another try is made.
    package static func tryLock(_ path: String, _ mode: Mode) throws(SystemError) -> FileLock? {
        while true {
            let file = try Linux.open(path, .update)
            let result = clinux_flock(file.raw, (mode == .shared ? LOCK_SH : LOCK_EX) | LOCK_NB)
            if result == -EWOULDBLOCK { return nil }
            if result == -EINTR { continue }
            try check(result, "lock", path)
            let held = try FileStatus(of: file, path)
            guard let named = try FileStatus.ifExists(path), named.inode == held.inode else { continue }
            return FileLock(file)
        }
    }

    /// Appends a line to the locked file.
    package borrowing func append(_ line: String) throws(SystemError) {
        lseek(descriptor.raw, 0, SEEK_END)
        try writeAll(Array((line + "\n").utf8), to: descriptor.raw, "lock file")
    }
}
