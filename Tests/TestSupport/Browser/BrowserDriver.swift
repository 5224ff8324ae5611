import Glibc
import Synchronization

/// Debian's chromedriver on a free loopback port. It and every browser it started end with `stop()`, with the value, and with
/// the test process, however that ends.
final class BrowserDriver: Sendable {
    let client: WireClient
    let directory: TemporaryDirectory
    private let process: Mutex<(pid: pid_t, input: Int32)?>

    init() throws {
        directory = try TemporaryDirectory()
        // A session of its own: what the browser starts is ended by it, also where the browser does not do it itself.
        let script = """
            command -v chromedriver >/dev/null && command -v chromium >/dev/null || {
                echo "chromium or chromedriver is missing: scripts/bootstrap test installs them"
                exit 1
            }
            mkfifo log
            export HOME='\(directory.path)' XDG_RUNTIME_DIR='\(directory.path)' TMPDIR='\(directory.path)'
            setsid chromedriver --port=0 >log 2>&1 &
            driver=$!
            { sed -u '/started successfully/q'; exec cat >/dev/null; } <log &
            cat >/dev/null
            kill $driver 2>/dev/null
            wait $driver
            pkill -KILL -s $driver
            wait
            """
        let child = try ShellChild(script: script, directory: directory.path)
        process = Mutex((child.pid, child.input))
        var log = ""
        var buffer = [UInt8](repeating: 0, count: 4096)
        while !log.contains("started successfully"), log.utf8.count < 1 << 20 {
            let count = unsafe read(child.output, &buffer, buffer.count)
            if count <= 0 { break }
            log += String(decoding: buffer[..<count], as: UTF8.self)
        }
        close(child.output)
        // "ChromeDriver was started successfully on port 41234."
        let words = log.split(whereSeparator: { " .\n".contains($0) })
        guard log.contains("started successfully"), let place = words.lastIndex(of: "port"), place + 1 < words.count,
            let port = Int(words[place + 1])
        else {
            client = WireClient(port: 0)
            stop()
            throw DockerRegistry.Failure(description: "chromedriver did not start: \(log)")
        }
        var client = WireClient(port: port)
        client.readsToEnd = false
        self.client = client
    }

    deinit { stop() }

    func stop() {
        guard ShellChild.end(process) else { return }
        directory.remove()
    }
}
