import OCI
import Synchronization

/// What a registry said yes to, so that after a kill it can be asked for it.
final class CrashLedger: Sendable {
    struct Image: Sendable {
        var tag: String
        var manifest: [UInt8]
        var blobs: [Digest]
        var round: Int
    }

    /// An upload of which some bytes were acknowledged and the rest was not sent.
    struct Upload: Sendable {
        var location: String
        var bytes: [UInt8]
        var acknowledged: Int
    }

    private struct State {
        var images: [String: Image] = [:]
        var deleted: Set<String> = []
        var uploads: [Upload] = []
        var counts: [String: Int] = [:]
    }

    private let state = Mutex(State())

    func pushed(_ image: Image) {
        state.withLock { state in
            state.images[image.tag] = image
            state.counts["pushes", default: 0] += 1
        }
    }

    /// Takes an image to delete: from now on nobody knows, until the answer came.
    func victim() -> Image? {
        state.withLock { state in
            guard let image = state.images.values.first else { return nil }
            state.images[image.tag] = nil
            return image
        }
    }

    func deleted(_ tag: String) {
        state.withLock { state in
            state.deleted.insert(tag)
            state.counts["deletes", default: 0] += 1
        }
    }

    func collected() { state.withLock { $0.counts["collections", default: 0] += 1 } }

    func uploading(_ upload: Upload) {
        state.withLock { state in
            state.uploads.append(upload)
            state.counts["chunks", default: 0] += 1
        }
    }

    /// The half uploads, once.
    func takeUploads() -> [Upload] {
        state.withLock { state in
            defer { state.uploads = [] }
            return state.uploads
        }
    }

    /// What must be there: of one round, or everything.
    func images(of round: Int? = nil) -> [Image] {
        state.withLock { state in state.images.values.filter { round == nil || $0.round == round } }
    }

    /// What must be gone.
    var gone: Set<String> { state.withLock { $0.deleted } }

    var counts: [String: Int] { state.withLock { $0.counts } }
}

/// Random numbers that come again with their seed (splitmix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }
}
