import Linux
import TestSupport
import Testing

struct FileLockTests {
    @Test func anExclusiveLockKeepsOthersOut() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/lock"
        do {
            let held = try FileLock.wait(path, .exclusive)
            defer { _ = held }
            #expect(try Self.isHeld(path))
        }
        #expect(try !Self.isHeld(path))
    }

    @Test func aLockDiesWithItsProcess() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/lock"
        // flock(1) takes the same kind of lock; the shell is killed while it holds it.
        _ = try runShell("flock '\(path)' sh -c 'kill -9 $$' || true")
        #expect(try !Self.isHeld(path))
    }

    @Test func aLockOnAFileThatWasReplacedIsTriedAgain() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/lock"
        let old = try FileLock.wait(path, .exclusive)
        try removeFile(path)
        // A new file stands at the path: the old lock does not hold it.
        #expect(try !Self.isHeld(path))
        _ = consume old
    }

    private static func isHeld(_ path: String) throws -> Bool {
        if let lock = try FileLock.tryLock(path, .exclusive) {
            _ = consume lock
            return false
        }
        return true
    }
}
