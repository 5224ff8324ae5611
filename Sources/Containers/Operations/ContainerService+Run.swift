import Linux

extension ContainerService {
    /// Starts a container with the caller's streams, carries them until its end, and cleans up.
    ///
    /// - Parameters:
    ///   - onStart: called when the program runs.
    ///   - onWake: called when `streams.wake` is readable.
    /// - Returns: the exit code; nil where the person detached.
    package func runAttached(
        _ id: ContainerID, _ streams: Attachment.Streams, onStart: (StartedContainer) throws -> Void = { _ in },
        onWake: () throws -> Void = {}
    ) throws -> Int32? {
        // What an earlier run left; with `--rm` it would wait for us below.
        try cleanUp(id)
        var attachment: Attachment?
        let code: Int32? = try {
            // Held until the exit code is read: with `--rm` somebody else may be faster to clean up.
            let waiters = try store.lockWaiters(id, .shared)
            defer { withExtendedLifetime(waiters) {} }
            let started = try start(id, attaching: true)
            try onStart(started)
            attachment = started.attachment
            if let line = started.attachment, try line.pump(streams, onWake: onWake) == .detached { return nil }
            return try untilStopped(id)
        }()
        withExtendedLifetime(attachment) {}
        if code != nil { try cleanUp(id) }
        return code
    }
}

extension ContainerService {
    /// Follows a container that runs with the caller's streams until its end.
    ///
    /// - Returns: the exit code; nil where the person detached.
    package func follow(
        _ id: ContainerID, _ streams: Attachment.Streams, onStart: (Attachment) throws -> Void = { _ in },
        onWake: (Attachment) throws -> Void = { _ in }
    ) throws -> Int32? {
        let code: Int32? = try {
            let waiters = try store.lockWaiters(id, .shared)
            defer { withExtendedLifetime(waiters) {} }
            let attachment = try attach(id)
            try onStart(attachment)
            if try attachment.pump(streams, onWake: { try onWake(attachment) }) == .detached { return nil }
            return try untilStopped(id)
        }()
        if code != nil { try cleanUp(id) }
        return code
    }

    /// Waits for the end of a container that was killed, and cleans up after it.
    package func waitForEnd(_ id: ContainerID) throws -> Int32 {
        let code = try untilStopped(id)
        try cleanUp(id)
        return code
    }
}
