/// What a long operation tells while it works. Front ends render it; docker's words are made here once, in `LayerStatus`.
package enum ProgressEvent: Sendable, Equatable {
    /// A line of its own: `3.15: Pulling from library/alpine`, `Status: …`, `Digest: …`.
    case line(String)
    /// What one layer is doing; `id` is the first 12 digits of the digest docker shows for the layer.
    case layer(id: String, LayerStatus)
    /// Bytes of an archive that were read or written; `total` is 0 where nobody knows it.
    case archive(ArchiveWork, done: Int64, total: Int64)
    /// Nothing more comes of the archive.
    case archiveDone
    /// A warning for standard error.
    case warning(String)
}

/// What is done with an archive.
package enum ArchiveWork: String, Sendable { case reading = "Reading", writing = "Writing" }

/// The state of one layer in a pull, a push or a load.
package enum LayerStatus: Sendable, Equatable {
    case pullingLayer
    case waiting
    /// Another process downloads the same blob; this one waits for it.
    case waitingForOther(done: Int64, total: Int64)
    case downloading(done: Int64, total: Int64)
    case verifying
    case downloadComplete
    case extracting(done: Int64, total: Int64)
    case pullComplete
    case alreadyExists
    case retrying(seconds: Int, reason: String)
    case preparing
    case pushing(done: Int64, total: Int64)
    case pushed
    case alreadyPushed
    case mounted(from: String)
    case skippedForeign
    case loading(done: Int64, total: Int64)
    case checking(done: Int64, total: Int64)

    /// docker's words, without figures.
    package var text: String {
        switch self {
        case .pullingLayer: "Pulling fs layer"
        case .waiting, .waitingForOther: "Waiting"
        case .downloading: "Downloading"
        case .verifying: "Verifying Checksum"
        case .downloadComplete: "Download complete"
        case .extracting: "Extracting"
        case .pullComplete: "Pull complete"
        case .alreadyExists: "Already exists"
        case .retrying(let seconds, _): "Retrying in \(seconds) second\(seconds == 1 ? "" : "s")"
        case .preparing: "Preparing"
        case .pushing: "Pushing"
        case .pushed: "Pushed"
        case .alreadyPushed: "Layer already exists"
        case .mounted(let repository): "Mounted from \(repository)"
        case .skippedForeign: "Skipped foreign layer"
        case .loading: "Loading layer"
        case .checking: "Checking"
        }
    }

    /// Bytes done and in all, where the state has such.
    package var bytes: (done: Int64, total: Int64)? {
        switch self {
        case .downloading(let done, let total), .extracting(let done, let total), .pushing(let done, let total),
            .loading(let done, let total), .waitingForOther(let done, let total), .checking(let done, let total):
            (done, total)
        default: nil
        }
    }
}

/// Takes progress; called from any thread, in order for each layer.
package typealias ProgressHandler = @Sendable (ProgressEvent) -> Void
