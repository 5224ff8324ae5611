import Containers
import Images
import Linux
import RegistryClient

/// Ends a command with an exit code, everything having been said.
package struct ExitStatus: Error {
    package var code: Int32
    package init(_ code: Int32) { self.code = code }
}

/// A command line that cannot be: docker's sentence.
package struct UsageError: Error, CustomStringConvertible {
    package var description: String
    package var code: Int32
    package init(_ description: String, code: Int32 = 1) {
        self.description = description
        self.code = code
    }
}

extension Console {
    /// An error's sentence and its remedy.
    package static func words(of error: any Error) -> (message: String, hint: String?) {
        switch ImageService.explained(error) {
        case let error as ImageError: (error.message, error.hint)
        case let error as ContainerError: (error.message, error.hint)
        case let error as RegistryError: (error.description, error.hint)
        case let error as Rootless.Failure: (error.description, error.hint)
        case is CancellationError: ("interrupted", nil)
        default: ("\(error)", nil)
        }
    }
}
