import Linux
import TestSupport
import Testing

/// The registry behind Debian's nginx, set up as docs/examples/nginx.conf has it, and the unit of docs/examples.
struct ProxyTests {
    private static let examples =
        "/" + #filePath.split(separator: "/").dropLast(4).joined(separator: "/") + "/docs/examples"

    @Test func theExampleForNginxServes() async throws {
        let strata = try StrataProcess()
        let path = strata.directory.path
        let (outside, inside) = (try freePort(), try freePort())
        // The example with the test's ports and files instead of a machine's.
        let script = """
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=registry.example -days 30 \
                -addext 'subjectAltName=IP:127.0.0.1' -keyout key.pem -out chain.pem 2>/dev/null
            mkdir certs && cp chain.pem certs/ca.crt
            sed -e 's|443 ssl|127.0.0.1:\(outside) ssl|' -e 's|/etc/strata|\(path)|' -e 's|127.0.0.1:5000|127.0.0.1:\(inside)|' \
                '\(Self.examples)/nginx.conf' > server.conf
            grep -q ':\(outside)' server.conf && grep -q ':\(inside)' server.conf || exit 1
            printf 'pid nginx.pid; worker_processes 1; events {} http { access_log off; client_body_temp_path temp;
                proxy_temp_path temp; fastcgi_temp_path temp; uwsgi_temp_path temp; scgi_temp_path temp; include %s/server.conf; }' \
                '\(path)' > nginx.conf
            nginx -p . -e error.log -c nginx.conf
            """
        _ = try await shell(script, path)
        let server = try strata.start([
            "registry", "serve", "--listen", "127.0.0.1:\(inside)", "--external-url", "https://127.0.0.1:\(outside)",
            "--trusted-proxy", "127.0.0.1",
        ])
        let deadline = ContinuousClock.now + .seconds(60)
        while !server.output.contains("http") {
            if ContinuousClock.now > deadline { throw StrataProcess.Failure(description: server.errorOutput) }
            try await Task.sleep(for: .milliseconds(20))
        }
        try strata.succeed(
            "registry", "user", "add", "ann", "--admin", "--password-stdin", input: Array("secret\n".utf8))
        let output = try await shell(
            """
            export HOME='\(path)/home' REGISTRY_AUTH_FILE='\(path)/auth.json' name=127.0.0.1:\(outside)
            umoci init --layout image >/dev/null 2>&1 && umoci new --image image:v1 >/dev/null 2>&1 && mkdir files &&
            head -c 3000000 /dev/urandom > files/file && umoci insert --rootless --image image:v1 files / >/dev/null 2>&1
            skopeo login --cert-dir certs -u ann -p secret $name 2>&1 &&
            skopeo copy -q --dest-cert-dir certs oci:image:v1 docker://$name/team/app:v1 &&
            skopeo copy -q --src-cert-dir certs docker://$name/team/app:v1 dir:copy && echo pulled
            # A form of the pages, as a browser sends it through the proxy.
            curl -s --cacert chain.pem -c jar https://$name/-/login > login.html
            token=$(grep -o 'name="csrf" value="[^"]*' login.html | cut -d'"' -f4)
            curl -s --cacert chain.pem -b jar -c jar -o /dev/null -w '%{http_code} %{redirect_url}\n' -H "Origin: https://$name" \
                -H 'X-Forwarded-For: 203.0.113.7' --data-urlencode "csrf=$token" -d 'user=ann&password=secret&return=/' https://$name/-/login
            # From the proxy's own address, what it says is believed.
            curl -s -u eve:wrong -o /dev/null -H 'X-Forwarded-For: 203.0.113.9' http://127.0.0.1:\(inside)/v2/
            nginx -p . -e error.log -c nginx.conf -s stop
            """, path)
        #expect(output.contains("Login Succeeded") && output.contains("pulled\n"), "\(output)")
        #expect(output.contains("303 https://127.0.0.1:\(outside)/\n"), "\(output)")
        let audit = try strata.succeed("registry", "audit", "--format", "{{.Action}} {{.Address}}")
        // nginx writes the address of its client in place of what that client wrote.
        #expect(audit.contains("login 127.0.0.1\n") && !audit.contains("203.0.113.7"), "\(audit)")
        #expect(audit.contains("login.failed 203.0.113.9\n"), "\(audit)")
        server.signal(15)
        #expect(try server.finish().status == 0)
    }

    /// systemd's own check finds nothing but that strata is not installed on the machine of the tests.
    @Test func systemdTakesTheUnit() async throws {
        let strata = try StrataProcess()
        let output = try await shell(
            """
            sed 's|/usr/local/bin/strata|/bin/true|' '\(Self.examples)/strata-registry.service' > strata-registry.service
            systemd-analyze verify --man=no ./strata-registry.service 2>&1; echo "status $?"
            """, strata.directory.path)
        #expect(output.hasSuffix("status 0\n") && !output.contains("strata-registry.service:"), "\(output)")
    }

    private func shell(_ script: String, _ directory: String) async throws -> String {
        try await onThread(named: "shell") { try runShell(script, in: directory) }
    }
}
