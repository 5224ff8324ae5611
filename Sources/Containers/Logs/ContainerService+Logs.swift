import Linux

/// What to show of a log.
package struct LogRequest: Sendable {
    package var stdout = true
    package var stderr = true
    /// Nanoseconds since 1970.
    package var since: Int64?
    package var until: Int64?
    /// Lines from the end; nil is all.
    package var tail: Int?
    package var follow = false

    package init() {}
}

extension ContainerService {
    /// Gives the lines of a container's log, and with `follow` those to come until it ends.
    ///
    /// - Parameters:
    ///   - wake: with `follow`: readable when the reader wants no more.
    ///   - body: returns false to end.
    package func logs(_ id: ContainerID, _ request: LogRequest, wake: Int32? = nil, _ body: (LogEntry) throws -> Bool)
        throws
    {
        let record = try store.record(id)
        if record.hostConfig.logConfig.type == "none" {
            throw ContainerError(.invalid, "configured logging driver does not support reading")
        }
        let path = store.logPath(id)
        let watch = try FileWatch()
        if request.follow {
            try watch.add(store.directory(id), [.appeared, .written])
            try watch.add(store.persistDirectory(id), [.appeared, .closed])
        }
        func give(_ entries: [LogEntry]) throws -> Bool {
            for entry in entries {
                if let until = request.until, entry.time > until { return false }
                if let since = request.since, entry.time < since { continue }
                if entry.stream == .stdout ? !request.stdout : !request.stderr { continue }
                if try !body(entry) { return false }
            }
            return true
        }
        var reader = try LogFile(path)
        var assembler = LogAssembler()
        if let tail = request.tail {
            guard let current = reader else { if !request.follow { return } else { return try followNew() } }
            var last: [LogEntry] = []
            current.position = try current.start(ofLast: tail)
            while let chunk = try current.read() { last += assembler.feed(chunk) }
            if !request.follow { last += assembler.finish() }
            if try !give(last.suffix(tail)) { return }
        }
        try followNew()

        func followNew() throws {
            while true {
                // Asked before reading: what is written after an end was seen cannot be the container's.
                let isOver = try !request.follow || !isActive(id)
                if reader == nil { reader = try LogFile(path) }
                while let chunk = try reader?.read() { if try !give(assembler.feed(chunk)) { return } }
                if let current = reader, try current.wasReplaced() {
                    reader = try LogFile(path)
                    continue
                }
                if isOver {
                    _ = try give(assembler.finish())
                    return
                }
                let ready = try waitFor([.init(watch.raw), .init(wake ?? -1)])
                if ready[1].readable { return }
                if ready[0].readable { try watch.drain() }
            }
        }
    }

    private func isActive(_ id: ContainerID) throws -> Bool {
        guard try store.exists(id) else { return false }
        do { return try observed(try store.record(id), try store.state(id)).status.isActive } catch let error
            as ContainerError
        {
            if error.code == .notFound { return false }
            throw error
        }
    }
}

/// A log file being read; conmon may put another one in its place.
private final class LogFile {
    private let path: String
    private let file: OwnedDescriptor
    private let inode: UInt64
    var position: Int64 = 0

    init?(_ path: String) throws {
        self.path = path
        do { file = try open(path, .read) } catch {
            if error.kind == .notFound { return nil }
            throw error
        }
        inode = try FileStatus(of: file, path).inode
    }

    /// The next bytes; nil at what is the end now.
    func read() throws -> [UInt8]? {
        var count = 0
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        count = try unsafe bytes.withUnsafeMutableBytes {
            try unsafe preadFull(from: file.raw, at: position, into: $0, path)
        }
        position += Int64(count)
        return count == 0 ? nil : Array(bytes.prefix(count))
    }

    func wasReplaced() throws -> Bool { try FileStatus.ifExists(path).map { $0.inode != inode } ?? false }

    /// Where to begin so that the last lines are all there: looked for from the end.
    func start(ofLast lines: Int) throws -> Int64 {
        let size = try FileStatus(of: file, path).size
        var window: Int64 = 64 << 10
        while window < size {
            position = size - window
            var ends = 0
            var assembler = LogAssembler()
            // The first line is cut, and a long one may have begun before: one more is needed.
            while let chunk = try read() { ends += assembler.feed(chunk).count }
            if ends > lines + 1 { return size - window }
            window *= 4
        }
        return 0
    }
}
