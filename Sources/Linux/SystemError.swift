import CLinux
import Glibc

/// A system call that failed: which, on what, and why. `errno` becomes a sentence here and nowhere else.
package struct SystemError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What callers tell apart.
    package enum Kind: Sendable, Equatable {
        case notFound, exists, permission, noSpace, readOnly, notEmpty, notSupported, wouldBlock, crossDevice, busy,
            other
    }

    /// The positive error number.
    package var errno: Int32
    /// What was tried, as a verb: `open`, `rename`.
    package var operation: String
    /// The path or thing it was tried on.
    package var subject: String

    package init(errno: Int32, operation: String, subject: String) {
        self.errno = errno
        self.operation = operation
        self.subject = subject
    }

    package var kind: Kind {
        switch errno {
        case ENOENT, ENOTDIR: .notFound
        case EEXIST: .exists
        case EACCES, EPERM: .permission
        case ENOSPC, EDQUOT: .noSpace
        case EROFS: .readOnly
        case ENOTEMPTY: .notEmpty
        case ENOSYS, EOPNOTSUPP, EINVAL, ENODEV: .notSupported
        case EAGAIN: .wouldBlock
        case EXDEV: .crossDevice
        case EBUSY: .busy
        default: .other
        }
    }

    /// The reason alone: `no space left on device`.
    package var reason: String { Self.reason(errno) }

    package var description: String { "cannot \(operation) `\(subject)`: \(Self.reason(errno))" }

    private static func reason(_ number: Int32) -> String {
        guard let text = unsafe strerror(number) else { return "error \(number)" }
        let sentence = unsafe String(cString: text)
        return sentence.prefix(1).lowercased() + sentence.dropFirst()
    }
}

/// Turns `-errno` of the shim into an error.
@discardableResult
func check<Value: SignedInteger>(
    _ result: Value, _ operation: @autoclosure () -> String, _ subject: @autoclosure () -> String
) throws(SystemError) -> Value {
    if result < 0 {
        throw SystemError(errno: Int32(truncatingIfNeeded: -result), operation: operation(), subject: subject())
    }
    return result
}

/// The same for calls of the C library, which leave the reason in `errno`.
@discardableResult
func checkErrno<Value: SignedInteger>(
    _ result: Value, _ operation: @autoclosure () -> String, _ subject: @autoclosure () -> String
) throws(SystemError) -> Value {
    if result < 0 { throw SystemError(errno: errno, operation: operation(), subject: subject()) }
    return result
}
