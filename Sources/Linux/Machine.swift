import CLinux
import Glibc

/// Whether a descriptor is a terminal.
package func isTerminal(_ fd: Int32) -> Bool { isatty(fd) == 1 }

/// A terminal's columns and rows; nil where the descriptor is none.
package func terminalSize(_ fd: Int32) -> (columns: Int, rows: Int)? {
    var columns: Int32 = 0
    var rows: Int32 = 0
    guard unsafe clinux_terminal_size(fd, &columns, &rows) == 0, columns > 0 else { return nil }
    return (Int(columns), Int(rows))
}

/// Seconds since 1970.
package func wallClockSeconds() -> Int64 { Int64(Glibc.time(nil)) }

/// The kernel's release, `6.12.1-amd64`, and its two leading numbers.
package func kernelRelease() -> (text: String, major: Int, minor: Int) {
    let text =
        (try? readFile("/proc/sys/kernel/osrelease", limit: 4096)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    let numbers = text.split { $0 == "." || $0 == "-" }.prefix(2).map { Int($0) ?? 0 }
    return (String(text.prefix { $0 != "\n" }), numbers.first ?? 0, numbers.count > 1 ? numbers[1] : 0)
}

/// The identity of this boot: what the run directory caches is true only within one.
package func bootIdentity() -> String {
    (try? readFile("/proc/sys/kernel/random/boot_id", limit: 256)).map {
        String(decoding: $0.prefix(36), as: UTF8.self)
    } ?? ""
}

/// The effective user's ID.
package func effectiveUserID() -> UInt32 { geteuid() }

/// This process's ID.
package func processID() -> Int32 { getpid() }

/// Whether this process is in the first user namespace, where root's privileges are real.
package func isInitialUserNamespace() -> Bool {
    guard let map = try? readFile("/proc/self/uid_map", limit: 64 << 10) else { return true }
    let words = String(decoding: map, as: UTF8.self).split { $0 == " " || $0 == "\n" }
    return words == ["0", "0", "4294967295"]
}

/// Nanoseconds since 1970.
package func wallClockNanoseconds() -> Int64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

/// The directory that relative paths start from; `/` where it is gone.
package func workingDirectory() -> String {
    guard let path = unsafe getcwd(nil, 0) else { return "/" }
    defer { unsafe free(path) }
    return unsafe String(cString: path)
}

/// The path of the running program.
package func executablePath() -> String { (try? readLink("/proc/self/exe")) ?? CommandLine.arguments[0] }

/// The environment of this process.
package func environmentVariables() -> [String: String] {
    var variables: [String: String] = [:]
    guard let bytes = try? readFile("/proc/self/environ", limit: 8 << 20) else { return variables }
    for entry in bytes.split(separator: 0) {
        let text = String(decoding: entry, as: UTF8.self)
        guard let equals = text.firstIndex(of: "=") else { continue }
        variables[String(text[..<equals])] = String(text[text.index(after: equals)...])
    }
    return variables
}

/// Ends the process at once.
package func exitProcess(_ code: Int32) -> Never { exit(code) }

/// A time in this machine's zone, in strftime(3)'s format.
///
/// - Parameter seconds: since 1970.
package func localTime(_ seconds: Int64, _ format: String) -> String {
    var moment = time_t(seconds)
    var parts = unsafe tm()
    unsafe localtime_r(&moment, &parts)
    var buffer = [CChar](repeating: 0, count: 256)
    let count = unsafe strftime(&buffer, buffer.count, format, &parts)
    return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// Lets the thread sleep until the process ends.
package func waitForEver() -> Never { while true { pause() } }
