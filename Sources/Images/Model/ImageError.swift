/// An error that a person reads: docker's sentence, and where we can do better a hint.
package struct ImageError: Error, Sendable, CustomStringConvertible {
    /// What front ends may tell apart.
    package enum Code: Sendable, Equatable {
        case notFound, conflict, denied, invalid, damaged, noSpace, readOnly, unavailable, cancelled, failed
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
}
