import Archive
import Linux
import Synchronization

/// A layer writer made of a tar parser and what takes its entries.
///
/// The lock is for the compiler: one thread at a time uses a writer.
final class TarLayerWriter<Handler: TarHandler & Sendable>: LayerWriter {
    private struct State: Sendable {
        var parser = TarParser()
        var handler: Handler
    }

    private let state: Mutex<State>
    private let finishHandler: @Sendable (inout Handler) throws -> LayerContents

    /// - Parameter finish: what is to be done after the last entry.
    init(_ handler: Handler, finish: @escaping @Sendable (inout Handler) throws -> LayerContents) {
        state = Mutex(State(handler: handler))
        finishHandler = finish
    }

    func consume(_ bytes: UnsafeRawBufferPointer) throws {
        try state.withLock { state in try unsafe state.parser.consume(bytes, into: &state.handler) }
    }

    func finish() throws -> LayerContents {
        try state.withLock { state in
            try state.parser.finish()
            return try finishHandler(&state.handler)
        }
    }
}
