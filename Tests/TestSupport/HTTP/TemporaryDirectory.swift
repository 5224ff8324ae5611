import Glibc

/// A directory of a test's own below `/tmp`; gone with the value.
package final class TemporaryDirectory: Sendable {
    package let path: String

    package init() throws {
        var template = Array("/tmp/strata-test-XXXXXX".utf8CString)
        guard unsafe mkdtemp(&template) != nil else {
            throw DockerRegistry.Failure(description: "no temporary directory: error \(errno)")
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { remove() }

    /// Writes a file below it, making the directories on the way.
    package func write(_ name: String, _ bytes: [UInt8], mode: UInt32 = 0o644) throws {
        var directory = path
        for component in name.split(separator: "/").dropLast() {
            directory += "/\(component)"
            _ = unsafe mkdir(directory, 0o755)
        }
        let file = unsafe open("\(path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        if file < 0 { throw DockerRegistry.Failure(description: "cannot write \(name): error \(errno)") }
        defer { close(file) }
        var written = 0
        while written < bytes.count {
            let rest = bytes[written...]
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0 { throw DockerRegistry.Failure(description: "cannot write \(name): error \(errno)") }
            written += count
        }
        fchmod(file, mode)
    }

    package func remove() { _ = try? runShell("rm -rf '\(path)'") }
}
