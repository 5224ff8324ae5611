import Linux

/// A client's line to a container's standard streams: conmon's `attach` socket.
///
/// One thread calls `pump`, which carries bytes both ways until the container's side ends.
package final class Attachment: Sendable {
    /// How `pump` ended.
    package enum End: Sendable, Equatable {
        /// The container's side closed: its process ended, or will at once.
        case finished
        /// The person typed the detach keys.
        case detached
    }

    /// Where bytes come from and go to. Descriptors stay the caller's.
    package struct Streams: Sendable {
        /// nil: nothing is sent, and standard input of the container stays as it is.
        package var input: Int32?
        package var output: Int32?
        package var errorOutput: Int32?
        /// Keys that end the line without the container noticing; empty for none.
        package var detachKeys: [UInt8] = []
        /// Readable when something outside needs `onWake`: signals, a changed window.
        package var wake: Int32?

        package init(input: Int32?, output: Int32?, errorOutput: Int32?) {
            self.input = input
            self.output = output
            self.errorOutput = errorOutput
        }
    }

    private let socket: OwnedDescriptor
    private let directory: String

    /// Connects to a container or exec session whose bundle is in a directory.
    init(directory: String) throws {
        socket = try connect(to: "attach", in: directory, .packets)
        self.directory = directory
    }

    /// Sets the size of the container's terminal.
    package func resize(columns: Int, rows: Int) throws { try Self.resize(directory, columns: columns, rows: rows) }

    static func resize(_ directory: String, columns: Int, rows: Int) throws {
        let control = try open(directory + "/ctl", .writeOnly)
        // conmon looks at the beginning of what it reads only: one message a write.
        try writeAll(Array("1 \(rows) \(columns)\n".utf8), to: control.raw, "ctl")
    }

    /// Carries bytes until the container's side ends. Blocks the thread.
    ///
    /// Sending never blocks: conmon sends and takes in one thread, and would wait for us while we wait for it.
    package func pump(_ streams: Streams, onWake: () throws -> Void = {}) throws -> End {
        ignoreBrokenPipes()
        var input = streams.input
        var keys = DetachKeys(streams.detachKeys)
        var pending: ArraySlice<UInt8> = []
        var output = streams.output
        var errorOutput = streams.errorOutput
        var isDetaching = false
        while true {
            // What was typed before the keys is the container's.
            if isDetaching, pending.isEmpty { return .detached }
            let events = try waitFor(
                [
                    .init(socket.raw, writable: !pending.isEmpty), .init(pending.isEmpty ? input ?? -1 : -1),
                    .init(streams.wake ?? -1),
                ])
            if events[2].readable { try onWake() }
            if events[0].writable, !pending.isEmpty {
                let piece = pending.prefix(4096)
                do {
                    if try trySend(piece, to: socket.raw, "container") { pending = pending.dropFirst(piece.count) }
                } catch {
                    // The container wants no more input; what it says still comes.
                    pending = []
                    input = nil
                }
            }
            if events[0].readable {
                let packet: [UInt8]
                do { packet = try readSome(from: socket.raw, upTo: 64 << 10, "container") } catch { return .finished }
                guard let kind = packet.first else { return .finished }
                let isError = kind == 3
                if let target = isError ? errorOutput : output {
                    do { try writeAll(Array(packet.dropFirst()), to: target) } catch {
                        // Nobody reads any more (a closed pipe): the container must not stand still for it.
                        if isError { errorOutput = nil } else { output = nil }
                    }
                }
            }
            if events[1].readable, let source = input {
                let bytes = (try? readSome(from: source, upTo: 4096, "standard input")) ?? []
                if bytes.isEmpty {
                    endSending(socket.raw)
                    input = nil
                } else {
                    let (passed, isLast) = keys.filter(bytes)
                    pending += passed
                    if isLast {
                        isDetaching = true
                        input = nil
                    }
                }
            }
        }
    }
}

/// Finds the detach keys among what is typed; keys that begin the sequence are held back until it is clear.
struct DetachKeys {
    private let sequence: [UInt8]
    private var matched = 0

    init(_ sequence: [UInt8]) { self.sequence = sequence }

    mutating func filter(_ bytes: [UInt8]) -> (passed: [UInt8], isDetaching: Bool) {
        if sequence.isEmpty { return (bytes, false) }
        var passed: [UInt8] = []
        for byte in bytes {
            if byte == sequence[matched] {
                matched += 1
                if matched == sequence.count { return (passed, true) }
            } else {
                passed += sequence[..<matched]
                matched = byte == sequence[0] ? 1 : 0
                if matched == 0 { passed.append(byte) }
            }
        }
        return (passed, false)
    }

    /// Parses docker's `--detach-keys`: `ctrl-p,ctrl-q`, single letters.
    static func parse(_ text: String) throws(ContainerError) -> [UInt8] {
        var keys: [UInt8] = []
        for key in text.split(separator: ",", omittingEmptySubsequences: false) {
            let bytes = Array(key.utf8)
            if bytes.count == 1 {
                keys.append(bytes[0])
            } else if key.hasPrefix("ctrl-"), bytes.count == 6 {
                switch bytes[5] {
                case UInt8(ascii: "a")...UInt8(ascii: "z"): keys.append(bytes[5] - UInt8(ascii: "a") + 1)
                case UInt8(ascii: "@"): keys.append(0)
                case UInt8(ascii: "["), UInt8(ascii: "\\"), UInt8(ascii: "]"), UInt8(ascii: "^"), UInt8(ascii: "_"):
                    keys.append(bytes[5] - UInt8(ascii: "@"))
                default: throw ContainerError(.invalid, "Unknown character: '\(key)'")
                }
            } else {
                throw ContainerError(.invalid, "Unknown character: '\(key)'")
            }
        }
        return keys
    }
}

package enum DetachKeySequence {
    /// Docker's default: ctrl-p, ctrl-q.
    package static let standard: [UInt8] = [16, 17]
    package static func parse(_ text: String) throws(ContainerError) -> [UInt8] { try DetachKeys.parse(text) }
}
