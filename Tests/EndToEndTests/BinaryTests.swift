import TestSupport
import Testing

struct BinaryTests {
    @Test func theBinaryIsBuiltBesideTheTests() throws {
        let result = try StrataProcess().run("--help")
        #expect(!StrataProcess.binary.isEmpty)
        #expect(result.status == 0, "\(result)")
    }
}
