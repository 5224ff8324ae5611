import Containers
import Linux
import OCI
import TestSupport
import Testing

@Suite struct TerminalTests {
    @Test func aTerminalHasTheSizeAndTheName() throws {
        let bench = try ContainerBench()
        let outcome = try bench.run(["sh", "-c", "test -t 0 && test -t 1 && stty size && echo $TERM && tty"]) {
            request in
            request.overrides.tty = true
            request.hostConfig.consoleSize = [33, 77]
        }
        #expect(
            outcome.output == "33 77\r\nxterm\r\n/dev/console\r\n"
                || outcome.output == "33 77\r\nxterm\r\n/dev/pts/0\r\n")
        #expect(outcome.code == 0)
    }

    @Test func detachAttachResize() throws {
        let bench = try ContainerBench()
        let service = bench.service
        let id = try service.create(
            bench.request(["sh", "-c", "echo begun; read line; echo got $line; stty size; exit 3"]) { request in
                request.overrides.tty = true
                request.overrides.openStdin = true
            }
        ).record.id
        let first = try Line()
        first.type([UInt8(ascii: "x"), 16, 17])
        // What was typed before the keys goes to the program, the keys do not.
        #expect(try service.runAttached(id, first.streams) == nil)
        #expect(try service.info(id).status == .running)
        let attachment = try service.attach(id)
        try attachment.resize(columns: 99, rows: 11)
        let second = try Line()
        second.type(Array("y\n".utf8))
        #expect(try attachment.pump(second.streams) == .finished)
        #expect(try service.wait(id) == 3)
        let seen = try second.output()
        #expect(seen.hasSuffix("got xy\r\n11 99\r\n"))
    }

    @Test func execWithATerminal() throws {
        let bench = try ContainerBench()
        let id = try bench.startDetached(["sleep", "100"])
        let outcome = try bench.exec(id, ["sh", "-c", "test -t 1 && stty size; echo $TERM; exit 6"]) { request in
            request.hasTerminal = true
            request.consoleSize = (rows: 20, columns: 40)
        }
        #expect(outcome.output == "20 40\r\nxterm\r\n" && outcome.code == 6)
    }

    /// Standard streams of a client: what it types, and a file for what it sees.
    private final class Line: Sendable {
        private let files: TemporaryDirectory
        private let pipe: Linux.Pipe
        private let target: OwnedDescriptor

        init() throws {
            files = try TemporaryDirectory()
            pipe = try Linux.Pipe()
            target = try open(files.path + "/output", .write)
        }

        var streams: Containers.Attachment.Streams {
            var streams = Containers.Attachment.Streams(
                input: pipe.readEnd.raw, output: target.raw, errorOutput: target.raw)
            streams.detachKeys = DetachKeySequence.standard
            return streams
        }

        func type(_ bytes: [UInt8]) { try? writeAll(bytes, to: pipe.writeEnd.raw) }
        func output() throws -> String {
            String(decoding: try readFile(files.path + "/output", limit: 1 << 20), as: UTF8.self)
        }
    }
}
