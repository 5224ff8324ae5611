import Content
import OCI
import RegistryClient
import Synchronization
import TestSupport

/// A clock that nobody waits for: a sleep moves it on and is noted.
final class TestClock: Sendable {
    private let state = Mutex<(now: Duration, sleeps: [Duration])>((.zero, []))

    var sleeps: [Duration] { state.withLock { $0.sleeps } }
    func advance(_ duration: Duration) { state.withLock { $0.now += duration } }

    /// As seen by a client; its jitter is the least, half of the full delay.
    var clock: RegistryClock {
        var clock = RegistryClock()
        clock.now = { self.state.withLock { $0.now } }
        clock.sleep = { duration in
            try Task.checkCancellation()
            self.state.withLock { state in
                state.now += duration
                state.sleeps.append(duration)
            }
        }
        clock.random = { 0 }
        return clock
    }
}

/// A client for a test, closed at its end, whose waits take no time.
func withClient<Result: Sendable>(
    clock: TestClock = TestClock(), _ change: (inout RegistryConfiguration) -> Void = { _ in },
    _ body: (RegistryClient) async throws -> Result
) async throws -> Result {
    var configuration = RegistryConfiguration()
    configuration.clock = clock.clock
    change(&configuration)
    let client = RegistryClient(configuration: configuration)
    do {
        let result = try await body(client)
        await client.shutdown()
        return result
    } catch {
        await client.shutdown()
        throw error
    }
}

/// What became of a call, in a form that a table can name.
enum Outcome: Sendable, Equatable, CustomStringConvertible {
    case fine
    case registry(RegistryError.Code)
    case size
    case digest
    case notFound
    case document

    var description: String {
        switch self {
        case .registry(let code): "registry error \(code)"
        case .fine: "fine"
        case .size: "wrong size"
        case .digest: "wrong digest"
        case .notFound: "not found"
        case .document: "bad document"
        }
    }

    /// Runs a call; errors that no table knows come through.
    static func of(_ call: () async throws -> Void) async throws -> (outcome: Outcome, error: RegistryError?) {
        do {
            try await call()
            return (.fine, nil)
        } catch let error as RegistryError {
            return (.registry(error.code), error)
        } catch let error as BlobError {
            switch error {
            case .sizeMismatch: return (.size, nil)
            case .digestMismatch: return (.digest, nil)
            case .notFound: return (.notFound, nil)
            case .damaged: throw error
            }
        } catch is DocumentError {
            return (.document, nil)
        }
    }
}

/// Counts, from several tasks.
final class Counter: Sendable {
    private let state = Mutex<Int64>(0)
    var value: Int64 { state.withLock { $0 } }
    func add(_ more: Int64) { state.withLock { $0 += more } }
}

extension FaultServer {
    /// Starts a server for the length of a call.
    static func with<Result: Sendable>(
        _ handler: @escaping Handler, _ body: (FaultServer) async throws -> Result
    ) async throws -> Result {
        let server = try await FaultServer(handler: handler)
        do {
            let result = try await body(server)
            await server.stop()
            return result
        } catch {
            await server.stop()
            throw error
        }
    }

    /// The requests, without the first look whether the registry speaks https or http.
    func requests(_ method: String, _ path: String) -> [HTTPExchange] {
        requests.filter { $0.method == method && $0.path == path }
    }
}
