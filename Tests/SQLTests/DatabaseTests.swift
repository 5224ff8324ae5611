import SQL
import TestSupport
import Testing

struct DatabaseTests {
    private static let schema = [
        Migration("create notes", ["CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL UNIQUE, data BLOB)"])
    ]

    @Test func aValueComesBackAsItWent() throws {
        let directory = try TemporaryDirectory()
        let database = try Database(path: directory.path + "/a.db", migrations: Self.schema)
        try database.write { connection in
            try connection.execute(
                "INSERT INTO notes (body, data) VALUES ($1, $2)", [.text("nul\0byte ünïcode"), .blob([0, 255, 1])])
            try connection.execute("INSERT INTO notes (body, data) VALUES ($1, $1)", ["twice"])
            try connection.execute("INSERT INTO notes (body, data) VALUES ($1, $2)", ["empty", .blob([])])
        }
        let rows = try database.read { try $0.rows("SELECT body, data FROM notes ORDER BY id") }
        #expect(rows[0].text(0) == "nul\0byte ünïcode")
        #expect(rows[0].blob(1) == [0, 255, 1])
        #expect(rows[1].text(1) == "twice")
        #expect(rows[2][1] == .blob([]))
    }

    @Test func aFailedTransactionLeavesNothing() throws {
        let directory = try TemporaryDirectory()
        let database = try Database(path: directory.path + "/a.db", migrations: Self.schema)
        let error = #expect(throws: SQLError.self) {
            try database.write { connection in
                try connection.execute("INSERT INTO notes (body) VALUES ($1)", ["one"])
                try connection.execute("INSERT INTO notes (body) VALUES ($1)", ["one"])
            }
        }
        #expect(error?.code == .constraint)
        #expect(try database.read { try $0.rows("SELECT * FROM notes") }.isEmpty)
    }

    @Test func stepsRunOnceAndAnUnknownOneIsRefused() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/a.db"
        let longer = Self.schema + [Migration("add author", ["ALTER TABLE notes ADD COLUMN author TEXT"])]
        _ = try Database(path: path, migrations: Self.schema)
        let database = try Database(path: path, migrations: longer)
        try database.write { _ = try $0.execute("INSERT INTO notes (body, author) VALUES ('a', 'b')", []) }
        _ = try Database(path: path, migrations: longer)
        let error = #expect(throws: SQLError.self) { _ = try Database(path: path, migrations: Self.schema) }
        #expect(error?.code == .newer)
    }

    @Test func writersOfSeveralThreadsAllLand() async throws {
        let directory = try TemporaryDirectory()
        let database = try Database(path: directory.path + "/a.db", migrations: Self.schema)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<40 {
                group.addTask {
                    try database.write {
                        _ = try $0.execute("INSERT INTO notes (body) VALUES ($1)", [.text("\(number)")])
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try database.read { try $0.row("SELECT count(*) FROM notes") }?.integer(0) == 40)
        #expect(try database.problems() == [])
    }

    @Test func aFileThatIsNoDatabaseIsCalledDamaged() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/a.db"
        _ = try runShell("head -c 8192 /dev/urandom > \(path)")
        let error = #expect(throws: SQLError.self) { _ = try Database(path: path, migrations: Self.schema) }
        #expect(error?.code == .damaged)
        #expect(error?.message.contains(path) == true)
    }

    @Test func everyCommitOfWhateverConnectionChangesTheState() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/a.db"
        let database = try Database(path: path, migrations: Self.schema)
        let other = try Database(path: path, migrations: Self.schema)
        let watch = try #require(try database.watch())
        var seen = [watch.state]
        for number in 0..<50 {
            try (number % 2 == 0 ? database : other).write {
                _ = try $0.execute("INSERT INTO notes (body) VALUES ($1)", [.text("\(number)")])
            }
            let state = watch.state
            #expect(!seen.contains(state), "commit \(number) was not seen")
            seen.append(state)
            // A read, a failed write and a look at it change nothing.
            _ = try database.read { try $0.rows("SELECT * FROM notes") }
            _ = try? other.write { try $0.execute("INSERT INTO notes (body) VALUES ('0')", []) }
            #expect(watch.state == state)
            // The log begins anew now and then.
            if number % 10 == 9 {
                try database.checkpoint()
                seen = [watch.state]
            }
        }
    }

    @Test func aCommitOfAnotherProcessChangesTheState() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/a.db"
        let database = try Database(path: path, migrations: Self.schema)
        let watch = try #require(try database.watch())
        let before = watch.state
        _ = try runShell(
            "python3 -c 'import sqlite3; c = sqlite3.connect(\"a.db\"); c.execute(\"INSERT INTO notes (body) VALUES (1)\"); c.commit()'",
            in: directory.path)
        #expect(watch.state != before)
        #expect(try database.read { try $0.rows("SELECT * FROM notes") }.count == 1)
    }
}
