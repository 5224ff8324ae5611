package import Images
import Linux
import Synchronization

/// Shows what a long operation tells: on a terminal a line for each layer that is redrawn in place, and one for the whole;
/// elsewhere docker's status lines, each once.
package final class ProgressView: Sendable {
    private struct Row {
        var id: String
        var status: LayerStatus
    }

    private struct State {
        var rows: [Row] = []
        var archive: (work: ArchiveWork, done: Int64, total: Int64)?
        /// Lines on the terminal that the next drawing replaces.
        var drawn = 0
        var lastDrawn: ContinuousClock.Instant?
        var rate = TransferRate()
    }

    private let console: Console
    private let isQuiet: Bool
    private let state = Mutex(State())

    /// - Parameter isQuiet: only warnings are shown.
    package init(_ console: Console, isQuiet: Bool = false) {
        self.console = console
        self.isQuiet = isQuiet
    }

    package var handler: ProgressHandler { { self.take($0) } }

    /// Leaves what is drawn as it is. Call it before anything else is written.
    package func end() {
        state.withLock { state in
            if state.drawn > 0 { draw(&state, force: true) }
            state.rows = []
            state.drawn = 0
        }
    }

    private func take(_ event: ProgressEvent) {
        switch event {
        case .warning(let text):
            end()
            console.warn(text)
        case .line(let text):
            if isQuiet { return }
            end()
            console.line(text)
        case .layer(let id, let status):
            if isQuiet { return }
            state.withLock { take(id, status, &$0) }
        case .archive(let work, let done, let total):
            if isQuiet || !console.isRich { return }
            state.withLock { state in
                state.archive = (work, done, total)
                state.rate.note(done)
                draw(&state, force: false)
            }
        case .archiveDone:
            state.withLock { state in
                if state.archive == nil { return }
                state.archive = nil
                state.rate = TransferRate()
                draw(&state, force: true)
            }
        }
    }

    private func take(_ id: String, _ status: LayerStatus, _ state: inout State) {
        let index = state.rows.firstIndex { $0.id == id }
        let before = index.map { state.rows[$0].status }
        if let index {
            state.rows[index].status = status
        } else {
            state.rows.append(Row(id: id, status: status))
        }
        if console.isRich {
            state.rate.note(done(state).done)
            let isNews = before?.text != status.text
            draw(&state, force: isNews)
        } else if before?.text != status.text, status.bytes == nil {
            // Running figures are of no use in a log.
            console.line("\(id): \(status.text)")
        }
    }

    /// Bytes of all layers, as far as they are known.
    private func done(_ state: State) -> (done: Int64, total: Int64) {
        state.rows.reduce((0, 0)) { sum, row in
            guard let bytes = row.status.bytes else { return sum }
            return (sum.0 + bytes.done, sum.1 + bytes.total)
        }
    }

    private func draw(_ state: inout State, force: Bool) {
        let now = ContinuousClock.now
        if !force, let last = state.lastDrawn, now - last < .milliseconds(80) { return }
        state.lastDrawn = now
        let width = console.columns
        var lines = state.rows.map { text(of: $0, width: width) }
        let bytes = done(state)
        if let archive = state.archive {
            lines.append(
                "\(archive.work.rawValue): " + figures((archive.done, archive.total), state.rate))
        } else if bytes.total > 0, bytes.done < bytes.total {
            lines.append("Total: " + figures(bytes, state.rate))
        }
        // One write, so that nothing flickers: up to the first line, then each anew.
        var output = state.drawn > 0 ? "\u{1b}[\(state.drawn)A" : ""
        for line in lines { output += "\u{1b}[2K\r\(line.prefix(max(1, width - 1)))\n" }
        // A line less than before: what is left of it goes.
        if lines.count < state.drawn { output += "\u{1b}[J" }
        console.write(output)
        state.drawn = lines.count
    }

    private func text(of row: Row, width: Int) -> String {
        var text = "\(row.id): \(row.status.text)"
        if case .retrying(_, let reason) = row.status { text += " (\(reason))" }
        guard let bytes = row.status.bytes, bytes.total > 0 else { return text }
        let percent = Int(min(100, bytes.done * 100 / max(1, bytes.total)))
        if width > 110 {
            let filled = percent / 2
            text += " [" + String(repeating: "=", count: filled) + (filled < 50 ? ">" : "")
            text += String(repeating: " ", count: max(0, 50 - filled - 1)) + "]"
        }
        return text + " \(padded(Units.size(bytes.done, digits: 4)))/\(Units.size(bytes.total, digits: 4))"
    }

    private func figures(_ bytes: (done: Int64, total: Int64), _ rate: TransferRate) -> String {
        var text = Units.size(bytes.done, digits: 4)
        if bytes.total > 0 { text += " of \(Units.size(bytes.total, digits: 4))" }
        if let perSecond = rate.bytesPerSecond {
            text += ", \(Units.size(Int64(perSecond)))/s"
            if perSecond >= 1, bytes.total > bytes.done {
                let left = Int64(Double(bytes.total - bytes.done) / perSecond)
                text += ", \(left < 60 ? "\(left) s" : "\(left / 60) min \(left % 60) s") left"
            }
        }
        return text
    }

    private func padded(_ text: String) -> String { String(repeating: " ", count: max(0, 8 - text.count)) + text }
}

/// How fast bytes came in the last seconds.
private struct TransferRate {
    private static let window: Duration = .seconds(5)
    private var samples: [(at: ContinuousClock.Instant, bytes: Int64)] = []

    mutating func note(_ bytes: Int64) {
        let now = ContinuousClock.now
        if let last = samples.last, now - last.at < .milliseconds(100) { return }
        // A layer that ended takes its bytes out of the sum: begin anew.
        if let last = samples.last, bytes < last.bytes { samples = [] }
        samples.append((now, bytes))
        samples.removeAll { now - $0.at > Self.window }
    }

    /// nil until there is something to tell.
    var bytesPerSecond: Double? {
        guard let first = samples.first, let last = samples.last, samples.count > 1 else { return nil }
        let elapsed = last.at - first.at
        let seconds = Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18
        return seconds > 0.2 ? Double(last.bytes - first.bytes) / seconds : nil
    }
}
