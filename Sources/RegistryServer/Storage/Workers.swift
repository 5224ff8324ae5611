import NIOPosix

/// The threads on which a server reads its database and its files: never the cooperative pool, never an event loop.
enum Workers {
    /// One pool for the process, as wide as reads may wait for a disk at a time. It lives as long as the process.
    private static let pool: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: 16)
        pool.start()
        return pool
    }()

    static func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await pool.runIfActive(body)
    }
}
