import CLinux
import Glibc

/// A process that is told from a later one with the same number: number, start time, boot.
package struct ProcessIdentity: Sendable, Hashable, Codable {
    package var processID: Int32
    /// Clock ticks after boot.
    package var startTime: UInt64
    package var boot: String

    /// The process that has the number now; nil where none has.
    package init?(of processID: Int32) {
        guard processID > 0, let stat = ProcessStat(of: processID) else { return nil }
        self.processID = processID
        startTime = stat.startTime
        boot = bootIdentity()
    }

    /// Whether this very process runs (a zombie does not).
    package var isAlive: Bool {
        guard let stat = ProcessStat(of: processID), stat.startTime == startTime else { return false }
        return stat.state != "Z" && stat.state != "X" && boot == bootIdentity()
    }

    /// Sends a signal to this very process.
    ///
    /// - Returns: false where it is gone.
    @discardableResult
    package func send(signal: Int32) throws(SystemError) -> Bool {
        guard let handle = try handle() else { return false }
        let result = clinux_pidfd_signal(handle.raw, signal)
        if result == -ESRCH { return false }
        try check(result, "signal", "process \(processID)")
        return true
    }

    /// A descriptor that becomes readable when the process ends; nil where it is gone.
    package func handle() throws(SystemError) -> OwnedDescriptor? {
        let raw = clinux_pidfd_open(processID)
        if raw == -ESRCH { return nil }
        let handle = OwnedDescriptor(owning: try check(raw, "open", "process \(processID)"))
        // The number may have gone to another process before it was opened, not after.
        if !isAlive { return nil }
        return handle
    }
}

/// What `/proc/PID/stat` says.
private struct ProcessStat {
    var state: Character
    var startTime: UInt64

    init?(of processID: Int32) {
        guard let bytes = try? readFile("/proc/\(processID)/stat", limit: 64 << 10),
            // The command's name is in parentheses and may hold any byte.
            let close = bytes.lastIndex(of: UInt8(ascii: ")"))
        else { return nil }
        let fields = bytes[(close + 1)...].split(separator: UInt8(ascii: " "))
        guard fields.count > 19, let state = fields[0].first,
            let startTime = UInt64(String(decoding: fields[19], as: UTF8.self))
        else { return nil }
        self.state = Character(UnicodeScalar(state))
        self.startTime = startTime
    }
}
