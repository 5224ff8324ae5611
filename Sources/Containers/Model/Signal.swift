/// Signals by the names that people write.
package enum Signal {
    private static let numbers: [String: Int32] = [
        "HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "IOT": 6, "BUS": 7, "FPE": 8, "KILL": 9,
        "USR1": 10, "SEGV": 11, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15, "STKFLT": 16, "CHLD": 17, "CLD": 17,
        "CONT": 18, "STOP": 19, "TSTP": 20, "TTIN": 21, "TTOU": 22, "URG": 23, "XCPU": 24, "XFSZ": 25, "VTALRM": 26,
        "PROF": 27, "WINCH": 28, "IO": 29, "POLL": 29, "PWR": 30, "SYS": 31,
    ]

    /// Parses a number, `TERM`, `SIGTERM`, `RTMIN+3`.
    package static func parse(_ text: String) throws(ContainerError) -> Int32 {
        func invalid() -> ContainerError { ContainerError(.invalid, "invalid signal: \(text)") }
        if let number = Int32(text) {
            guard (1...64).contains(number) else { throw invalid() }
            return number
        }
        var name = text.uppercased()
        if name.hasPrefix("SIG") { name = String(name.dropFirst(3)) }
        if let number = numbers[name] { return number }
        // The C library keeps the first two real-time signals for itself.
        for (prefix, base, sign) in [("RTMIN", Int32(34), Int32(1)), ("RTMAX", 64, -1)] where name.hasPrefix(prefix) {
            let rest = name.dropFirst(5)
            if rest.isEmpty { return base }
            if let offset = Int32(rest.dropFirst()), rest.hasPrefix(sign > 0 ? "+" : "-"), (0...30).contains(offset) {
                return base + sign * offset
            }
        }
        throw invalid()
    }
}
