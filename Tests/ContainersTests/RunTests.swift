import Containers
import OCI
import TestSupport
import Testing

@Suite struct RunTests {
    @Test func outputAndExitCodeArriveAndNothingStays() throws {
        let bench = try ContainerBench()
        let outcome = try bench.run(["sh", "-c", "echo out; echo err >&2; exit 7"])
        #expect(outcome.code == 7)
        #expect(outcome.output == "out\n")
        #expect(outcome.errorOutput == "err\n")
        let left = try bench.leftovers()
        #expect(left == [])
        #expect(try bench.service.list().isEmpty)
    }
}
