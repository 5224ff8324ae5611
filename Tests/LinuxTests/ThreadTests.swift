import Glibc
import Linux
import Testing

struct ThreadTests {
    @Test func aThreadHasItsName() async throws {
        let name = try await onThread(named: "a name that is long") {
            String(decoding: try readFile("/proc/thread-self/comm", limit: 64), as: UTF8.self)
        }
        #expect(name == "a name that is \n")
    }

    /// Most are gone before their starter goes on.
    @Test func threadsThatEndAtOnceAreNoTrouble() async throws {
        let ended = Monitor(0)
        for _ in 0..<20_000 {
            while (try? startThread(named: "short", { ended.withLock { $0 += 1 } })) == nil { sched_yield() }
        }
        try await onThread(named: "waits") { ended.wait { $0 == 20_000 } }
    }
}
