import CLinux
import Glibc

/// Changes a terminal.
///
/// - Parameter change: takes where to save the state.
/// - Returns: the state to restore.
private func savedTerminal(
    _ fd: Int32, _ operation: String, _ change: (Int32, UnsafeMutableRawPointer?) -> Int32
) throws(SystemError) -> [UInt8] {
    var saved = [UInt8](repeating: 0, count: Int(clinux_termios_size()))
    let result = unsafe saved.withUnsafeMutableBytes { unsafe change(fd, $0.baseAddress) }
    try check(result, operation, "terminal")
    return saved
}

private func restoreTerminal(_ fd: Int32, _ saved: [UInt8]) {
    _ = unsafe saved.withUnsafeBytes { unsafe clinux_restore_terminal(fd, $0.baseAddress) }
}

// Two types and not one inside the other: a private type that owns its memory, stored in one that other modules see, leaves
// the optimised build with an undefined symbol (Swift 6.3).

/// A terminal set raw, and back to what it was when the value goes.
package struct RawTerminal: ~Copyable, Sendable {
    private let fd: Int32
    private let saved: [UInt8]

    /// Sets a terminal raw.
    package init(_ fd: Int32) throws(SystemError) {
        saved = try unsafe savedTerminal(fd, "set raw") { unsafe clinux_raw_terminal($0, $1) }
        self.fd = fd
    }

    deinit { restoreTerminal(fd, saved) }
}

/// A terminal that does not show what is typed, until the value goes.
package struct HiddenInput: ~Copyable, Sendable {
    private let fd: Int32
    private let saved: [UInt8]

    /// - Throws: where the descriptor is no terminal.
    package init(_ fd: Int32) throws(SystemError) {
        saved = try unsafe savedTerminal(fd, "hide input of") { unsafe clinux_hide_input($0, $1) }
        self.fd = fd
    }

    deinit { restoreTerminal(fd, saved) }
}

/// Signals as bytes that can be read from a descriptor. One value a process at a time.
package struct CaughtSignals: ~Copyable, Sendable {
    private let pipe: Pipe
    private let signals: [Int32]

    /// Readable when a signal came: one byte each, its number.
    package var raw: Int32 { pipe.readEnd.raw }

    /// Catches signals from now on.
    package init(_ signals: [Int32]) throws(SystemError) {
        let pipe = try Pipe()
        clinux_set_nonblocking(pipe.writeEnd.raw, 1)
        try unsafe check(clinux_catch_signals(signals, Int32(signals.count), pipe.writeEnd.raw), "catch", "signals")
        self.pipe = pipe
        self.signals = signals
    }

    deinit { for signal in signals { clinux_signal_default(signal) } }
}
