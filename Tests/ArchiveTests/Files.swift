import Glibc
import TestSupport

/// Why a file of a test cannot be read.
struct FileFailure: Error, CustomStringConvertible {
    var description: String
}

/// All bytes of a file.
func contents(of path: String) throws -> [UInt8] {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    if file < 0 { throw FileFailure(description: "cannot open \(path): error \(errno)") }
    defer { close(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 256 << 10)
    while true {
        let count = read(file, &buffer, buffer.count)
        if count == 0 { return bytes }
        if count < 0 { throw FileFailure(description: "cannot read \(path): error \(errno)") }
        bytes += buffer[..<count]
    }
}

/// Runs a shell script on input bytes, with `$IN` and `$OUT` files, and gives what it put into `$OUT`.
func filtered(_ input: [UInt8], through script: String) throws -> [UInt8] {
    let scratch = try TemporaryDirectory()
    try scratch.write("in", input)
    _ = try runShell("set -e; IN=\(scratch.path)/in; OUT=\(scratch.path)/out; \(script)", in: scratch.path)
    return try contents(of: scratch.path + "/out")
}

/// Text that compresses, and differs from place to place.
func sampleText(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 16)
    var state = seed
    while bytes.count < count {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        bytes += Array("\(state >> 50) ".utf8)
    }
    return Array(bytes.prefix(count))
}
