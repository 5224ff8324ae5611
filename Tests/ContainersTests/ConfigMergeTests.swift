import Containers
import OCI
import Testing

@Suite struct ConfigMergeTests {
    private let image: ContainerConfig = {
        var config = ContainerConfig()
        config.entrypoint = ["/entry"]
        config.cmd = ["a", "b"]
        config.env = ["A=1", "B=2"]
        config.user = "app"
        config.workingDir = "/w"
        config.labels = ["x": "1", "y": "2"]
        return config
    }()

    struct Case: Sendable {
        var entrypoint: [String]?
        var command: [String]?
        var clears = false
        var expected: [String]
    }

    @Test(arguments: [
        Case(expected: ["/entry", "a", "b"]),
        Case(command: ["c"], expected: ["/entry", "c"]),
        // The image's command belongs to the image's entrypoint.
        Case(entrypoint: ["/other"], expected: ["/other"]),
        Case(entrypoint: ["/other"], command: ["c"], expected: ["/other", "c"]),
        Case(command: ["c"], clears: true, expected: ["c"]),
        Case(clears: true, expected: []),
    ])
    func programAsDockerPutsItTogether(_ test: Case) {
        var changes = ContainerConfig()
        changes.entrypoint = test.entrypoint
        changes.cmd = test.command
        let merged = image.overridden(by: changes, clearsEntrypoint: test.clears)
        #expect((merged.entrypoint ?? []) + (merged.cmd ?? []) == test.expected)
    }

    @Test func theRestIsOverriddenOneByOne() {
        var changes = ContainerConfig()
        changes.env = ["B=3", "C=4"]
        changes.labels = ["y": "3"]
        changes.user = ""
        changes.workingDir = "/v"
        let merged = image.overridden(by: changes)
        #expect(merged.env == ["B=3", "C=4", "A=1"])
        #expect(merged.labels == ["x": "1", "y": "3"])
        #expect(merged.user == "app" && merged.workingDir == "/v")
    }
}
