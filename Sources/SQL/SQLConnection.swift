/// A connection inside a transaction. Statements write parameters as `$1`, `$2` …, which SQLite and PostgreSQL both take.
///
/// One thread at a time uses a connection; `Database` hands it out.
package protocol SQLConnection: AnyObject {
    /// Runs one statement and gives its rows to `row`, in order.
    func query(_ sql: String, _ parameters: [SQLValue], row: (SQLRow) throws -> Void) throws
    /// Runs one statement.
    ///
    /// - Returns: the number of rows it changed.
    @discardableResult
    func execute(_ sql: String, _ parameters: [SQLValue]) throws -> Int
}

extension SQLConnection {
    /// All rows.
    package func rows(_ sql: String, _ parameters: [SQLValue] = []) throws -> [SQLRow] {
        var rows: [SQLRow] = []
        try query(sql, parameters) { rows.append($0) }
        return rows
    }

    /// The first row; nil where there is none.
    package func row(_ sql: String, _ parameters: [SQLValue] = []) throws -> SQLRow? {
        var first: SQLRow?
        try query(sql, parameters) { if first == nil { first = $0 } }
        return first
    }

    @discardableResult
    package func execute(_ sql: String) throws -> Int { try execute(sql, []) }
}

/// A named step of a schema. Steps are append-only: what was released is never edited, only followed.
package struct Migration: Sendable {
    /// Says what the step does; unique, never changed.
    package let name: String
    /// The statements, run in one transaction.
    package let statements: [String]

    package init(_ name: String, _ statements: [String]) {
        self.name = name
        self.statements = statements
    }
}
