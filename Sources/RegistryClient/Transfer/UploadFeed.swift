import Content
import Synchronization

/// Gives a blob reader's bytes in pieces of the wanted size, over one or several upload requests.
final class UploadFeed: Sendable {
    private struct State: Sendable {
        var rest: ArraySlice<UInt8> = []
        /// Bytes to drop first: of a source that could not start where it was asked to.
        var skip: Int64
        var position: Int64
        var failure: (any Error)?
    }

    /// A source gave fewer bytes than its descriptor says.
    struct EndedEarly: Error, CustomStringConvertible {
        var position: Int64
        var size: Int64
        var description: String { "the blob to send ended after \(position) of \(size) bytes" }
    }

    private let reader: any BlobReader
    private let size: Int64
    private let state: Mutex<State>

    /// - Parameter position: where in the blob the first piece begins.
    init(reader: any BlobReader, position: Int64, size: Int64) {
        self.reader = reader
        self.size = size
        state = Mutex(State(skip: max(0, position - reader.offset), position: position))
    }

    /// What reading the source failed with: no fault of the registry's.
    var failure: (any Error)? { state.withLock { $0.failure } }

    /// The next bytes, at least one.
    func next(atMost limit: Int64) async throws -> ArraySlice<UInt8> {
        while true {
            let ready = state.withLock { state -> ArraySlice<UInt8>? in
                let skipped = min(Int64(state.rest.count), state.skip)
                state.rest = state.rest.dropFirst(Int(skipped))
                state.skip -= skipped
                if state.rest.isEmpty { return nil }
                let piece = state.rest.prefix(Int(min(limit, Int64(state.rest.count))))
                state.rest = state.rest.dropFirst(piece.count)
                state.position += Int64(piece.count)
                return piece
            }
            if let ready { return ready }
            do {
                guard let chunk = try await reader.next() else {
                    throw EndedEarly(position: state.withLock { $0.position }, size: size)
                }
                state.withLock { $0.rest = chunk[...] }
            } catch {
                state.withLock { $0.failure = error }
                throw error
            }
        }
    }
}
