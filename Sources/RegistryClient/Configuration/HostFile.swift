#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Small files of this machine's configuration.
enum HostFile {
    /// Why a file could not be used: the path, and errno's words.
    struct Failure: Error, CustomStringConvertible {
        var path: String
        var errnoCode: Int32
        var description: String { "`\(path)`: \(HostFile.words(for: errnoCode))" }
    }

    static func words(for code: Int32) -> String {
        guard let text = unsafe strerror(code) else { return "error \(code)" }
        return unsafe String(cString: text).lowercased()
    }

    /// A file's bytes; nil where there is none.
    ///
    /// - Parameter limit: the most bytes it may have.
    static func contents(of path: String, limit: Int) throws -> [UInt8]? {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        if file < 0 {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw Failure(path: path, errnoCode: errno)
        }
        defer { close(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(file, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                throw Failure(path: path, errnoCode: errno)
            }
            if count == 0 { return bytes }
            bytes += buffer[..<count]
            if bytes.count > limit { throw Failure(path: path, errnoCode: EFBIG) }
        }
    }

    static func isExecutable(_ path: String) -> Bool { unsafe access(path, X_OK) == 0 }

    /// The names in a directory, sorted, without hidden ones; none where there is no such directory.
    static func names(in path: String) -> [String] {
        guard let directory = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while names.count < 1000, let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    /// Replaces a file with new bytes, durable and readable by its owner only; a reader sees the old file or the new one.
    /// A symbolic link stays: what it names is replaced.
    static func replace(_ path: String, with bytes: [UInt8]) throws {
        var target = path
        if let resolved = unsafe realpath(path, nil) {
            target = unsafe String(cString: resolved)
            unsafe free(resolved)
        }
        let temporary = "\(target).\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        let file = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        if file < 0 { throw Failure(path: temporary, errnoCode: errno) }
        do {
            defer { close(file) }
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = unsafe rest.withUnsafeBytes { unsafe write(file, $0.baseAddress, $0.count) }
                if count < 0 {
                    if errno == EINTR { continue }
                    throw Failure(path: temporary, errnoCode: errno)
                }
                rest = rest.dropFirst(count)
            }
            if fsync(file) != 0 { throw Failure(path: temporary, errnoCode: errno) }
            if unsafe rename(temporary, target) != 0 { throw Failure(path: target, errnoCode: errno) }
        } catch {
            unsafe unlink(temporary)
            throw error
        }
        let directory = unsafe open(
            String(target[..<(target.lastIndex(of: "/") ?? target.startIndex)]), O_RDONLY | O_CLOEXEC)
        if directory >= 0 {
            fsync(directory)
            close(directory)
        }
    }

    /// Runs a body while holding the lock of a directory, which is made (for its owner only) where it is missing.
    static func whileLocking<Value>(_ directory: String, _ body: () throws -> Value) throws -> Value {
        if unsafe mkdir(directory, 0o700) != 0, errno != EEXIST { throw Failure(path: directory, errnoCode: errno) }
        let file = unsafe open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if file < 0 { throw Failure(path: directory, errnoCode: errno) }
        defer { close(file) }
        while flock(file, LOCK_EX) != 0 {
            if errno != EINTR { throw Failure(path: directory, errnoCode: errno) }
        }
        return try body()
    }
}
