/// What a database said no to.
package struct SQLError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What callers tell apart.
    package enum Code: Sendable, Equatable {
        /// Another process holds the database longer than the time to wait.
        case busy
        /// A page, a row or the file itself is not what it must be.
        case damaged
        /// A unique, foreign key, check or not-null rule refused the change.
        case constraint
        case noSpace
        case readOnly
        /// The file cannot be opened.
        case cannotOpen
        /// Made by a newer program.
        case newer
        case failed
    }

    package var code: Code
    /// The sentence, naming the database.
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
