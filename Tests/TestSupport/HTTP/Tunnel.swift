import Glibc
import Synchronization

/// A proxy for CONNECT that leads wherever it is asked to go to one place; it ends with `stop()`, and with the test process.
package final class Tunnel: Sendable {
    /// `127.0.0.1:PORT`.
    package let authority: String
    private let directory: TemporaryDirectory
    private let process: Mutex<(pid: pid_t, input: Int32)?>

    private static let script = """
        import socket, sys, threading
        def copy(source, target):
            try:
                while data := source.recv(65536):
                    target.sendall(data)
            except OSError:
                pass
            for end in (source, target):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        def serve(client):
            head = b""
            while b"\\r\\n\\r\\n" not in head:
                head += client.recv(1)
            with open("log", "ab") as log:
                log.write(head.split(b"\\r\\n")[0] + b"\\n")
            host, port = sys.argv[1].split(":")
            server = socket.create_connection((host, int(port)))
            client.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
            threading.Thread(target=copy, args=(client, server), daemon=True).start()
            copy(server, client)
        def accept(listener):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
        listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        print(listener.getsockname()[1], flush=True)
        sys.stdin.read()
        """

    package init(to target: String) throws {
        directory = try TemporaryDirectory()
        try directory.write("tunnel.py", Array(Self.script.utf8))
        let child = try ShellChild(script: "exec python3 tunnel.py \(target)", directory: directory.path)
        var line: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64)
        // To the end of the line: nobody listens to the rest, and Python ends where nobody listens.
        while line.last != UInt8(ascii: "\n") {
            let count = unsafe read(child.output, &buffer, buffer.count)
            if count <= 0 { break }
            line += buffer[..<count]
        }
        close(child.output)
        process = Mutex((child.pid, child.input))
        authority = "127.0.0.1:" + String(decoding: line.dropLast(), as: UTF8.self)
    }

    deinit { stop() }

    /// The first line of each connection.
    package var log: String { (try? runShell("cat log", in: directory.path)) ?? "" }

    package func stop() {
        guard ShellChild.end(process) else { return }
        directory.remove()
    }
}
