import CSQLite

/// A connection to an SQLite file: write-ahead log, every commit durable, foreign keys on, waits for other writers.
@safe final class SQLiteConnection: SQLConnection {
    private let path: String
    let handle: OpaquePointer
    /// Prepared statements by their text: the commands' few statements are prepared once.
    private var prepared: [String: OpaquePointer] = unsafe [:]

    /// SQLite's own request to copy what it is given: the bytes do not outlive the call.
    private static var transient: sqlite3_destructor_type? {
        unsafe unsafeBitCast(-1, to: sqlite3_destructor_type?.self)
    }

    init(path: String, busyMilliseconds: Int32, create: Bool) throws(SQLError) {
        self.path = path
        var opened: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0)
        let result = unsafe sqlite3_open_v2(path, &opened, flags, nil)
        guard let opened = unsafe opened else {
            throw SQLError(.cannotOpen, "cannot open database `\(path)`: out of memory")
        }
        unsafe handle = opened
        if result != SQLITE_OK {
            let error = unsafe Self.error(result, of: opened, path, "open")
            unsafe sqlite3_close_v2(opened)
            throw error
        }
        unsafe sqlite3_extended_result_codes(handle, 1)
        unsafe sqlite3_busy_timeout(handle, busyMilliseconds)
        for pragma in ["foreign_keys = ON", "synchronous = FULL", "trusted_schema = OFF", "cell_size_check = ON"] {
            try run("PRAGMA \(pragma)")
        }
    }

    deinit {
        unsafe prepared.values.forEach { unsafe sqlite3_finalize($0) }
        unsafe sqlite3_close_v2(handle)
    }

    /// Runs a statement without parameters and without keeping it.
    func run(_ sql: String) throws(SQLError) {
        let result = unsafe sqlite3_exec(handle, sql, nil, nil, nil)
        if result != SQLITE_OK { throw failure(result, sql) }
    }

    func query(_ sql: String, _ parameters: [SQLValue], row: (SQLRow) throws -> Void) throws {
        let statement = unsafe try prepare(sql)
        defer {
            unsafe sqlite3_reset(statement)
            unsafe sqlite3_clear_bindings(statement)
        }
        for (index, value) in parameters.enumerated() { unsafe try bind(value, to: statement, at: index + 1, sql) }
        let columns = unsafe sqlite3_column_count(statement)
        while true {
            let result = unsafe sqlite3_step(statement)
            if result == SQLITE_DONE { return }
            if result != SQLITE_ROW { throw failure(result, sql) }
            try row(SQLRow((0..<columns).map { unsafe Self.value(statement, $0) }))
        }
    }

    @discardableResult
    func execute(_ sql: String, _ parameters: [SQLValue]) throws -> Int {
        try query(sql, parameters) { _ in }
        return Int(unsafe sqlite3_changes64(handle))
    }

    private func prepare(_ sql: String) throws(SQLError) -> OpaquePointer {
        if let statement = unsafe prepared[sql] { return unsafe statement }
        var statement: OpaquePointer?
        let result = unsafe sqlite3_prepare_v2(handle, sql, -1, &statement, nil)
        guard result == SQLITE_OK, let statement = unsafe statement else { throw failure(result, sql) }
        unsafe prepared[sql] = statement
        return unsafe statement
    }

    /// `$1` binds by its name, so a statement may use it twice.
    private func bind(_ value: SQLValue, to statement: OpaquePointer, at number: Int, _ sql: String) throws(SQLError) {
        let index = unsafe sqlite3_bind_parameter_index(statement, "$\(number)")
        if index == 0 { throw SQLError(.failed, "statement has no parameter $\(number): \(sql)") }
        let result: Int32 =
            switch value {
            case .null: unsafe sqlite3_bind_null(statement, index)
            case .integer(let number): unsafe sqlite3_bind_int64(statement, index, number)
            case .real(let number): unsafe sqlite3_bind_double(statement, index, number)
            case .text(let text):
                unsafe sqlite3_bind_text64(
                    statement, index, text, UInt64(text.utf8.count), Self.transient, UInt8(SQLITE_UTF8))
            case .blob(let bytes):
                unsafe bytes.withUnsafeBytes { buffer in
                    unsafe buffer.isEmpty
                        ? unsafe sqlite3_bind_zeroblob(statement, index, 0)
                        : unsafe sqlite3_bind_blob64(
                            statement, index, buffer.baseAddress, UInt64(buffer.count), Self.transient)
                }
            }
        if result != SQLITE_OK { throw failure(result, sql) }
    }

    private static func value(_ statement: OpaquePointer, _ column: Int32) -> SQLValue {
        switch unsafe sqlite3_column_type(statement, column) {
        case SQLITE_INTEGER: return .integer(unsafe sqlite3_column_int64(statement, column))
        case SQLITE_FLOAT: return .real(unsafe sqlite3_column_double(statement, column))
        case SQLITE_TEXT:
            guard let text = unsafe sqlite3_column_text(statement, column) else { return .text("") }
            let count = Int(unsafe sqlite3_column_bytes(statement, column))
            return .text(unsafe String(decoding: UnsafeBufferPointer(start: text, count: count), as: UTF8.self))
        case SQLITE_BLOB:
            guard let bytes = unsafe sqlite3_column_blob(statement, column) else { return .blob([]) }
            let count = Int(unsafe sqlite3_column_bytes(statement, column))
            return .blob(unsafe [UInt8](UnsafeRawBufferPointer(start: bytes, count: count)))
        default: return .null
        }
    }

    private func failure(_ result: Int32, _ sql: String) -> SQLError {
        unsafe Self.error(result, of: handle, path, "run `\(sql.prefix(120))` in")
    }

    private static func error(_ result: Int32, of handle: OpaquePointer, _ path: String, _ what: String) -> SQLError {
        let code: SQLError.Code =
            switch result & 0xff {
            case SQLITE_BUSY, SQLITE_LOCKED: .busy
            case SQLITE_CORRUPT, SQLITE_NOTADB: .damaged
            case SQLITE_CONSTRAINT: .constraint
            case SQLITE_FULL: .noSpace
            case SQLITE_READONLY: .readOnly
            case SQLITE_CANTOPEN: .cannotOpen
            default: .failed
            }
        let reason = unsafe sqlite3_errmsg(handle).map { unsafe String(cString: $0) } ?? "error \(result)"
        let sentence =
            switch code {
            case .damaged: "database `\(path)` is damaged: \(reason)"
            case .busy: "database `\(path)` is held by another process: \(reason)"
            default: "cannot \(what) database `\(path)`: \(reason)"
            }
        return SQLError(code, sentence)
    }
}
