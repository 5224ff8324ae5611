import Linux
import Synchronization

/// Where a command's words go: standard output for what was asked, standard error for everything else.
package final class Console: Sendable {
    /// Whether standard output is a terminal.
    package let isTerminal: Bool
    package let isErrorTerminal: Bool
    private let environment: [String: String]
    private let output: Int32
    // One line at a time, whoever writes.
    private let turn = Mutex<Void>(())

    /// - Parameter output: takes what was asked for.
    package init(environment: [String: String], output: Int32 = 1) {
        self.environment = environment
        self.output = output
        isTerminal = Linux.isTerminal(output)
        isErrorTerminal = Linux.isTerminal(2)
    }

    /// The same, with everything on standard error: where standard output is a container's.
    package var onErrorOutput: Console { Console(environment: environment, output: 2) }

    /// Columns of the terminal; docker's 80 where there is none.
    package var columns: Int { terminalSize(1)?.columns ?? terminalSize(0)?.columns ?? 80 }

    /// Whether standard output may carry colours and cursor movements (no-color.org).
    package var isRich: Bool { isTerminal && environment["TERM"] != "dumb" }
    package var usesColour: Bool { isRich && (environment["NO_COLOR"] ?? "").isEmpty }

    /// Writes to standard output. A reader that went away ends the program, as it should.
    package func write(_ text: String) {
        turn.withLock { _ in try? writeAll(Array(text.utf8), to: output, "standard output") }
    }

    package func line(_ text: String) { write(text + "\n") }

    /// Writes a line to standard error.
    package func complain(_ text: String) {
        turn.withLock { _ in try? writeAll(Array((text + "\n").utf8), to: 2, "standard error") }
    }

    /// Tells an error: the sentence and where there is one the remedy.
    package func report(_ error: any Error) {
        let (message, hint) = Self.words(of: error)
        complain("Error: \(message)")
        if let hint { complain("hint: \(hint)") }
    }

    package func warn(_ text: String) { complain("WARNING: \(text)") }

    /// Asks on standard error and reads a line; nil at the end of the input.
    ///
    /// - Parameter hidden: what is typed is not shown.
    package func ask(_ question: String, hidden: Bool = false) -> String? {
        turn.withLock { _ in try? writeAll(Array(question.utf8), to: 2, "standard error") }
        guard hidden, let quiet = try? HiddenInput(0) else { return readLine() }
        let line = readLine()
        _ = consume quiet
        complain("")
        return line
    }

    /// Asks a question; whether the answer begins with `y`.
    package func confirm(_ question: String) -> Bool {
        ask("\(question) [y/N] ")?.lowercased().hasPrefix("y") ?? false
    }
}
