import Linux
import Snapshots
import TestSupport
import Testing

/// The directory driver as a user without privileges uses it.
struct RootlessTests {
    /// Outside of a user namespace this starts itself inside one: there every check runs.
    @Test func theDirectoryDriverPassesInAUserNamespace() async throws {
        let checks = SnapshotDriverSuite.checks + SnapshotDriverSuite.rootlessChecks
        guard isInitialUserNamespace() else {
            for check in checks { try SnapshotDriverSuite.run(check, on: .directory) }
            let store = try TemporaryDirectory()
            let decision = try SnapshotDrivers.decide(root: store.path, named: nil)
            #expect(decision.kind == .directory, "\(decision.reason)")
            print("ran \(checks.count) checks as user \(effectiveUserID()) of a namespace")
            return
        }
        let output = try await onThread(named: "rootless") {
            try runInUserNamespace(
                readLink("/proc/self/exe"),
                ["--testing-library", "swift-testing", "--filter", "theDirectoryDriverPassesInAUserNamespace"])
        }
        #expect(output.contains("checks as user 0 of a namespace"), "\(output)")
        #expect(output.contains("Test run with 1 test"), "\(output)")
    }
}
