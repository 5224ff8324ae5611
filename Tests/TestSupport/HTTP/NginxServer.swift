import Glibc
import Synchronization

/// Debian's nginx with TLS in front of a fixed answer, on free loopback ports; it ends with `stop()`, with the value, and with
/// the test process.
package final class NginxServer: Sendable {
    /// The servers, each on a port of its own.
    package enum Door: String, CaseIterable, Sendable {
        /// A certificate of the test's authority for 127.0.0.1.
        case good
        /// The same, and it asks for a client's certificate.
        case client
        /// A certificate for another host.
        case foreign
        /// A certificate of yesterday.
        case expired
    }

    /// Holds `ca.crt`, and `client.cert` with `client.key`.
    package let directory: TemporaryDirectory
    private let ports: [String: Int]
    private let process: Mutex<(pid: pid_t, input: Int32)?>

    /// `127.0.0.1:PORT`.
    package func authority(_ door: Door) -> String { "127.0.0.1:\(ports[door.rawValue] ?? 0)" }

    /// - Parameter locations: nginx's `location` blocks.
    package init(locations: String) throws {
        directory = try TemporaryDirectory()
        try directory.write("locations", Array(locations.utf8))
        try directory.write("servers.py", Array(Self.servers.utf8))
        // nginx goes into the background when it listens: what is printed then is the sign that it does.
        let script = """
            set -e
            sign() {
                openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout $1.key -out $1.csr 2>/dev/null
                echo "subjectAltName=$2" >$1.ext
                openssl x509 -req -in $1.csr -CA ca.crt -CAkey ca.key -set_serial $4 -days $3 -extfile $1.ext -out $1.crt 2>/dev/null
            }
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=tests -days 30 \
                -keyout ca.key -out ca.crt 2>/dev/null
            sign good IP:127.0.0.1 30 2
            sign foreign DNS:elsewhere.test 30 3
            sign expired IP:127.0.0.1 -1 4
            sign client DNS:client.test 30 5
            mv client.crt client.cert
            python3 servers.py
            nginx -p . -e error.log -c nginx.conf
            cat ports
            cat >/dev/null
            nginx -p . -e error.log -c nginx.conf -s stop
            """
        let child = try ShellChild(script: script, directory: directory.path)
        var text = ""
        var buffer = [UInt8](repeating: 0, count: 4096)
        while !text.contains("end\n") {
            let count = unsafe read(child.output, &buffer, buffer.count)
            if count <= 0 { break }
            text += String(decoding: buffer[..<count], as: UTF8.self)
        }
        close(child.output)
        process = Mutex((child.pid, child.input))
        var ports: [String: Int] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2 { ports[String(words[0])] = Int(words[1]) }
        }
        self.ports = ports
        guard ports.count == Door.allCases.count else {
            stop()
            throw DockerRegistry.Failure(description: "nginx did not start: \(text)")
        }
    }

    /// Writes nginx.conf for free ports.
    private static let servers = """
        import socket
        doors = {"good": "good", "client": "good", "foreign": "foreign", "expired": "expired"}
        sockets = {door: socket.create_server(("127.0.0.1", 0)) for door in doors}
        ports = {door: held.getsockname()[1] for door, held in sockets.items()}
        with open("ports", "w") as file:
            file.writelines(f"{door} {port}\\n" for door, port in ports.items())
            file.write("end\\n")
        with open("nginx.conf", "w") as file:
            file.write("pid nginx.pid; worker_processes 1; events {} http { access_log off;\\n")
            for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]:
                file.write(f"{kind}_temp_path temp;\\n")
            for door, certificate in doors.items():
                verify = "ssl_client_certificate ca.crt; ssl_verify_client on;" if door == "client" else ""
                file.write(f'''server {{ listen 127.0.0.1:{ports[door]} ssl; {verify}
                    ssl_certificate {certificate}.crt; ssl_certificate_key {certificate}.key; include locations; }}\\n''')
            file.write("}\\n")
        """

    deinit { stop() }

    package func stop() {
        guard ShellChild.end(process) else { return }
        directory.remove()
    }
}
