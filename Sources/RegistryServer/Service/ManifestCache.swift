import NIOCore
import OCI
import Synchronization

/// The bytes of manifests that were served lately. They never change under their digest, so nothing is invalidated.
final class ManifestCache: Sendable {
    private struct State {
        var entries: [Digest: ByteBuffer] = [:]
        /// Digests, oldest first.
        var order: [Digest] = []
        var bytes = 0
    }

    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) { self.limit = limit }

    subscript(digest: Digest) -> ByteBuffer? {
        get { state.withLock { $0.entries[digest] } }
        set {
            guard let newValue, newValue.readableBytes <= limit / 8 else { return }
            state.withLock { state in
                if state.entries.updateValue(newValue, forKey: digest) != nil { return }
                state.order.append(digest)
                state.bytes += newValue.readableBytes
                if state.bytes <= limit { return }
                // A quarter at a time, so that the order is not moved for each new manifest.
                let dropped = state.order.prefix(max(state.order.count / 4, 1))
                for digest in dropped { state.bytes -= state.entries.removeValue(forKey: digest)?.readableBytes ?? 0 }
                state.order.removeFirst(dropped.count)
            }
        }
    }
}
