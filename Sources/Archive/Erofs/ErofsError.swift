/// Why an EROFS image cannot be read.
public struct ErofsError: Error, Equatable, Sendable {
    /// What is wrong.
    public enum Reason: Equatable, Sendable {
        /// No EROFS image, or one whose writing was not finished.
        case notAnImage
        /// A sound image may use it, this reader does not know it.
        case unsupported(String)
        /// The bytes contradict themselves or the format.
        case damaged(String)
    }

    /// What is wrong.
    public let reason: Reason
    /// Where: `superblock`, `inode 23`, `directory 8`.
    public let place: String

    init(_ reason: Reason, at place: String) {
        self.reason = reason
        self.place = place
    }

    static func damaged(_ what: String, at place: String) -> ErofsError { ErofsError(.damaged(what), at: place) }
}

extension ErofsError: CustomStringConvertible {
    /// A sentence for people.
    public var description: String {
        switch reason {
        case .notAnImage: "not an EROFS image, or one that was not finished"
        case .unsupported(let what): "\(place): \(what) is not supported"
        case .damaged(let what): "the image is damaged at \(place): \(what)"
        }
    }
}
