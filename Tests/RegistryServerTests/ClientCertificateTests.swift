import Linux
import RegistryServer
import TestSupport
import Testing

/// TLS of the registry itself: whom it shows itself to, and whose certificates it demands.
struct ClientCertificateTests {
    /// An authority with the server's and a client's certificate, one of yesterday, and one of another authority.
    private static let certificates = """
        set -e
        authority() {
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$1 -days 30 -keyout $1.key -out $1.crt 2>/dev/null
        }
        sign() {
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout $1.key -out $1.csr 2>/dev/null
            echo "subjectAltName=$2" >$1.ext
            openssl x509 -req -in $1.csr -CA $4.crt -CAkey $4.key -CAcreateserial -days $3 -extfile $1.ext -out $1.crt 2>/dev/null
        }
        authority ca
        authority other
        sign server IP:127.0.0.1 30 ca
        sign client DNS:client.test 30 ca
        sign foreign DNS:client.test 30 other
        sign expired DNS:client.test -1 ca
        mkdir certs && cp ca.crt certs/ca.crt && cp client.crt certs/me.cert && cp client.key certs/me.key
        """

    private func run(
        demanding: Bool, _ body: (_ authority: String, _ shell: (String) async throws -> String) async throws -> Void
    )
        async throws
    {
        let directory = try TemporaryDirectory()
        let path = directory.path
        let shell = { (script: String) in
            try await onThread(named: "shell") { try runShell("export HOME='\(path)'; \(script)", in: path) }
        }
        _ = try await shell(Self.certificates)
        try await TestRegistry.run { configuration in
            configuration.certificates = .init(
                certificate: "\(path)/server.crt", key: "\(path)/server.key",
                clientAuthority: demanding ? "\(path)/ca.crt" : nil)
        } _: { registry in
            try await body(registry.authority, shell)
        }
    }

    /// The status that curl gets, or `000` where no connection came to be.
    private func curl(_ authority: String, _ flags: String) -> String {
        "curl -s --max-time 20 -o /dev/null -w '%{http_code}' \(flags) https://\(authority)/v2/ || true"
    }

    @Test func aCertificateOfTheAuthorityIsDemanded() async throws {
        try await run(demanding: true) { authority, shell in
            let trusting = "--cacert ca.crt"
            let good = try await shell(curl(authority, "\(trusting) --cert client.crt --key client.key"))
            #expect(good == "200")
            #expect(try await shell(curl(authority, trusting)) == "000", "no certificate")
            #expect(try await shell(curl(authority, "\(trusting) --cert foreign.crt --key foreign.key")) == "000")
            #expect(try await shell(curl(authority, "\(trusting) --cert expired.crt --key expired.key")) == "000")
            // As containers' tools have it: a directory with the authority, a certificate and its key.
            let pushed = try await shell(
                """
                umoci init --layout image >/dev/null 2>&1 && umoci new --image image:v1 >/dev/null 2>&1 &&
                skopeo copy -q --dest-cert-dir certs oci:image:v1 docker://\(authority)/a:v1 &&
                skopeo inspect --cert-dir certs --format '{{.Name}}' docker://\(authority)/a:v1
                rm certs/me.*
                skopeo inspect --cert-dir certs docker://\(authority)/a:v1 2>&1 && echo "was let in"; true
                """)
            #expect(pushed.contains("\(authority)/a") && !pushed.contains("was let in"), "\(pushed)")
        }
    }

    @Test func withoutTheDemandEverybodyConnects() async throws {
        try await run(demanding: false) { authority, shell in
            let trusting = try await shell(curl(authority, "--cacert ca.crt"))
            #expect(trusting == "200")
            #expect(try await shell(curl(authority, "--cacert other.crt")) == "000")
            #expect(try await shell(curl(authority, "--cacert ca.crt --tlsv1.1 --tls-max 1.1")) == "000")
        }
    }

    /// Blobs leave in chunks there, not by sendfile: whole, and in parts.
    @Test func blobsComeOverTLS() async throws {
        try await run(demanding: true) { authority, shell in
            let output = try await shell(
                """
                head -c 3000000 /dev/urandom > blob; digest=sha256:$(sha256sum < blob | cut -d' ' -f1)
                get="curl -sSf --cacert ca.crt --cert client.crt --key client.key https://\(authority)/v2/a/blobs"
                $get/uploads/?digest=$digest --data-binary @blob -H 'Content-Type: application/octet-stream'
                $get/$digest -o whole && cmp blob whole
                $get/$digest -r 100-1999999 -o part && tail -c +101 blob | head -c 1999900 | cmp - part && echo same
                """)
            #expect(output == "same\n")
        }
    }

    @Test(arguments: [
        ("server.crt", "ca.key", "do not go together"), ("missing", "server.key", "cannot be used"),
        ("server.crt", "server.crt", "cannot be used"),
    ])
    func whatIsNoPairIsSaid(_ certificate: String, _ key: String, _ expected: String) async throws {
        let directory = try TemporaryDirectory()
        _ = try await onThread(named: "shell") { try runShell(Self.certificates, in: directory.path) }
        await #expect {
            try await TestRegistry.run { configuration in
                configuration.certificates = .init(
                    certificate: "\(directory.path)/\(certificate)", key: "\(directory.path)/\(key)")
            } _: { _ in
            }
        } throws: { error in "\(error)".contains(expected) && "\(error)".contains(directory.path) }
    }
}
