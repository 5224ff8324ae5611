import Linux
import OCI
package import SQL
import Synchronization

/// The metadata database: images, layers, manifests, names and the journal of steps.
///
/// Calls block the thread. What one closure of `read` or `write` sees and does is one transaction.
package final class ImageStore: Sendable {
    /// Where the database is.
    package let path: String
    private let opened = Mutex<Database?>(nil)

    /// Whether a store without a database has lost it.
    private let isExpected: @Sendable () throws -> Bool

    /// - Parameters:
    ///   - path: of the database; opened when it is first needed.
    ///   - isExpected: asked where there is no file: a new one would say that a full store is empty.
    package init(path: String, isExpected: @escaping @Sendable () throws -> Bool = { false }) {
        self.path = path
        self.isExpected = isExpected
    }

    /// Whether this is a store in which there never was anything.
    var isNew: Bool { get throws { try isMissing && !isExpected() } }

    private var isMissing: Bool { get throws { try FileStatus.ifExists(path) == nil } }

    /// The database, opened when it is first needed.
    ///
    /// - Throws: `ImageError(.damaged)` where it is damaged, naming it and the remedy.
    func database() throws -> Database {
        try opened.withLock { opened in
            if let database = opened { return database }
            if try isMissing, try isExpected() {
                throw ImageError(
                    .damaged, "the database `\(path)` is missing",
                    hint: "run `strata system check --repair`: it rebuilds the database from the images in the store")
            }
            let database = try Self.explaining { try Database(path: path, migrations: Schema.migrations) }
            opened = database
            return database
        }
    }

    package func read<Result>(_ body: (any SQLConnection) throws -> Result) throws -> Result {
        let database = try database()
        return try Self.explaining { try database.read(body) }
    }

    package func write<Result>(_ body: (any SQLConnection) throws -> Result) throws -> Result {
        let database = try database()
        return try Self.explaining { try database.write(body) }
    }

    /// Lets go of the file, so that it can be replaced.
    func close() { opened.withLock { $0 = nil } }

    private static func explaining<Result>(_ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let error as SQLError {
            let code: ImageError.Code
            var hint: String?
            switch error.code {
            case .damaged:
                code = .damaged
                hint = "run `strata system check --repair`: it rebuilds the database from the images in the store"
            case .noSpace:
                code = .noSpace
                hint = "free some disk space; `strata image prune --now` frees what undo keeps"
            case .readOnly, .cannotOpen:
                code = .readOnly
                hint = "choose another store with --root or STRATA_ROOT, or run as the user that owns this one"
            case .busy: code = .unavailable
            case .newer:
                code = .failed
                hint = "use the newer strata"
            case .constraint, .failed: code = .failed
            }
            throw ImageError(code, error.message, hint: hint)
        }
    }
}

extension Digest {
    /// A digest column. A row that holds none is damaged.
    init(column text: String, of table: String) throws {
        do { try self.init(parsing: text) } catch {
            throw SQLError(.damaged, "a row of the table `\(table)` is damaged: \(error)")
        }
    }
}
