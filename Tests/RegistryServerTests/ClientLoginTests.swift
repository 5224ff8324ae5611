import Linux
import RegistryServer
import TestSupport
import Testing

/// The login flows of the real clients, against our registry.
struct ClientLoginTests {
    private let root = AccessControl.Manager(name: "root")

    private func run(
        tls: Bool = false, basic: Bool = false, _ body: (TestRegistry) async throws -> Void
    ) async throws {
        let certificates = try TemporaryDirectory()
        if tls { try makeCertificate(in: certificates.path) }
        try await TestRegistry.run { configuration in
            if basic { configuration.authentication = .basic }
            if tls {
                configuration.certificates = .init(
                    certificate: certificates.path + "/server.crt", key: certificates.path + "/server.key")
            }
        } _: { registry in
            try await registry.access.addUser("ann", password: "ann's secret", isAdministrator: true, by: root)
            try await registry.access.addUser("bob", password: "bob's secret", isAdministrator: false, by: root)
            if tls { _ = try runShell("cp '\(certificates.path)/ca.crt' ca.crt", in: registry.directory.path) }
            try await body(registry)
        }
    }

    /// An image as skopeo takes it: an OCI layout, made by umoci.
    private func makeImage(_ registry: TestRegistry) throws {
        _ = try runShell(
            """
            umoci init --layout image 2>&1 && umoci new --image image:v1 2>&1 && mkdir -p root && echo hello > root/file &&
            umoci insert --rootless --image image:v1 root / 2>&1
            """, in: registry.directory.path)
    }

    /// On a thread of its own: the server that the script talks to needs this process's few threads.
    private func shell(_ script: String, _ registry: TestRegistry) async throws -> String {
        let path = registry.directory.path
        return try await onThread(named: "shell") {
            try runShell(
                "export HOME='\(path)' REGISTRY_AUTH_FILE='\(path)/auth.json'; \(script)", in: path)
        }
    }

    @Test(arguments: [false, true]) func skopeoLogsInPushesAndPulls(_ basic: Bool) async throws {
        try await run(basic: basic) { registry in
            try makeImage(registry)
            let wrong = try await shell(
                "skopeo login --tls-verify=false -u ann -p wrong \(registry.authority) 2>&1 && exit 1 || true", registry
            )
            #expect(wrong.contains("invalid username/password") || wrong.contains("unauthorized"), "\(wrong)")
            let digests = try await shell(
                """
                printf %s "ann's secret" >secret
                skopeo copy --dest-tls-verify=false oci:image:v1 docker://\(registry.authority)/team/app:v1 >out 2>&1 && exit 3
                skopeo login --tls-verify=false -u ann --password-stdin \(registry.authority) <secret 2>&1 || exit 4
                skopeo copy -q --dest-tls-verify=false oci:image:v1 docker://\(registry.authority)/team/app:v1 2>&1 || exit 5
                skopeo copy -q --src-tls-verify=false docker://\(registry.authority)/team/app:v1 dir:back 2>&1 || exit 6
                skopeo inspect --tls-verify=false --format '{{.Digest}}' docker://\(registry.authority)/team/app:v1
                sha256sum back/manifest.json
                """, registry)
            let lines = digests.split(separator: "\n").suffix(2).map(String.init)
            #expect(lines[0] == "sha256:" + lines[1].prefix(64), "\(digests)")
        }
    }

    @Test func podmanLogsInPushesAndPulls() async throws {
        try await run { registry in
            try makeImage(registry)
            let store =
                "--root '\(registry.directory.path)/storage' --runroot '\(registry.directory.path)/runroot' --storage-driver vfs"
            let output = try await shell(
                """
                podman \(store) login --tls-verify=false -u bob -p "bob's secret" \(registry.authority) 2>&1 || exit 3
                podman \(store) pull -q oci:image:v1 >id 2>&1 || exit 4
                podman \(store) push -q --tls-verify=false $(tail -1 id) \(registry.authority)/team/app:v1 2>&1 && exit 5
                podman \(store) login --tls-verify=false -u ann -p "ann's secret" \(registry.authority) 2>&1 || exit 6
                podman \(store) push -q --tls-verify=false $(tail -1 id) \(registry.authority)/team/app:v1 2>&1 || exit 7
                podman \(store) rmi -af >/dev/null 2>&1
                podman \(store) pull -q --tls-verify=false \(registry.authority)/team/app:v1 2>&1 || exit 8
                cat id
                podman \(store) logout \(registry.authority) 2>&1
                podman \(store) pull -q --tls-verify=false \(registry.authority)/team/app:v1 2>&1 && exit 9
                podman \(store) rmi -af >/dev/null 2>&1 || true
                """, registry)
            let identifiers = output.split(separator: "\n").filter { $0.count == 64 }
            #expect(identifiers.count >= 2 && Set(identifiers).count == 1, "\(output)")
            #expect(output.contains("may not push `team/app`") || output.contains("denied"), "\(output)")
        }
    }

    /// TLS with a certificate of our own making; a client certificate is asked for where an authority is configured.
    @Test func skopeoOverTLS() async throws {
        try await run(tls: true) { registry in
            try makeImage(registry)
            let output = try await shell(
                """
                mkdir -p certs && cp ca.crt certs/ca.crt
                skopeo login --cert-dir certs -u ann -p "ann's secret" \(registry.authority) 2>&1 || exit 3
                skopeo copy -q --dest-cert-dir certs oci:image:v1 docker://\(registry.authority)/team/app:v1 2>&1 || exit 4
                skopeo copy -q --src-cert-dir certs docker://\(registry.authority)/team/app:v1 dir:back 2>&1 || exit 5
                skopeo inspect docker://\(registry.authority)/team/app:v1 2>&1 && exit 6
                ls back
                """, registry)
            #expect(output.contains("manifest.json"), "\(output)")
        }
    }

    private func makeCertificate(in directory: String) throws {
        _ = try runShell(
            """
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -days 2 \
                -subj /CN=test-ca 2>&1
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr \
                -subj /CN=127.0.0.1 2>&1
            printf 'subjectAltName=IP:127.0.0.1' > ext
            openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt -days 2 -extfile ext 2>&1
            """, in: directory)
    }
}
