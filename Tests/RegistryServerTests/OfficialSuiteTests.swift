import RegistryServer
import TestSupport
import Testing
import Linux

struct OfficialSuiteTests {
    @Test(arguments: ["1.1", "dev"]) func official(_ version: String) async throws {
        try await TestRegistry.run { registry in
            let text = try await onThread(named: "suite") {
                try runShell("rm -rf /tmp/oci-results-\(version); OCI_REGISTRY=\(registry.authority) OCI_TLS=disabled OCI_VERSION=\(version) OCI_RESULTS_DIR=/tmp/oci-results-\(version) OCI_REPO1=a/b OCI_REPO2=c/d OCI_API_BLOBS_DIGEST_HEADER=true OCI_API_MANIFESTS_DIGEST_HEADER=true oci-conformance > /tmp/oci-\(version).log 2>&1; tail -60 /tmp/oci-\(version).log")
            }
            print(text)
        }
    }
}
