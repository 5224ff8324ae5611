import CSQLite
import Synchronization

/// What tells one content of a database from another: where two states are equal, nothing was committed between them, by
/// whatever process.
package struct DatabaseState: Sendable, Equatable {
    fileprivate let words: SIMD8<UInt64>
}

/// Looks at the header of the write-ahead log's index, which every commit of every process changes (sqlite.org/walformat.html
/// §2.1). It is memory that all connections share: looking costs no lock and no system call.
///
/// Its checksum makes a header that is seen half written equal to no other.
@safe package final class DatabaseWatch: @unchecked Sendable {
    // Proof of Sendable: the connection is opened here and used no more; it keeps the memory mapped, which is only read.
    private let connection: SQLiteConnection
    private let header: UnsafeRawPointer

    /// The size of a region of the index, as SQLite maps it.
    private static let regionBytes: Int32 = 32768
    private static let headerBytes = 48

    /// - Returns: nil where the database keeps no such index.
    init?(path: String) throws(SQLError) {
        connection = try SQLiteConnection(path: path, busyMilliseconds: 1000, create: false)
        // A read makes the connection open the index.
        try connection.run("SELECT count(*) FROM sqlite_master")
        guard let header = unsafe connection.sharedMemory(bytes: Self.regionBytes) else { return nil }
        unsafe self.header = header
    }

    /// The state now: take it before a read, compare it before what was read is used again.
    package var state: DatabaseState {
        // What was read of a commit before this moment must be read again after it.
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        var words = SIMD8<UInt64>()
        for index in 0..<(Self.headerBytes / 8) {
            words[index] = unsafe header.load(fromByteOffset: index * 8, as: UInt64.self)
        }
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        return DatabaseState(words: words)
    }
}

extension SQLiteConnection {
    /// The first region of the memory that the connections to the file share; nil where there is none.
    fileprivate func sharedMemory(bytes: Int32) -> UnsafeRawPointer? {
        var file: UnsafeMutablePointer<sqlite3_file>?
        guard unsafe sqlite3_file_control(handle, "main", SQLITE_FCNTL_FILE_POINTER, &file) == SQLITE_OK,
            let file = unsafe file, let methods = unsafe file.pointee.pMethods, unsafe methods.pointee.iVersion >= 2,
            let map = unsafe methods.pointee.xShmMap
        else { return nil }
        var memory: UnsafeMutableRawPointer?
        guard unsafe map(file, 0, bytes, 0, &memory) == SQLITE_OK, let memory = unsafe memory else { return nil }
        return UnsafeRawPointer(memory)
    }
}
