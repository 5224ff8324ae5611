import OCI
import RegistryClient
import Synchronization

/// Tells what becomes of one blob of a push.
struct PushProgress: Sendable {
    /// The first digits of the layer's diffID, as docker shows it; nil for what docker does not show.
    let id: String?
    let size: Int64
    let handler: ProgressHandler
    private let sent = Sent()

    private final class Sent: Sendable {
        let bytes = Mutex<Int64>(0)
    }

    func tell(_ status: LayerStatus) {
        if let id { handler(.layer(id: id, status)) }
    }

    func advance(_ count: Int64) {
        // Under the lock, so that the figures come in order.
        sent.bytes.withLock { bytes in
            bytes += count
            tell(.pushing(done: min(bytes, size), total: size))
        }
    }

    func tell(_ outcome: PushOutcome) {
        switch outcome {
        case .uploaded: tell(.pushed)
        case .alreadyThere: tell(.alreadyPushed)
        case .mounted(let repository): tell(.mounted(from: repository.path))
        case .skippedForeign: tell(LayerStatus.skippedForeign)
        }
    }
}

extension ImageError {
    /// A registry's refusal in docker's words.
    init(pushing error: RegistryError) {
        let code: Code =
            switch error.code {
            case .unauthorized, .denied: .denied
            case .unavailable, .unreachable, .stalled, .tooManyRequests: .unavailable
            case .blocked, .configuration: .invalid
            default: .failed
            }
        self.init(code, error.sentence, hint: error.hint)
    }
}
