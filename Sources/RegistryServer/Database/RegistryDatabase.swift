import SQL

/// What a registry knows: which repository has which blobs, manifests and tags, what happened to them, and what is on its
/// way in.
///
/// Reads see one state; a write is one transaction, with its events and history, durable when it returns. Operations are
/// on `RegistryRecords`, so that several make one transaction.
package final class RegistryDatabase: Sendable {
    private let database: Database
    private let queue: WriteQueue
    private let watch: DatabaseWatch?

    /// Told of every commit of this process.
    package var changes: ChangeSignal { queue.changes }

    /// Opens the file, making it where it is missing.
    package init(path: String) throws {
        database = try Database(path: path, migrations: RegistrySchema.migrations)
        watch = try database.watch()
        queue = try WriteQueue(database)
    }

    /// What the content is now, for whoever keeps what he read; nil where that cannot be told cheaply.
    var state: DatabaseState? { watch?.state }

    /// Reads on a thread of the workers.
    package func read<Value: Sendable>(
        _ body: @escaping @Sendable (RegistryRecords) throws -> Value
    ) async throws -> Value {
        try await Workers.run { [database] in try database.read { try body(RegistryRecords($0)) } }
    }

    /// Reads on this thread, which may block.
    package func readBlocking<Value>(_ body: (RegistryRecords) throws -> Value) throws -> Value {
        try database.read { try body(RegistryRecords($0)) }
    }

    /// Changes something, in turn with the other writers.
    package func write<Value: Sendable>(
        _ body: @escaping @Sendable (RegistryRecords) throws -> Value
    ) async throws -> Value {
        try await queue.write { try body(RegistryRecords($0)) }
    }

    /// The same from a thread that may block.
    package func writeBlocking<Value: Sendable>(
        _ body: @escaping @Sendable (RegistryRecords) throws -> Value
    ) throws -> Value {
        try queue.writeBlocking { try body(RegistryRecords($0)) }
    }

    /// What the database finds wrong with its own file.
    package func problems() throws -> [String] { try database.problems() }

    /// Writes the log into the file and ends the writer.
    package func close() throws {
        queue.close()
        try database.checkpoint()
    }
}

/// The registry's tables within one transaction. A value lives no longer than the closure it was given to.
package struct RegistryRecords {
    let connection: any SQLConnection

    init(_ connection: any SQLConnection) { self.connection = connection }

    /// The row of a repository; nil where there is none.
    func repository(_ name: RepositoryName) throws -> Int64? {
        try connection.row("SELECT id FROM repositories WHERE name = $1", [.text(name.description)])?.integer(0)
    }

    /// The row of a repository, made where it is missing.
    func makeRepository(_ name: RepositoryName, at now: Int64) throws -> Int64 {
        if let id = try repository(name) { return id }
        try connection.execute(
            "INSERT INTO repositories (name, created) VALUES ($1, $2)", [.text(name.description), .integer(now)])
        guard let id = try repository(name) else { throw RegistryFailure.nameUnknown(name) }
        return id
    }

    /// The row of a repository; refused where there is none.
    func requireRepository(_ name: RepositoryName) throws -> Int64 {
        guard let id = try repository(name) else { throw RegistryFailure.nameUnknown(name) }
        return id
    }

    /// Names of repositories that somebody may see and that hold a text, in ASCII order, after a name.
    package func repositories(
        after last: String, limit: Int, containing search: String = "", where maySee: (String) -> Bool
    ) throws -> [String] {
        var names: [String] = []
        var position = last
        while names.count < limit {
            let more = try repositories(after: position, limit: 1000)
            names += more.filter { (search.isEmpty || $0.contains(search)) && maySee($0) }.prefix(limit - names.count)
            guard more.count == 1000, let end = more.last else { break }
            position = end
        }
        return names
    }

    /// Names of repositories, in ASCII order, after a name.
    package func repositories(after last: String, limit: Int) throws -> [String] {
        try connection.rows(
            "SELECT name FROM repositories WHERE name > $1 ORDER BY name LIMIT $2",
            [.text(last), .integer(Int64(limit))]
        ).map { $0.text(0) }
    }
}
