/// An error that a person reads: docker's sentence, and where we can do better a hint.
package struct ContainerError: Error, Sendable, CustomStringConvertible {
    /// What front ends may tell apart.
    package enum Code: Sendable, Equatable {
        case notFound, conflict, invalid, notRunning, unavailable, failed
        /// The container's program cannot be run: exit code 126.
        case cannotInvoke
        /// The container's program is not there: exit code 127.
        case commandNotFound
    }

    package var code: Code
    package var message: String
    package var hint: String?

    package init(_ code: Code, _ message: String, hint: String? = nil) {
        self.code = code
        self.message = message
        self.hint = hint
    }

    package var description: String { message }

    /// The exit code of `run` and `start` for this error: docker's 125, 126 and 127.
    package var exitCode: Int32 {
        switch code {
        case .cannotInvoke: 126
        case .commandNotFound: 127
        default: 125
        }
    }
}
