import Containers
import Glibc
import Linux

/// The person's end of a container's streams: the terminal made raw, the window's size, and the signals handed on.
///
/// One at a time in a process, used from the thread that carries the streams.
final class ClientStreams {
    /// What is to be done, asked of the container's side.
    struct Handlers {
        var resize: (_ columns: Int, _ rows: Int) throws -> Void
        var signal: (_ number: Int32) throws -> Void
    }

    private let hasTerminal: Bool
    private let raw: RawTerminal?
    private let caught: CaughtSignals?
    private let proxiesSignals: Bool
    private let streams: Attachment.Streams

    /// Signals that people and supervisors send.
    private static let proxied = [SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM, SIGCONT, SIGTSTP]

    /// - Parameters:
    ///   - hasTerminal: the container's side is a terminal.
    ///   - detachKeys: as typed for `--detach-keys`; nil for docker's.
    init(
        input: Bool, output: Bool, errorOutput: Bool, hasTerminal: Bool, proxiesSignals: Bool, detachKeys: String?
    ) throws {
        self.hasTerminal = hasTerminal
        self.proxiesSignals = proxiesSignals
        let isRaw = hasTerminal && input && isTerminal(0)
        let signals = (proxiesSignals ? Self.proxied : []) + (hasTerminal ? [SIGWINCH] : [])
        var streams = Attachment.Streams(
            input: input ? 0 : nil, output: output ? 1 : nil, errorOutput: errorOutput ? 2 : nil)
        // A pipe that is not a terminal may hold any bytes: only people detach.
        if hasTerminal || isTerminal(0) {
            streams.detachKeys = try detachKeys.map(DetachKeySequence.parse) ?? DetachKeySequence.standard
        }
        if signals.isEmpty {
            caught = nil
        } else {
            let catcher = try CaughtSignals(signals)
            streams.wake = catcher.raw
            caught = consume catcher
        }
        self.streams = streams
        if isRaw { raw = try RawTerminal(0) } else { raw = nil }
    }

    var attachment: Attachment.Streams { streams }

    /// Rows and columns of the window; nil where there is none.
    static var window: (rows: Int, columns: Int)? {
        (terminalSize(1) ?? terminalSize(0)).map { ($0.rows, $0.columns) }
    }

    /// Refuses a terminal for the container where the person has none to type in.
    static func checkTerminal(input: Bool, hasTerminal: Bool) throws {
        if input, hasTerminal, !isTerminal(0) {
            throw UsageWords(description: "the input device is not a TTY")
        }
    }

    /// Hands on what came. Call when `wake` is readable.
    func deliver(_ handlers: Handlers) throws {
        guard let descriptor = streams.wake else { return }
        for number in try readSome(from: descriptor, upTo: 256, "signals").map(Int32.init) {
            if number == SIGWINCH {
                // A container that has just ended has no window to change.
                if let window = Self.window { try? handlers.resize(window.columns, window.rows) }
            } else {
                do { try handlers.signal(number) } catch let error as ContainerError {
                    if error.code != .notRunning && error.code != .notFound { throw error }
                }
            }
        }
    }
}
