import Content
import Synchronization

/// Gives a blob reader's bytes in pieces of the wanted size, over one or several upload requests.
final class UploadFeed: Sendable {
    private let reader: any BlobReader
    private let descriptorSize: Int64
    private let advanced: @Sendable (Int64) -> Void
    private let state: Mutex<State>

    private struct State: Sendable {
        var rest: ArraySlice<UInt8> = []
        var skip: Int64
        var position: Int64
        var failure: (any Error)?
    }

    /// - Parameters:
    ///   - position: where in the blob the first piece begins.
    ///   - advanced: told the position in the blob after each piece.
    init(reader: any BlobReader, position: Int64, size: Int64, advanced: @escaping @Sendable (Int64) -> Void) {
        self.reader = reader
        descriptorSize = size
        self.advanced = advanced
        state = Mutex(State(skip: position - reader.offset, position: position))
    }

    /// What reading the source failed with: no fault of the registry's.
    var failure: (any Error)? { state.withLock { $0.failure } }

    /// The next bytes, at least one.
    func next(atMost limit: Int64) async throws -> ArraySlice<UInt8> {
        while true {
            let ready = state.withLock { state -> (ArraySlice<UInt8>, Int64)? in
                let skipped = min(Int64(state.rest.count), state.skip)
                state.rest = state.rest.dropFirst(Int(skipped))
                state.skip -= skipped
                if state.rest.isEmpty { return nil }
                let piece = state.rest.prefix(Int(min(limit, Int64(state.rest.count))))
                state.rest = state.rest.dropFirst(piece.count)
                state.position += Int64(piece.count)
                return (piece, state.position)
            }
            if let (piece, position) = ready {
                advanced(position)
                return piece
            }
            do {
                guard let chunk = try await reader.next() else {
                    throw UploadFeedEnded(position: state.withLock { $0.position }, size: descriptorSize)
                }
                state.withLock { $0.rest = chunk[...] }
            } catch {
                state.withLock { $0.failure = error }
                throw error
            }
        }
    }

    func cancel() { reader.cancel() }
}

/// A source gave fewer bytes than its descriptor says.
struct UploadFeedEnded: Error {
    var position: Int64
    var size: Int64
}
