import Glibc
import Synchronization

/// Debian's docker-registry, started for a test on a free loopback port. It ends with `stop()`, with the value, and with
/// the test process, however that ends.
package final class DockerRegistry: Sendable {
    package struct Options: Sendable {
        /// User and password for Basic authentication (written by `htpasswd`'s bcrypt form, see `bcrypt`).
        package var htpasswdLine: String?
        /// The realm, service, issuer and certificate file of a token server.
        package var token: (realm: String, service: String, issuer: String, certificate: String)?
        /// PEM files of the server's certificate and key.
        package var tls: (certificate: String, key: String)?
        package init() {}
    }

    package struct Failure: Error, CustomStringConvertible {
        package var description: String
    }

    /// `127.0.0.1:PORT`.
    package let authority: String
    /// The registry's own directory; gone after `stop()`.
    package let directory: TemporaryDirectory
    private let process: Mutex<(pid: pid_t, input: Int32)?>

    package init(_ options: Options = Options()) throws {
        directory = try TemporaryDirectory()
        var config = """
            version: 0.1
            log: {level: info, accesslog: {disabled: true}}
            storage: {filesystem: {rootdirectory: "\(directory.path)/data"}, delete: {enabled: true}}
            http:
              addr: 127.0.0.1:0
              secret: for-tests

            """
        if let tls = options.tls { config += "  tls: {certificate: \"\(tls.certificate)\", key: \"\(tls.key)\"}\n" }
        if let line = options.htpasswdLine {
            try directory.write("htpasswd", Array("\(line)\n".utf8))
            config += "auth: {htpasswd: {realm: tests, path: \"\(directory.path)/htpasswd\"}}\n"
        }
        if let token = options.token {
            config += """
                auth: {token: {realm: "\(token.realm)", service: "\(token.service)", issuer: "\(token.issuer)", \
                rootcertbundle: "\(token.certificate)"}}

                """
        }
        try directory.write("config.yml", Array(config.utf8))
        // The shell holds the other end of a pipe: when this process ends, `cat` does, and the registry is ended. The log
        // is passed on up to the line with the address.
        let script = """
            mkfifo log
            docker-registry serve config.yml >log 2>&1 &
            registry=$!
            {
                while IFS= read -r line; do
                    echo "$line"
                    case "$line" in *"listening on"*) break ;; esac
                done
                exec cat >/dev/null
            } <log &
            cat >/dev/null
            kill $registry
            wait
            """
        let child = try ShellChild(script: script, directory: directory.path)
        authority = try Self.listeningAuthority(child)
        process = Mutex((child.pid, child.input))
        close(child.output)
    }

    deinit { stop() }

    package func stop() {
        guard ShellChild.end(process) else { return }
        directory.remove()
    }

    /// Reads the log until it names the address.
    private static func listeningAuthority(_ child: ShellChild) throws -> String {
        var log = ""
        var buffer = [UInt8](repeating: 0, count: 4096)
        while log.utf8.count < 1 << 20 {
            let count = unsafe read(child.output, &buffer, buffer.count)
            if count <= 0 { break }
            log += String(decoding: buffer[..<count], as: UTF8.self)
            if let range = log.range(after: "listening on "),
                let end = log[range...].firstIndex(where: { ",\"\n ".contains($0) })
            {
                return String(log[range..<end])
            }
        }
        throw Failure(description: "docker-registry did not start: \(log.suffix(2000))")
    }
}

extension String {
    fileprivate func range(after text: String) -> String.Index? {
        var index = startIndex
        while index < endIndex {
            if self[index...].hasPrefix(text) { return self.index(index, offsetBy: text.count) }
            index = self.index(after: index)
        }
        return nil
    }
}
