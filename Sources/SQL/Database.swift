import Synchronization

/// A database in one SQLite file, shared by threads and processes.
///
/// `read` sees one state of the database for the length of its closure; `write` is one transaction, whole or not at all,
/// durable when it returns. Both block the thread: from a task, call them on a thread of your own where they may wait.
package final class Database: Sendable {
    /// Lets idle connections be shared: each is taken out by one thread, used, and put back.
    private struct Idle: @unchecked Sendable {
        // Proof of Sendable: a connection is in this list or in the hands of one thread, never both.
        var connections: [SQLiteConnection] = []
    }

    /// Where the file is.
    package let path: String
    private let busyMilliseconds: Int32
    private let idle = Mutex(Idle())

    /// Opens the file, making it where it is missing, and brings its schema up to date.
    ///
    /// - Parameters:
    ///   - path: of the file.
    ///   - migrations: the schema's steps, oldest first; those the file does not have yet are run.
    ///   - busyMilliseconds: how long to wait for other writers.
    /// - Throws: `SQLError`; `.newer` where the file has a step that `migrations` does not know.
    package init(path: String, migrations: [Migration], busyMilliseconds: Int32 = 60_000) throws {
        self.path = path
        self.busyMilliseconds = busyMilliseconds
        let connection = try SQLiteConnection(path: path, busyMilliseconds: busyMilliseconds, create: true)
        try connection.query("PRAGMA journal_mode = WAL", []) { _ in }
        try Self.migrate(connection, path, migrations)
        put(connection)
    }

    /// What tells cheaply whether anything was committed, for whoever keeps what he read; nil where that cannot be told.
    package func watch() throws -> DatabaseWatch? { try DatabaseWatch(path: path) }

    /// Runs a closure that only reads.
    package func read<Result>(_ body: (any SQLConnection) throws -> Result) throws -> Result {
        try transaction("BEGIN", body)
    }

    /// Runs a closure as one transaction. What it throws undoes everything it wrote.
    package func write<Result>(_ body: (any SQLConnection) throws -> Result) throws -> Result {
        try transaction("BEGIN IMMEDIATE", body)
    }

    /// What SQLite finds wrong with the file: pages, indexes, foreign keys. Empty where nothing is.
    package func problems() throws -> [String] {
        do {
            return try read { connection in
                var found = try connection.rows("PRAGMA integrity_check(100)").map { $0.text(0) }.filter { $0 != "ok" }
                for row in try connection.rows("PRAGMA foreign_key_check") {
                    found.append("table \(row.text(0)) has a row that refers to a missing row of \(row.text(2))")
                }
                return found
            }
        } catch let error as SQLError where error.code == .damaged {
            return [error.message]
        }
    }

    /// Writes the log into the file, so that the file alone is the whole database.
    package func checkpoint() throws {
        let connection = try take()
        defer { put(connection) }
        try connection.query("PRAGMA wal_checkpoint(TRUNCATE)", []) { _ in }
    }

    private func take() throws(SQLError) -> SQLiteConnection {
        if let connection = idle.withLock({ $0.connections.popLast() }) { return connection }
        return try SQLiteConnection(path: path, busyMilliseconds: busyMilliseconds, create: false)
    }

    private func put(_ connection: SQLiteConnection) { idle.withLock { $0.connections.append(connection) } }

    private func transaction<Result>(_ begin: String, _ body: (any SQLConnection) throws -> Result) throws -> Result {
        let connection = try take()
        try connection.run(begin)
        do {
            let result = try body(connection)
            try connection.run("COMMIT")
            put(connection)
            return result
        } catch {
            // A connection that cannot roll back is dropped: closing it does.
            if (try? connection.run("ROLLBACK")) != nil { put(connection) }
            throw error
        }
    }

    private static func migrate(_ connection: SQLiteConnection, _ path: String, _ migrations: [Migration]) throws {
        let names = migrations.map(\.name)
        func applied() throws -> [String] {
            let exists = try connection.row("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'migrations'")
            if exists == nil { return [] }
            return try connection.rows("SELECT name FROM migrations ORDER BY position").map { $0.text(0) }
        }
        func refuseNewer(_ done: [String]) throws {
            if let unknown = done.first(where: { !names.contains($0) }) {
                throw SQLError(.newer, "database `\(path)` was made by a newer program: it has the step `\(unknown)`")
            }
        }
        // The common case costs one read and no lock.
        let before = try applied()
        try refuseNewer(before)
        if before.count == names.count { return }
        try connection.run("BEGIN IMMEDIATE")
        do {
            let done = try applied()
            try refuseNewer(done)
            try connection.run(
                "CREATE TABLE IF NOT EXISTS migrations (position INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)")
            for migration in migrations where !done.contains(migration.name) {
                for statement in migration.statements { try connection.run(statement) }
                try connection.execute("INSERT INTO migrations (name) VALUES ($1)", [.text(migration.name)])
            }
            try connection.run("COMMIT")
        } catch {
            try? connection.run("ROLLBACK")
            throw error
        }
    }
}
